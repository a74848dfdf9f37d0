//! Leader Completeness: an entry that is committed in a term is in the logs of
//! the leaders of all later terms (Raft, 3.6.3).
//!
//! What somebody has applied is committed, in no later term than his.

use std::collections::BTreeMap;

use super::Check;
use crate::sim::seen::Seen;

/// Knows what was committed.
#[derive(Debug, Default)]
pub struct LeaderCompleteness {
    /// By index: the term of the entry, and one in which it was committed.
    committed: BTreeMap<u64, (u64, u64)>,
}

impl Check for LeaderCompleteness {
    fn look(&mut self, seen: &Seen) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        for line in inside.log.iter().filter(|line| line.index <= seen.applied) {
            self.committed.entry(line.index).or_insert((line.term, seen.term));
        }
        if !seen.leads {
            return Ok(());
        }
        let kept = inside.log.first().map_or(seen.last_log + 1, |line| line.index);
        for (index, (term, _)) in self.committed.range(kept..).filter(|(_, (_, by))| *by <= seen.term) {
            let found = inside.line(*index).map(|line| line.term);
            // A state that came as a snapshot stands for the entries before it.
            let in_state = found.is_none() && *index <= inside.durably_applied;
            if !in_state && found != Some(*term) {
                return Err(format!(
                    "leader completeness: {} leads in term {}, and has at {index} not the entry of term {term}, but {found:?}",
                    seen.name, seen.term
                ));
            }
        }
        Ok(())
    }
}
