//! Settings of the daemon's log.

use std::str::FromStr;

pub use coffee_common::protocol::LogLevel;
use serde::{Deserialize, Serialize};

/// Settings of the daemon's log, on standard error or in systemd's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogOptions {
    /// The most detailed level that is logged.
    pub level: LogLevel,
    /// The format of a line.
    pub format: LogFormat,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people, or entries with fields if systemd's journal receives them.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "human" => Self::Human,
            "json" => Self::Json,
            _ => return Err("use human or json"),
        })
    }
}
