//! How long opening a node's data may take.
//!
//! A start reads all data, and after a crash applies the log again. systemd is
//! told once how long that may take, computed from the amount of data. A timer
//! that extends the timeout again and again would also do so while a disk hangs.

use std::{fs, path::Path, time::Duration};

/// The slowest disk that a node can run on.
const BYTES_PER_SECOND_MIN: u64 = 4 << 20;

/// The time allowed without data.
const AT_LEAST: Duration = Duration::from_secs(60);

/// The size of the files in a data directory, without data that was set aside.
pub(super) fn bytes_in(data_dir: &Path) -> u64 {
    // The start itself reports a directory that is missing or unreadable.
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|file| file.len()).sum()
}

/// How long reading this many bytes may take.
pub(super) fn allowed(bytes: u64) -> Duration {
    AT_LEAST + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_data_may_take_longer() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(bytes_in(&folder.path().join("not-there-yet")), 0);
        fs::write(folder.path().join("log.wal"), [7; 1000]).expect("written");
        fs::write(folder.path().join("state.redb"), [7; 500]).expect("written");
        fs::create_dir(folder.path().join("set-aside-1-c0ffee")).expect("made");
        fs::write(folder.path().join("set-aside-1-c0ffee/log.wal"), [7; 4000]).expect("written");
        assert_eq!(bytes_in(folder.path()), 1500);
        assert_eq!(allowed(1500), Duration::from_secs(60));
        assert_eq!(allowed(1 << 30), Duration::from_secs(60 + 256));
    }
}
