//! Runs the verbs of `coffeed` that work on the data of a node that does not run.

use coffee_tests::{cluster::Node, processes};
use tokio::process::Command;

/// How such a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `coffeed --config FILE WORDS..` for a node.
pub(crate) async fn coffeed(node: &Node, words: &[&str]) -> Ended {
    let mut command = Command::new(processes::path("coffeed"));
    command.arg("--config").arg(node.config()).args(words);
    ended(command).await
}

/// Runs `coffeed WORDS..`.
pub(crate) async fn coffeed_alone(words: &[&str]) -> Ended {
    let mut command = Command::new(processes::path("coffeed"));
    command.args(words);
    ended(command).await
}

async fn ended(mut command: Command) -> Ended {
    let output = command.kill_on_drop(true).output().await.expect("it runs");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ended {
    /// It has to have succeeded. Gives what it said.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// It has to have failed with this code, saying this and a hint.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, saying: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains("error: ") && self.stderr.contains(saying), "{self:?}");
        assert!(self.stderr.contains("hint: ") && !self.stderr.contains("panicked"), "{self:?}");
    }
}

/// The word behind `words` in a text: an id, an address.
#[track_caller]
pub(crate) fn word_behind<'a>(text: &'a str, words: &str) -> &'a str {
    let (_, behind) = text.split_once(words).unwrap_or_else(|| panic!("{words:?} is not in {text}"));
    behind.trim_start().split([' ', ':', '\n']).next().expect("there is a word")
}
