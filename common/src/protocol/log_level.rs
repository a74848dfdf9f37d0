//! The log levels of a daemon.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A log level: events of this severity and above are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures only.
    Error,
    /// Also conditions that an operator should look at.
    Warn,
    /// Also ordinary events that interest an operator.
    #[default]
    Info,
    /// Also details for developers.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Returns the level's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];
        let named = all.into_iter().find(|level| level.as_str() == text);
        named.ok_or("use error, warn, info, debug or trace")
    }
}
