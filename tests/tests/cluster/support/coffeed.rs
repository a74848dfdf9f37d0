//! Runs the verbs of `coffeed` that work on the data of a stopped node.

use coffee_tests::{cluster::NodeProcess, processes};
use tokio::process::Command;

/// Result of a command.
#[derive(Debug)]
pub(crate) struct CoffeedOutput {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `coffeed --config FILE WORDS..` for a node.
pub(crate) async fn coffeed(node: &NodeProcess, words: &[&str]) -> CoffeedOutput {
    let mut command = Command::new(processes::path("coffeed"));
    command.arg("--config").arg(node.config()).args(words);
    ended(command).await
}

/// Runs `coffeed WORDS..`.
pub(crate) async fn coffeed_alone(words: &[&str]) -> CoffeedOutput {
    let mut command = Command::new(processes::path("coffeed"));
    command.args(words);
    ended(command).await
}

async fn ended(mut command: Command) -> CoffeedOutput {
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    CoffeedOutput {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl CoffeedOutput {
    /// Asserts success. Returns standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Asserts failure with this code, this text and a hint.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, saying: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains("error: ") && self.stderr.contains(saying), "{self:?}");
        assert!(self.stderr.contains("hint: ") && !self.stderr.contains("panicked"), "{self:?}");
    }
}

/// The word that follows `words` in a text, such as an id or an address.
#[track_caller]
pub(crate) fn word_after<'a>(text: &'a str, words: &str) -> &'a str {
    let (_, rest) = text.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {text}"));
    rest.trim_start().split([' ', ':', '\n']).next().expect("there is a word")
}
