//! What can be wrong with a configuration, in sentences for people.

use std::{fmt, path::PathBuf};

/// A configuration that cannot be used: prints where it is wrong and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: ConfigLocation,
    problem: String,
    hint: String,
}

/// Where a configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigLocation {
    /// In a file, and where in it: line and column, counted from 1.
    File {
        /// Which.
        path: PathBuf,
        /// Where; `None` if it is about the file itself.
        at: Option<(usize, usize)>,
    },
    /// In a setting, wherever it came from.
    Setting(&'static str),
}

impl ConfigError {
    pub(super) fn new(place: ConfigLocation, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, problem: problem.into(), hint: hint.into() }
    }

    pub(super) fn setting(setting: &'static str, problem: &str, hint: &str) -> Self {
        Self::new(ConfigLocation::Setting(setting), problem, hint)
    }

    /// Where it is wrong.
    pub fn place(&self) -> &ConfigLocation {
        &self.place
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.problem)
    }
}

impl fmt::Display for ConfigLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, at: Some((line, column)) } => {
                write!(f, "{}:{line}:{column}:", path.display())
            }
            Self::File { path, at: None } => write!(f, "{}:", path.display()),
            Self::Setting(setting) => write!(f, "the setting {setting}"),
        }
    }
}

impl std::error::Error for ConfigError {}
