//! Delays the disk syncs of a running process, by `strace`.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Longer than attaching takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The syncs that are delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayedSyncs {
    /// All.
    All,
    /// The first one of each thread.
    First,
}

/// Delays the syncs of a process until dropped.
#[derive(Debug)]
pub struct SyncDelay {
    #[expect(dead_code, reason = "held for the process, which ends with it")]
    tracer: Child,
}

impl SyncDelay {
    /// Returns why this machine cannot delay syncs, if it cannot.
    pub fn missing() -> Option<String> {
        let tried = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).output();
        match tried {
            Err(error) => Some(format!("strace: {error}")),
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim_end())),
        }
    }

    /// Makes each of these syncs of a process begin so much later. Returns once it is in effect.
    pub async fn of(pid: u32, delay: Duration, syncs: DelayedSyncs) -> Self {
        let (calls, when) = match syncs {
            DelayedSyncs::All => ("fdatasync,fsync", ""),
            DelayedSyncs::First => ("fdatasync", ":when=1"),
        };
        let inject = format!("inject={calls}:delay_enter={}{when}", delay.as_micros());
        let mut tracer = Command::new("strace");
        tracer.args(["-f", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]);
        tracer.args(["-p", &pid.to_string()]);
        tracer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut tracer = tracer.spawn().expect("strace starts");
        let mut said = BufReader::new(tracer.stderr.take().expect("standard error is ours"));
        let mut line = String::new();
        let read = timeout(PATIENCE, said.read_line(&mut line)).await;
        read.expect("strace says in time that it is attached").expect("it can be read");
        assert!(line.contains("attached"), "{line}");
        // It reports each new thread, and would end if no one read that.
        tokio::spawn(async move { tokio::io::copy(&mut said, &mut tokio::io::sink()).await });
        Self { tracer }
    }
}
