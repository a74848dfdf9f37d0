//! Leader Completeness: an entry committed in a term is in the logs of the leaders of all
//! later terms (Raft, 3.6.3).
//!
//! An entry that a node has applied is committed, in that node's term at the latest.

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers committed entries.
#[derive(Debug, Default)]
pub struct LeaderCompleteness {
    /// Term of the entry, and a term in which it was committed, by index.
    committed: BTreeMap<u64, (u64, u64)>,
}

impl SafetyCheck for LeaderCompleteness {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        for line in inside.log.iter().filter(|line| line.index <= seen.applied) {
            self.committed.entry(line.index).or_insert((line.term, seen.term));
        }
        if !seen.leads {
            return Ok(());
        }
        let kept = inside.log.first().map_or(seen.last_log + 1, |line| line.index);
        // A leader's own entries may be committed before they are on its own disk.
        let is_due = |(term, by): &(u64, u64)| *term < seen.term && *by <= seen.term;
        for (index, (term, _)) in self.committed.range(kept..).filter(|(_, entry)| is_due(entry)) {
            let found = inside.line(*index).map(|line| line.term);
            // A state received as a snapshot replaces the entries before it.
            let in_state = found.is_none() && *index <= inside.durably_applied;
            if !in_state && found != Some(*term) {
                return Err(format!(
                    "leader completeness: {} leads in term {}, and has at {index} {found:?} instead of the entry of term {term}",
                    seen.name, seen.term
                ));
            }
        }
        Ok(())
    }
}
