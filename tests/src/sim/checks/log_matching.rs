//! Log Matching: if two logs contain an entry with the same index and term, they are
//! identical in all entries up to it (Raft, 3.5).
//!
//! Checked by induction: index and term identify an entry and its predecessor.

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers every entry ever observed.
#[derive(Debug, Default)]
pub struct LogMatching {
    /// Hash of the entry, by index and term.
    entries: BTreeMap<(u64, u64), u64>,
    /// Term of the preceding entry, by index and term.
    before: BTreeMap<(u64, u64), u64>,
}

impl SafetyCheck for LogMatching {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        let mut last = None;
        for line in &inside.log {
            let place = (line.index, line.term);
            if *self.entries.entry(place).or_insert(line.hash) != line.hash {
                return Err(format!("log matching: {} has another entry {place:?}", seen.name));
            }
            if let Some((index, term)) = last {
                if index + 1 != line.index || term > line.term {
                    return Err(format!("log matching: {} has {place:?} after {last:?}", seen.name));
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
