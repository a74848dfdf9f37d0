//! Runs the real command against scripted nodes.

use std::{
    ffi::OsString,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use coffee_client::cert::{self, Existing};
use coffee_common::{id::NodeName, protocol::Role};

use crate::fake::{FakeNode, Lab};

/// A certificates directory with the certificate of an admin, for commands.
pub(crate) struct Desk {
    certs: tempfile::TempDir,
}

/// A command before it runs.
pub(crate) struct CommandRun {
    command: Command,
    stdin: Vec<u8>,
}

/// The result of a command.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Desk {
    /// Creates a certificates directory for the lab's cluster.
    pub(crate) fn of(lab: &Lab) -> Self {
        let certs = tempfile::tempdir().expect("a folder");
        let pair = lab.ca().pair();
        write(&certs.path().join("ca.crt"), &pair.certificate);
        write(&certs.path().join("ca.key"), &pair.key);
        let desk = Self { certs };
        desk.private("ca.key");
        let ops = NodeName::new("ops").expect("legal");
        cert::issue_client(desk.certs(), Role::Admin, &ops, 30, Existing::Keep).expect("issues");
        desk
    }

    pub(crate) fn certs(&self) -> &Path {
        self.certs.path()
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.certs().join(name);
        std::fs::write(&path, bytes).expect("writes");
        path.to_str().expect("is UTF-8").to_owned()
    }

    fn private(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.certs().join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("sets");
    }

    /// Returns the command `coffeectl WORDS` with these nodes as endpoints.
    pub(crate) fn asks<W: Into<OsString>>(
        &self,
        nodes: &[&FakeNode],
        words: impl IntoIterator<Item = W>,
    ) -> CommandRun {
        let mut run = bare(words);
        let endpoints: Vec<&str> = nodes.iter().map(|node| node.address.as_str()).collect();
        run.command.env("COFFEECTL_CERTS", self.certs()).env("COFFEECTL_ENDPOINTS", endpoints.join(","));
        run
    }
}

/// Returns the command `coffeectl WORDS` without any variables.
pub(crate) fn bare<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> CommandRun {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coffeectl"));
    command.env_clear().args(words.into_iter().map(Into::into));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    CommandRun { command, stdin: Vec::new() }
}

impl CommandRun {
    pub(crate) fn reads(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.command.env(variable, value);
        self
    }

    pub(crate) fn writes_to(mut self, file: std::fs::File) -> Self {
        self.command.stdout(file);
        self
    }

    /// Runs the command and waits for its end.
    pub(crate) fn go(self) -> CommandOutput {
        let stdin = self.stdin.clone();
        let mut child = self.start();
        // Fails if the command does not read all of it.
        let _ = child.stdin.take().expect("is piped").write_all(&stdin);
        child.wait_with_output().expect("ends").into()
    }

    /// Starts the command. Its standard input stays open.
    pub(crate) fn start(mut self) -> Child {
        self.command.spawn().expect("starts")
    }

    /// Starts the command, sends a signal once `heard` has a message, and waits for its end.
    pub(crate) fn signalled(self, signal: &str, heard: &mpsc::Receiver<()>) -> CommandOutput {
        let mut child = self.start();
        heard.recv_timeout(Duration::from_secs(10)).expect("it gets so far");
        let stdin = child.stdin.take();
        let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
        let ran = child.wait_with_output().expect("ends").into();
        drop(stdin);
        ran
    }

    /// Runs the command, and closes its standard output after the first byte.
    pub(crate) fn cut_short(self) -> CommandOutput {
        let mut child = self.start();
        drop(child.stdin.take());
        let mut first = [0; 1];
        child.stdout.take().expect("is piped").read_exact(&mut first).expect("it writes something");
        child.wait_with_output().expect("ends").into()
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let err = String::from_utf8(output.stderr).expect("is UTF-8");
        Self { code: output.status.code(), out: output.stdout, err }
    }
}

impl CommandOutput {
    /// Asserts exit code 0, this standard output, and an empty standard error.
    #[track_caller]
    pub(crate) fn says(&self, out: &str) {
        assert_eq!((self.code, self.text(), self.err.as_str()), (Some(0), out, ""));
    }

    /// Asserts this exit code, an empty standard output, and an error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert_eq!(self.text(), "");
        assert!(self.err.starts_with("error: "), "{}", self.err);
        self
    }

    /// Asserts that standard error contains this text.
    #[track_caller]
    pub(crate) fn complaining(&self, of: &str) -> &Self {
        assert!(self.err.contains(of), "{}", self.err);
        self
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.out).expect("is UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.out).expect("is JSON")
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("writes");
}
