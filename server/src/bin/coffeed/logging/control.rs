//! The log level, which can change while the daemon runs.

use std::sync::{Mutex, PoisonError};

use coffeed::config::LogLevel;

use super::{FilterHandle, filter};

/// Changes the log level.
pub(crate) struct Control {
    handle: FilterHandle,
    level: Mutex<LogLevel>,
}

impl Control {
    pub(super) fn new(handle: FilterHandle, level: LogLevel) -> Self {
        Self { handle, level: Mutex::new(level) }
    }

    /// Sets the level, if one is given. Returns the previous level.
    pub(crate) fn set(&self, level: Option<LogLevel>) -> LogLevel {
        let mut now = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *now;
        // Fails only if another logger was installed before ours.
        if let Some(level) = level
            && self.handle.reload(filter(level)).is_ok()
        {
            *now = level;
        }
        before
    }
}
