//! Election Safety: at most one leader is elected in a term (Raft, 3.4).

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers the leader of each term.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<u64, u64>,
}

impl SafetyCheck for ElectionSafety {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        if !seen.leads {
            return Ok(());
        }
        let leader = *self.leaders.entry(seen.term).or_insert(seen.id);
        if leader == seen.id {
            return Ok(());
        }
        Err(format!("election safety: {leader} and {} lead in term {}", seen.id, seen.term))
    }
}
