//! Limits a node's processor time with a control group.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Mount points of the cpu controller in version 1, and of the unified hierarchy in
/// version 2.
const V1: &str = "/sys/fs/cgroup/cpu";
const V2: &str = "/sys/fs/cgroup";

/// A control group with a small share of one processor.
#[derive(Debug)]
pub(crate) struct Starved {
    folder: PathBuf,
    back: PathBuf,
    pid: String,
}

/// Returns why the machine has no such control groups, if so.
pub(crate) fn missing() -> Option<String> {
    let folder = folder("probe");
    let made = fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()));
    let limited = made.and_then(|()| limit(&folder, 10));
    let _ = fs::remove_dir(&folder);
    limited.err().map(|error| format!("no control groups for the processor: {error}"))
}

impl Starved {
    /// Limits a process to `percent` of one processor.
    pub(crate) fn process(pid: u32, percent: u32) -> Self {
        let folder = folder(&pid.to_string());
        fs::create_dir(&folder).expect("a control group");
        limit(&folder, percent).expect("it can be limited");
        let group = Self { back: home(pid), folder, pid: pid.to_string() };
        fs::write(group.folder.join("cgroup.procs"), &group.pid).expect("a process can be put into it");
        group
    }

    /// How many times the process was throttled.
    pub(crate) fn waits(&self) -> u64 {
        let stat = fs::read_to_string(self.folder.join("cpu.stat")).unwrap_or_default();
        let waits = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        waits.and_then(|waits| waits.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        // Fails if the process has ended, which then is in no group.
        let _ = fs::write(self.back.join("cgroup.procs"), &self.pid);
        let _ = fs::remove_dir(&self.folder);
    }
}

fn is_v1() -> bool {
    Path::new(V1).is_dir()
}

fn folder(name: &str) -> PathBuf {
    Path::new(if is_v1() { V1 } else { V2 }).join(format!("coffee-{}-{name}", std::process::id()))
}

/// The control group of a process.
fn home(pid: u32) -> PathBuf {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, kinds, path) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = if is_v1() { kinds.split(',').any(|kind| kind == "cpu") } else { kinds.is_empty() };
        ours.then(|| path.trim_start_matches('/').to_owned())
    };
    let path = groups.lines().find_map(of).unwrap_or_default();
    Path::new(if is_v1() { V1 } else { V2 }).join(path)
}

fn limit(folder: &Path, percent: u32) -> Result<(), String> {
    let quota_us = 1000 * percent;
    let written = match is_v1() {
        true => fs::write(folder.join("cpu.cfs_quota_us"), quota_us.to_string()),
        false => fs::write(folder.join("cpu.max"), format!("{quota_us} 100000")),
    };
    written.map_err(|error| error.to_string())
}
