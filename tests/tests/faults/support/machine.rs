//! Capabilities of the machine, and running its commands.

use std::{path::Path, process::Command};

/// A capability of the machine that a fault needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Network namespaces, with packet filters and queues.
    Network,
    /// Mounts.
    Mounts,
    /// Control groups that limit processor time.
    CpuGroups,
    /// A tracer that can make system calls fail.
    Tracer,
    /// A library that gives a process another wall clock.
    FalseClock,
}

/// Paths of libfaketime in Debian, by architecture.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

impl Need {
    /// Returns why the machine lacks it, if it does.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Network => programs(&["unshare", "nsenter", "ip", "nft", "tc"]).or_else(no_namespaces),
            Self::Mounts => programs(&["unshare", "mount", "mkfs.ext4", "perl"]).or_else(no_namespaces),
            Self::CpuGroups => crate::support::cpu_limit::missing(),
            Self::Tracer => programs(&["strace"]).or_else(|| cannot(&["strace", "-o", "/dev/null", "true"])),
            Self::FalseClock => match faketime() {
                Some(_) => None,
                None => Some("libfaketime is not there".into()),
            },
        }
    }
}

/// Path of the library that gives a process another wall clock.
pub(crate) fn faketime() -> Option<&'static str> {
    FAKETIME.into_iter().find(|path| Path::new(path).exists())
}

fn no_namespaces() -> Option<String> {
    cannot(&["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "true"])
}

fn programs(needed: &[&str]) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let there = |name: &str| path.split(':').any(|folder| Path::new(folder).join(name).exists());
    let missing: Vec<&str> = needed.iter().copied().filter(|name| !there(name)).collect();
    (!missing.is_empty()).then(|| format!("not installed: {}", missing.join(", ")))
}

fn cannot(words: &[&str]) -> Option<String> {
    try_run(words).err()
}

/// Runs a command and asserts success; returns its output.
#[track_caller]
pub(crate) fn run(words: &[&str]) -> String {
    try_run(words).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a command given as words separated by blanks.
#[track_caller]
pub(crate) fn run_line(line: &str) -> String {
    run(&line.split_whitespace().collect::<Vec<_>>())
}

/// Runs a command; returns its output, or why it failed.
pub(crate) fn try_run(words: &[&str]) -> Result<String, String> {
    let (program, rest) = words.split_first().expect("a command");
    let line = words.join(" ");
    let output = Command::new(program).args(rest).output().map_err(|error| format!("{line}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(format!("{line}: {}, {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
        }
    }
}
