//! Log Matching: if two logs have an entry with the same index and term, they
//! are the same in all entries up to it (Raft, 3.5).
//!
//! By induction that is: index and term name an entry, and the one before it.

use std::collections::BTreeMap;

use super::Check;
use crate::sim::seen::Seen;

/// Knows each entry that was ever seen.
#[derive(Debug, Default)]
pub struct LogMatching {
    /// By index and term: the hash of the entry.
    entries: BTreeMap<(u64, u64), u64>,
    /// By index and term: the term of the entry before it.
    before: BTreeMap<(u64, u64), u64>,
}

impl Check for LogMatching {
    fn look(&mut self, seen: &Seen) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        let mut last = None;
        for line in &inside.log {
            let place = (line.index, line.term);
            if *self.entries.entry(place).or_insert(line.hash) != line.hash {
                return Err(format!("log matching: {} has another entry {place:?}", seen.name));
            }
            if let Some((index, term)) = last {
                if index + 1 != line.index || term > line.term {
                    return Err(format!("log matching: {} has {place:?} behind {last:?}", seen.name));
                }
                if *self.before.entry(place).or_insert(term) != term {
                    return Err(format!("log matching: {} has another entry before {place:?}", seen.name));
                }
            }
            last = Some(place);
        }
        Ok(())
    }
}
