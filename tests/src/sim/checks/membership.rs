//! One membership change at a time: of two consecutive memberships in a log, every quorum
//! of one intersects every quorum of the other (Raft, 4.1 and 4.3).
//!
//! That holds if they share a set of voters, or if both are simple and differ by one
//! voter.

use std::collections::BTreeSet;

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Checks each log on its own.
#[derive(Debug, Default)]
pub struct OneChangeAtATime;

impl SafetyCheck for OneChangeAtATime {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        let mut last: Option<&Vec<Vec<u64>>> = None;
        for line in &inside.log {
            let Some(voters) = &line.voters else { continue };
            if voters.is_empty() || voters.len() > 2 || last.is_some_and(|last| !meet(last, voters)) {
                let (name, index) = (&seen.name, line.index);
                return Err(format!(
                    "one change at a time: {name} has {voters:?} at {index}, after {last:?}"
                ));
            }
            last = Some(voters);
        }
        Ok(())
    }
}

fn meet(one: &[Vec<u64>], other: &[Vec<u64>]) -> bool {
    if one.iter().any(|set| other.contains(set)) {
        return true;
    }
    let ([one], [other]) = (one, other) else { return false };
    let (one, other) = (BTreeSet::from_iter(one), BTreeSet::from_iter(other));
    one.symmetric_difference(&other).count() <= 1
}
