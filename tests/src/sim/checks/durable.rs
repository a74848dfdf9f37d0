//! Term and vote, and the entries that a leader counts, are on the disk before
//! they are answered for (Raft, 3.8): a power cut takes nothing back.

use std::collections::BTreeMap;

use super::Check;
use crate::sim::seen::Seen;

/// Knows how far the disk of each node is. Followers are to be looked at before
/// those who lead, at the same moment.
#[derive(Debug, Default)]
pub struct DurableBeforeAnswered {
    /// By id, of those seen at this moment: the term, and the last entry that is durable.
    durable: BTreeMap<u64, (u64, u64)>,
}

impl Check for DurableBeforeAnswered {
    fn begin(&mut self) {
        // Whoever is not seen has lost its disk.
        self.durable.clear();
    }

    fn look(&mut self, seen: &Seen) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        if inside.voted < seen.term {
            return Err(format!(
                "durable before answered: {} is in term {}, and a power cut would leave it in {}",
                seen.name, seen.term, inside.voted
            ));
        }
        // A state that came as a snapshot stands for the entries before it.
        self.durable.insert(seen.id, (seen.term, inside.last().max(inside.durably_applied)));
        for (id, matched) in &seen.matched {
            // Who follows another leader by now may have given up what this one counts.
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
