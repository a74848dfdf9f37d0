//! What the daemon logs, as words in a configuration.

use std::str::FromStr;

pub use coffee_common::protocol::LogLevel;
use serde::{Deserialize, Serialize};

/// What the daemon writes to its log, on standard error or to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogOptions {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// The form of a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes; where systemd's journal takes it, for that, with fields.
    #[default]
    Human,
    /// One JSON object a line.
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
