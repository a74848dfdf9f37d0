//! State Machine Safety: no two nodes apply different entries at the same index
//! (Raft, 3.6.3). And, as the state follows from the entries alone, what they
//! hold behind the same entry is the same.

use std::collections::BTreeMap;

use super::Check;
use crate::sim::seen::Seen;

/// Knows what was applied, and what came of it.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    /// By index: term and hash of the entry.
    applied: BTreeMap<u64, (u64, u64)>,
    /// By index: the hash of the state behind it.
    states: BTreeMap<u64, u64>,
}

impl Check for StateMachineSafety {
    fn look(&mut self, seen: &Seen) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        for line in inside.log.iter().filter(|line| line.index <= seen.applied) {
            let entry = (line.term, line.hash);
            let known = *self.applied.entry(line.index).or_insert(entry);
            if known != entry {
                let (term, index) = (line.term, line.index);
                return Err(format!(
                    "state machine safety: {} has applied at {index} an entry of term {term}, others one of term {}",
                    seen.name, known.0
                ));
            }
        }
        let Some((index, hash)) = inside.state else { return Ok(()) };
        if *self.states.entry(index).or_insert(hash) != hash {
            return Err(format!(
                "state machine safety: {} has another state behind entry {index}",
                seen.name
            ));
        }
        Ok(())
    }
}
