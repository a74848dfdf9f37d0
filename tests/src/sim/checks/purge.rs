//! The log is purged only up to what is durably applied: a power cut takes the
//! state back to that, and what is missing comes from the log. (coffeed's own.)

use super::Check;
use crate::sim::seen::Seen;

/// Compares two numbers.
#[derive(Debug, Default)]
pub struct PurgedIsApplied;

impl Check for PurgedIsApplied {
    fn look(&mut self, seen: &Seen) -> Result<(), String> {
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
