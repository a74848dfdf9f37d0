//! The log is purged only up to the durably applied index: after a power cut the state
//! falls back to that index, and the rest is replayed from the log. (An invariant of
//! coffeed.)

use super::SafetyCheck;
use crate::sim::observation::Observation;

/// Compares the two indexes.
#[derive(Debug, Default)]
pub struct PurgedIsApplied;

impl SafetyCheck for PurgedIsApplied {
    fn look(&mut self, seen: &Observation) -> Result<(), String> {
        let Some(inside) = &seen.inside else { return Ok(()) };
        if inside.purged <= inside.durably_applied {
            return Ok(());
        }
        Err(format!(
            "purged <= durably applied: {} is purged up to {}, and durably applied up to {}",
            seen.name, inside.purged, inside.durably_applied
        ))
    }
}
