//! The exit codes: part of the command's interface, like its flags.
//!
//! One table yields `coffeectl help exit-codes` and the table in the README. A
//! code never changes its meaning.

use std::process;

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed for another reason than those below.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// The key or node does not exist, or the history does not reach back to the revision.
    NotFound = 3,
    /// A condition of the write did not hold.
    ConditionFalse = 4,
    /// No node, no leader or no quorum; nothing was written.
    Unavailable = 5,
    /// The outcome is unknown: applied, not applied, or applied later.
    Unknown = 6,
    /// Certificates, identity or permission.
    Denied = 7,
    /// Rejected by a safety check, or not confirmed.
    Refused = 8,
    /// Ended by Ctrl-C: 128 + SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM: 128 + SIGTERM.
    Terminated = 143,
}

/// Every code, in order, with its meaning in the documentation.
const TABLE: [(ExitCode, &str); 11] = [
    (ExitCode::Done, "done, or already so"),
    (ExitCode::Failed, "failed, none of the below"),
    (ExitCode::Usage, "usage or configuration"),
    (ExitCode::NotFound, "key, node or revision not found"),
    (ExitCode::ConditionFalse, "condition false (--if-rev, --if-absent)"),
    (ExitCode::Unavailable, "unavailable: no node, no leader, no quorum; nothing was written"),
    (ExitCode::Unknown, "timed out or cut off: outcome unknown; retry with the same --request-id"),
    (ExitCode::Denied, "TLS, identity or permission"),
    (ExitCode::Refused, "refused by a safety check, or --yes missing"),
    (ExitCode::Interrupted, "interrupted (SIGINT)"),
    (ExitCode::Terminated, "interrupted (SIGTERM)"),
];

impl ExitCode {
    /// Returns the number that the shell sees.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns its meaning.
    pub fn meaning(self) -> &'static str {
        TABLE.iter().find(|(code, _)| *code == self).map_or("", |(_, meaning)| meaning)
    }

    /// Returns every code, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(code, _)| *code)
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let numbers: Vec<u8> = ExitCode::all().map(ExitCode::number).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 130, 143]);
    }

    #[test]
    fn every_code_has_a_meaning_of_its_own() {
        let meanings: std::collections::BTreeSet<_> = ExitCode::all().map(ExitCode::meaning).collect();
        assert_eq!(meanings.len(), TABLE.len());
        assert!(!meanings.contains(""));
    }
}
