//! Limits that an operator may set. All others are fixed, in `coffee_common::limits`.

use std::ops::RangeInclusive;

use coffee_common::limits;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Limits of concurrent load. A reload applies new values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum number of connections with clients and nodes. The node rejects further
    /// ones; existing connections continue.
    pub connections_max: usize,
    /// Maximum number of connections per client, which is a role and a name. The node
    /// rejects further ones; existing connections continue.
    pub connections_per_client_max: usize,
    /// Maximum number of bytes of uncommitted writes; each write counts for a little
    /// more than its keys and values. The node rejects further ones as overload, and
    /// clients retry them.
    pub write_bytes_in_flight_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_client_max: limits::CONNECTIONS_PER_CLIENT_MAX,
            write_bytes_in_flight_max: limits::PROPOSAL_BYTES_IN_FLIGHT_MAX,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.connections_max", self.connections_max, limits::CONNECTIONS_RANGE)?;
        within(
            "limits.connections_per_client_max",
            self.connections_per_client_max,
            limits::CONNECTIONS_PER_CLIENT_RANGE,
        )?;
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
