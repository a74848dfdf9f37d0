//! Term, vote, and the entries that a leader counts are on disk before they are
//! acknowledged (Raft, 3.8), so a power cut loses none of them.

use std::collections::BTreeMap;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Remembers how far each node's disk is. Followers must be checked before leaders of the
/// same moment.
#[derive(Debug, Default)]
pub struct DurableBeforeAnswered {
    /// Term and last durable entry of the nodes observed at this moment, by id.
    durable: BTreeMap<u64, (u64, u64)>,
}

impl SafetyCheck for DurableBeforeAnswered {
    fn begin(&mut self) {
        // A node without an observation has lost its disk.
        self.durable.clear();
    }

    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        // A node whose disk stalls is in a term before it has answered in it.
        if inside.voted < seen.term && !seen.stalled {
            return Err(format!(
                "durable before answered: {} is in term {}, and a power cut would leave it in {}",
                seen.name, seen.term, inside.voted
            ));
        }
        // A state received as a snapshot replaces the entries before it.
        self.durable.insert(seen.id, (seen.term, inside.last().max(inside.durably_applied)));
        for (id, matched) in &seen.matched {
            // A follower of another leader may have truncated what this leader counts.
            let Some((_, last)) = self.durable.get(id).filter(|(term, _)| *term == seen.term) else {
                continue;
            };
            if last < matched {
                return Err(format!(
                    "durable before answered: {} counts on {id} up to {matched}, and a power cut would leave {last}",
                    seen.name
                ));
            }
        }
        Ok(())
    }
}
