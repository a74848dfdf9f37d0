//! No node id is used twice: an id is of one node with one disk, so that a vote
//! that was lost with a disk never counts again. (coffeed's own; why: Raft, 3.8.)

use std::collections::BTreeMap;

use super::Check;
use crate::sim::seen::Seen;

/// Knows whose each id is.
#[derive(Debug, Default)]
pub struct NodeIdsOnce {
    owners: BTreeMap<u64, (String, u64)>,
}

impl Check for NodeIdsOnce {
    fn look(&mut self, seen: &Seen) -> Result<(), String> {
        let now = (seen.name.clone(), seen.disk);
        let owner = self.owners.entry(seen.id).or_insert_with(|| now.clone());
        if *owner == now {
            return Ok(());
        }
        Err(format!("node ids once: {} is of {owner:?}, and of {now:?}", seen.id))
    }
}
