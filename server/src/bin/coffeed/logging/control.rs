//! How much is logged, changed while the daemon runs.

use std::sync::{Mutex, PoisonError};

use coffeed::config::LogLevel;

use super::{FilterHandle, filter};

/// Changes how much is logged.
pub(crate) struct Control {
    handle: FilterHandle,
    level: Mutex<LogLevel>,
}

impl Control {
    pub(super) fn new(handle: FilterHandle, level: LogLevel) -> Self {
        Self { handle, level: Mutex::new(level) }
    }

    /// Logs so much from now on, if a level is given. Says what was logged before.
    pub(crate) fn set(&self, level: Option<LogLevel>) -> LogLevel {
        let mut now = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *now;
        // Fails only where another logger was installed before ours, which nobody can change from here.
        if let Some(level) = level
            && self.handle.reload(filter(level)).is_ok()
        {
            *now = level;
        }
        before
    }
}
