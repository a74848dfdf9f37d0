//! How long opening a node's data may take.
//!
//! All of it is read at start, and after a crash what the log holds is applied
//! again. Instead of being put off again and again by a timer, which a disk
//! that hangs would not stop, systemd is told once how long it may take, by
//! how much there is to read.

use std::{fs, path::Path, time::Duration};

/// Slower than this is no disk that a node can live on.
const BYTES_PER_SECOND_MIN: u64 = 4 << 20;

/// With nothing to read.
const AT_LEAST: Duration = Duration::from_secs(60);

/// The size of what lies in a data directory, of what was set aside not.
pub(super) fn bytes_in(data_dir: &Path) -> u64 {
    // What cannot be read, or is not there yet, the start itself will say.
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    files.map(|file| file.len()).sum()
}

/// How long reading so much may take.
pub(super) fn allowed(bytes: u64) -> Duration {
    AT_LEAST + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_there_is_the_longer_it_may_take() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(bytes_in(&folder.path().join("not-there-yet")), 0);
        fs::write(folder.path().join("log.wal"), [7; 1000]).expect("written");
        fs::write(folder.path().join("state.redb"), [7; 500]).expect("written");
        fs::create_dir(folder.path().join("damaged-1")).expect("made");
        fs::write(folder.path().join("damaged-1/log.wal"), [7; 4000]).expect("written");
        assert_eq!(bytes_in(folder.path()), 1500);
        assert_eq!(allowed(1500), Duration::from_secs(60));
        assert_eq!(allowed(1 << 30), Duration::from_secs(60 + 256));
    }
}
