//! State Machine Safety: no two nodes apply different entries at the same index (Raft,
//! 3.6.3). And since the state depends on the entries alone, two nodes hold the same
//! state as of the same entry.

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers applied entries and resulting states.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    /// Term and hash of the entry, by index.
    applied: BTreeMap<u64, (u64, u64)>,
    /// Hash of the state as of the entry, by index.
    states: BTreeMap<u64, u64>,
}

impl SafetyCheck for StateMachineSafety {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
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
        let Some(state) = inside.state else { return Ok(()) };
        if *self.states.entry(state.index).or_insert(state.hash) != state.hash {
            let (name, index) = (&seen.name, state.index);
            return Err(format!("state machine safety: {name} has another state as of entry {index}"));
        }
        Ok(())
    }
}
