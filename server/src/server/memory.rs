//! The memory that this process may use, and the share of it that a memtable takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A memtable takes this part of the memory, within these bounds. A node holds up to three while it
/// flushes.
const SHARE: u64 = 16;
const FLUSH_BYTES_MIN: u64 = 16 << 20;
const FLUSH_BYTES_MAX: u64 = 128 << 20;

/// The bytes of changes that are flushed together, unless the configuration says: a share of the memory
/// that this process may use, which is that of the host or of a control group that it is in. The lower
/// bound if neither can be read.
pub(super) fn flush_bytes() -> u64 {
    share_of(host_memory().into_iter().chain(group_limits()).min())
}

fn share_of(memory: Option<u64>) -> u64 {
    memory.map_or(FLUSH_BYTES_MIN, |bytes| (bytes / SHARE).clamp(FLUSH_BYTES_MIN, FLUSH_BYTES_MAX))
}

fn host_memory() -> Option<u64> {
    total_of(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// Reads the host's memory out of `/proc/meminfo` (proc(5)).
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The limits of the control group of this process and of those that contain it (cgroups(7), version 2).
fn group_limits() -> Vec<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    limits_of(Path::new("/sys/fs/cgroup"), own)
}

/// Reads the limits of a group below `root` and of those that contain it: above the first the kernel
/// slows the process down, above the second it ends it.
fn limits_of(root: &Path, group: &str) -> Vec<u64> {
    let folders: Vec<PathBuf> = Path::new(group).ancestors().map(|group| root.join(group)).collect();
    let files = folders.iter().flat_map(|folder| ["memory.high", "memory.max"].map(|file| folder.join(file)));
    // A file holds "max" where nothing is set.
    files.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memtable_is_a_share_of_the_memory_within_bounds() {
        let mib = 1 << 20;
        for (memory, share) in [
            (None, 16 * mib),
            (Some(128 * mib), 16 * mib),
            (Some(1024 * mib), 64 * mib),
            (Some(2048 * mib), 128 * mib),
            (Some(65_536 * mib), 128 * mib),
        ] {
            assert_eq!(share_of(memory), share, "{memory:?}");
        }
        assert!((FLUSH_BYTES_MIN..=FLUSH_BYTES_MAX).contains(&flush_bytes()));
    }

    #[test]
    fn the_host_has_memory() {
        assert_eq!(total_of("MemTotal:        4046012 kB\nMemFree: 1 kB\n"), Some(4_046_012 << 10));
        assert_eq!(total_of("MemFree: 1 kB\n"), None);
        assert_eq!(total_of("MemTotal: many kB\n"), None);
    }

    #[test]
    fn the_limits_of_all_groups_around_the_process_count() {
        let root = tempfile::tempdir().expect("a folder");
        let unit = root.path().join("system.slice/coffeed.service");
        fs::create_dir_all(&unit).expect("folders");
        for (folder, file, limit) in [
            (unit.as_path(), "memory.high", "1073741824\n"),
            (&unit, "memory.max", "2147483648\n"),
            (&root.path().join("system.slice"), "memory.max", "max\n"),
            (&root.path().join("system.slice"), "memory.high", "536870912\n"),
        ] {
            fs::write(folder.join(file), limit).expect("a file");
        }
        let limits = limits_of(root.path(), "system.slice/coffeed.service");
        assert_eq!(limits, [1 << 30, 1 << 31, 1 << 29]);
        assert_eq!(limits_of(root.path(), "elsewhere"), [0; 0]);
    }
}
