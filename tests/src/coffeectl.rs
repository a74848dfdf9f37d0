//! Runs `coffeectl` as a person or a script would.

use std::{ffi::OsStr, fs::File, path::Path, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::processes;

/// No command of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A command line that is being put together.
#[derive(Debug)]
pub struct Coffeectl {
    command: Command,
    stdin: Vec<u8>,
    stdout: Option<File>,
    signal: Option<(&'static str, Duration)>,
}

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    line: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Coffeectl {
    /// `coffeectl` with nothing behind it, and without any of our own variables.
    pub fn new() -> Self {
        let mut command = Command::new(processes::path("coffeectl"));
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COFFEECTL_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.kill_on_drop(true);
        Self { command, stdin: Vec::new(), stdout: None, signal: None }
    }

    /// Adds words.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Leaves a variable out.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What it reads from standard input; nothing, unless set.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Where its standard output goes, instead of to us.
    #[must_use]
    pub fn stdout_to(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Runs it, and sends it a signal after a while.
    pub async fn signalled(mut self, signal: &'static str, after: Duration) -> Ended {
        self.signal = Some((signal, after));
        self.run().await
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Ended {
        let line = format!("{:?}", self.command.as_std());
        let stdout = self.stdout.take().map_or_else(Stdio::piped, Stdio::from);
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("coffeectl starts");
        let mut stdin = child.stdin.take().expect("standard input is ours");
        // One that does not read its input has closed it: that is no failure of ours.
        let feeding = async move { _ = stdin.write_all(&self.stdin).await };
        let signalling = send_later(self.signal, child.id());
        let ended =
            timeout(PATIENCE, async { tokio::join!(feeding, signalling, child.wait_with_output()).2 });
        let output =
            ended.await.unwrap_or_else(|_| panic!("{line} does not end")).expect("its output is ours");
        Ended {
            line,
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it; it has to succeed. Returns what it wrote to standard output.
    #[track_caller]
    pub fn ok(self) -> impl Future<Output = String> {
        self.ends_with(0)
    }

    /// Runs it; it has to end with this code. Returns what it wrote to
    /// standard output.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.run().await;
            assert_eq!(ended.code, Some(code), "at {caller}: {ended}");
            ended.stdout()
        }
    }

    /// Runs it; it has to fail with this code, and to say this and a hint.
    #[track_caller]
    pub fn fails(self, code: i32, saying: &'static str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.run().await;
            assert_eq!(ended.code, Some(code), "at {caller}: {ended}");
            assert!(ended.stderr.contains(saying), "at {caller}: does not say {saying:?}: {ended}");
            ended.assert_errors_are_for_people();
        }
    }
}

/// A command says nothing that shows when it has begun to wait, so time has to.
async fn send_later(signal: Option<(&'static str, Duration)>, pid: Option<u32>) {
    if let (Some((signal, after)), Some(pid)) = (signal, pid) {
        tokio::time::sleep(after).await;
        processes::signal(pid, signal).await;
    }
}

impl Default for Coffeectl {
    fn default() -> Self {
        Self::new()
    }
}

impl Ended {
    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// An error has a sentence and a hint, and nothing that only a developer reads.
    #[track_caller]
    pub fn assert_errors_are_for_people(&self) {
        for wanted in ["error: ", "hint: "] {
            assert!(self.stderr.lines().any(|line| line.starts_with(wanted)), "no {wanted:?}: {self}");
        }
        for unwanted in ["panicked", "RUST_BACKTRACE", "Err(", "Some(", "{ "] {
            assert!(!self.stderr.contains(unwanted), "{unwanted:?} is not for people: {self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "{} ended with {code}\n{}{}", self.line, self.stdout(), self.stderr)
    }
}
