//! No node id is used twice: an id belongs to one node with one disk, so a vote that was
//! lost with a disk never counts again. (An invariant of coffeed; for the reason see
//! Raft, 3.8.)

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers the owner of each id.
#[derive(Debug, Default)]
pub struct NodeIdsOnce {
    owners: BTreeMap<u64, (String, u64)>,
}

impl SafetyCheck for NodeIdsOnce {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let now = (seen.name.clone(), seen.disk);
        let owner = self.owners.entry(seen.id).or_insert_with(|| now.clone());
        if *owner == now {
            return Ok(());
        }
        Err(format!("node ids once: {} is of {owner:?}, and of {now:?}", seen.id))
    }
}
