//! Runs `coffeed` in a folder with a configuration and certificates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use coffee_client::cert::{self, Existing, LEAF_DAYS};
use coffee_common::id::NodeName;

/// The files of a node called ming.
pub(crate) struct DaemonFixture {
    folder: tempfile::TempDir,
}

/// Exit code and output of `coffeed`.
#[derive(Debug)]
pub(crate) struct DaemonOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) const CONFIG: &str = r#"
name = "ming"
listen = "127.0.0.1:0"
data_dir = "data"

[tls]
ca = "ca.crt"
cert = "node-ming.crt"
key = "node-ming.key"
"#;

impl DaemonFixture {
    /// A folder with valid files.
    pub(crate) fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().expect("a folder") };
        cert::create_ca(fixture.path(), None, Existing::Keep).expect("a CA");
        fixture.certify("ming");
        fixture.configure(CONFIG);
        fixture
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn certify(&self, name: &str) {
        let name = NodeName::new(name).expect("legal");
        cert::issue_node(self.path(), &name, &[], LEAF_DAYS, Existing::Keep).expect("a certificate");
    }

    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.file("coffeed.toml"), text).expect("written");
    }

    /// Runs `coffeed` with its configuration and these arguments, which must keep it from starting.
    pub(crate) fn coffeed(&self, words: &[&str]) -> DaemonOutput {
        self.coffeed_with(words, &[])
    }

    /// The same, with environment variables.
    pub(crate) fn coffeed_with(&self, words: &[&str], variables: &[(&str, &str)]) -> DaemonOutput {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coffeed"));
        command.arg("--config").arg(self.file("coffeed.toml")).args(words).current_dir(self.path());
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COFFEED_"));
        ours.for_each(|(name, _)| _ = command.env_remove(name));
        let output = command.envs(variables.iter().copied()).output().expect("coffeed runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        DaemonOutput {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Checks that `coffeed` does not start: it exits with this code, error and hint and
    /// creates no data.
    #[track_caller]
    pub(crate) fn refuses(&self, words: &[&str], code: i32, error: &str, hint: &str) {
        let ended = self.coffeed(words);
        ended.assert_failed(code, error, hint);
        assert!(!self.file("data").exists(), "no data was created");
    }
}

impl DaemonOutput {
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32, error: &str, hint: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let says = |word: &str, what: &str| {
            self.stderr.lines().any(|line| line.strip_prefix(word).is_some_and(|said| said.contains(what)))
        };
        assert!(says("error: ", error), "no error says {error:?}: {}", self.stderr);
        assert!(says("hint: ", hint), "no hint says {hint:?}: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert_eq!(self.stdout, "", "standard output is for data");
    }
}
