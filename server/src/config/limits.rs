//! Bounds of a running node that its operator may set. All others are fixed, and
//! stand in `common`.

use std::ops::RangeInclusive;

use coffee_common::limits;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// How much a node takes on at once. A reload takes up other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most connections that it has, with clients and nodes. Newcomers beyond
    /// that are turned away; those that exist go on.
    pub connections_max: usize,
    /// Most bytes of writes that are not committed yet; each counts for a little
    /// more than its keys and values. More are turned away as overload, which
    /// clients try again.
    pub write_bytes_in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            write_bytes_in_flight_max: limits::PROPOSAL_BYTES_IN_FLIGHT_MAX,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.connections_max", self.connections_max, limits::CONNECTIONS_RANGE)?;
        within(
            "limits.write_bytes_in_flight_max",
            self.write_bytes_in_flight_max,
            limits::PROPOSAL_BYTES_IN_FLIGHT_RANGE,
        )
    }
}

fn within(setting: &'static str, value: usize, range: RangeInclusive<usize>) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let hint = format!("set it to a number from {} to {}", range.start(), range.end());
    Err(ConfigError::setting(setting, &format!("is {value}"), &hint))
}
