//! Runs `coffeectl` as a person or a script would.

use std::{ffi::OsStr, fs::File, path::Path, process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::processes;

/// Longer than any command of a test.
const PATIENCE: Duration = Duration::from_secs(90);

/// A `coffeectl` command line under construction.
#[derive(Debug)]
pub struct Coffeectl {
    command: Command,
    stdin: Vec<u8>,
    stdout: Option<File>,
    signal: Option<(&'static str, Duration)>,
}

/// The result of a finished command.
#[derive(Debug, Clone)]
pub struct CoffeectlOutput {
    line: String,
    /// Its exit code; `None` if a signal killed it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Coffeectl {
    /// `coffeectl` without arguments, and without `COFFEECTL_*` variables.
    pub fn new() -> Self {
        let mut command = Command::new(processes::path("coffeectl"));
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COFFEECTL_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.kill_on_drop(true);
        Self { command, stdin: Vec::new(), stdout: None, signal: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.command.args(words);
        self
    }

    /// Runs this build of `coffeectl`, with the same arguments and variables.
    #[must_use]
    pub fn of_build(mut self, coffeectl: &Path) -> Self {
        let mut command = Command::new(coffeectl);
        let ours = self.command.as_std();
        command.args(ours.get_args()).kill_on_drop(true);
        for (name, value) in ours.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
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

    /// Sets its standard input; empty by default.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Redirects its standard output to a file.
    #[must_use]
    pub fn stdout_to(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    /// Returns the command itself, for a test that runs it beside others. It is killed when dropped.
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Runs it, and sends it a signal after this time.
    pub async fn signalled(mut self, signal: &'static str, after: Duration) -> CoffeectlOutput {
        self.signal = Some((signal, after));
        self.run().await
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> CoffeectlOutput {
        let line = format!("{:?}", self.command.as_std());
        let stdout = self.stdout.take().map_or_else(Stdio::piped, Stdio::from);
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("coffeectl starts");
        let mut stdin = child.stdin.take().expect("standard input is ours");
        // A command that does not read its input has closed it, which is not a failure.
        let feeding = async move { _ = stdin.write_all(&self.stdin).await };
        let signalling = send_later(self.signal, child.id());
        let ended =
            timeout(PATIENCE, async { tokio::join!(feeding, signalling, child.wait_with_output()).2 });
        let output =
            ended.await.unwrap_or_else(|_| panic!("{line} does not end")).expect("its output is ours");
        CoffeectlOutput {
            line,
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs it and asserts success. Returns its standard output.
    #[track_caller]
    pub fn ok(self) -> impl Future<Output = String> {
        self.ends_with(0)
    }

    /// Runs it and asserts its exit code. Returns its standard output.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.run().await;
            assert_eq!(ended.code, Some(code), "at {caller}: {ended}");
            ended.stdout()
        }
    }

    /// Runs it and asserts that it fails with this code, this text and a hint.
    #[track_caller]
    pub fn fails(self, code: i32, saying: impl Into<String>) -> impl Future<Output = ()> {
        let (saying, caller) = (saying.into(), std::panic::Location::caller());
        async move {
            let ended = self.run().await;
            assert_eq!(ended.code, Some(code), "at {caller}: {ended}");
            assert!(ended.stderr.contains(&saying), "at {caller}: does not say {saying:?}: {ended}");
            ended.assert_errors_are_for_people();
        }
    }
}

/// The command prints nothing when it begins to wait, so the signal is sent after a fixed
/// time.
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

impl CoffeectlOutput {
    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Asserts that an error has a message and a hint, and nothing that only a developer
    /// reads.
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

impl std::fmt::Display for CoffeectlOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(f, "{} ended with {code}\n{}{}", self.line, self.stdout(), self.stderr)
    }
}
