//! The error of a configuration, with location and hint.

use std::{fmt, path::PathBuf};

/// The reason why a configuration cannot be used: a location, a problem and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    place: ConfigLocation,
    problem: String,
    hint: String,
}

/// The location of an error in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigLocation {
    /// A file, or a position in it.
    File {
        /// The path of the file.
        path: PathBuf,
        /// Line and column, counted from 1; `None` if the error concerns the whole file.
        at: Option<(usize, usize)>,
    },
    /// A setting from any source.
    Setting(&'static str),
}

impl ConfigError {
    pub(super) fn new(place: ConfigLocation, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, problem: problem.into(), hint: hint.into() }
    }

    pub(super) fn setting(setting: &'static str, problem: &str, hint: &str) -> Self {
        Self::new(ConfigLocation::Setting(setting), problem, hint)
    }

    /// The location of the error.
    pub fn place(&self) -> &ConfigLocation {
        &self.place
    }

    /// A hint for the operator: the next command or change to try.
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
