//! Resources that servers consume: CPU and memory from `/proc`, and bytes written from the disk's
//! own counters. `/proc/PID/io` would count a page each time it gets dirty, and miss what
//! the file system writes for itself.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Total consumption of all servers of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Seconds of CPU.
    pub cpu_seconds: f64,
    /// Bytes that the disk wrote, for all processes; 0 if the folder is not on a disk.
    pub written: u64,
    /// Resident memory now, in bytes.
    pub memory: u64,
}

impl Usage {
    /// Measures these processes; `folder` is on the disk that they write to.
    pub fn of(pids: &[u32], folder: &Path) -> Self {
        let mut all = Self { written: written(folder), ..Self::default() };
        for pid in pids {
            all.cpu_seconds += cpu_seconds(*pid);
            all.memory += memory(*pid);
        }
        all
    }

    /// Returns what was consumed since `before`; memory as of now.
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            written: self.written - before.written,
            memory: self.memory,
        }
    }
}

/// Returns a process's resident memory in bytes: `VmRSS` of proc(5).
///
/// # Panics
/// If the process does not run.
pub fn memory(pid: u32) -> u64 {
    let status = read(pid, "status");
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5) says so");
    held.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the server runs")
}

/// proc(5): fields 14 and 15 are the ticks in user and kernel mode. The second field, in
/// brackets, may contain blanks.
#[expect(clippy::cast_precision_loss, reason = "a run has few ticks")]
fn cpu_seconds(pid: u32) -> f64 {
    let stat = read(pid, "stat");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    // USER_HZ is 100 on every supported Linux.
    ticks as f64 / 100.0
}

/// The kernel's Documentation/block/stat.rst: field 7 is the number of sectors written,
/// of 512 bytes each.
fn written(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::metadata(folder) else { return 0 };
    let (major, minor) = (libc::major(metadata.dev()), libc::minor(metadata.dev()));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).unwrap_or_default();
    let sectors = stat.split_whitespace().nth(6).and_then(|word| word.parse::<u64>().ok());
    sectors.unwrap_or(0) * 512
}

/// Returns the bytes that the files below these folders occupy.
pub fn disk(folders: &[PathBuf]) -> u64 {
    folders.iter().map(|folder| below(folder)).sum()
}

fn below(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let children = if metadata.is_dir() { fs::read_dir(path).ok() } else { None };
    let inside: u64 = children.into_iter().flatten().flatten().map(|entry| below(&entry.path())).sum();
    metadata.blocks() * 512 + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_something() {
        let (pid, folder) = ([std::process::id()], std::env::temp_dir());
        let before = Usage::of(&pid, &folder);
        assert!(before.memory > 1 << 20, "{before:?}");
        let mut x = 1_u64;
        while Usage::of(&pid, &folder).since(before).cpu_seconds < 0.02 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
    }

    #[test]
    fn files_take_room() {
        let folder = tempfile::tempdir().unwrap();
        let before = written(folder.path());
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner/file"), vec![1; 1 << 20]).unwrap();
        fs::File::open(folder.path().join("inner/file")).unwrap().sync_all().unwrap();
        assert!(disk(&[folder.path().to_owned()]) >= 1 << 20);
        // A folder in memory, or on a file system with its own device number, has no disk
        // statistics.
        let after = written(folder.path());
        assert!(after == 0 || after >= before + (1 << 20), "{before} {after}");
    }
}
