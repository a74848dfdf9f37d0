//! Runs the real command against scripted nodes: a test is a few lines.

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

/// A folder with the certificate of an admin, and the command to use it with.
pub(crate) struct Desk {
    certs: tempfile::TempDir,
}

/// A command that is about to be run.
pub(crate) struct CommandRun {
    command: Command,
    stdin: Vec<u8>,
}

/// One that was.
pub(crate) struct CommandOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Desk {
    /// Where a client of the lab's cluster sits.
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

    /// `coffeectl WORDS`, asking these nodes.
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

/// `coffeectl WORDS`, without a variable of ours.
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

    /// Runs it to its end.
    pub(crate) fn go(self) -> CommandOutput {
        let stdin = self.stdin.clone();
        let mut child = self.start();
        // Fails if the command does not want to read it all.
        let _ = child.stdin.take().expect("is piped").write_all(&stdin);
        child.wait_with_output().expect("ends").into()
    }

    /// Starts it; what it reads has no end.
    pub(crate) fn start(mut self) -> Child {
        self.command.spawn().expect("starts")
    }

    /// Starts it, sends a signal once it was `heard`, and waits for its end.
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

    /// Runs it while nobody reads what it says beyond the first bytes.
    pub(crate) fn cut_short(self) -> CommandOutput {
        let mut child = self.start();
        drop(child.stdin.take());
        let mut first = [0; 1];
        child.stdout.take().expect("is piped").read_exact(&mut first).expect("it says something");
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
    /// It ended with this code and said this, and nothing went wrong.
    #[track_caller]
    pub(crate) fn says(&self, out: &str) {
        assert_eq!((self.code, self.text(), self.err.as_str()), (Some(0), out, ""));
    }

    /// It ended with this code, said nothing, and gave an error with a hint.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert_eq!(self.text(), "");
        assert!(self.err.starts_with("error: "), "{}", self.err);
        self
    }

    /// What it said to standard error has this in it.
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
