//! The daemon's exit codes: an interface, like its flags.
//!
//! They are a subset of `coffeectl`'s, with the same numbers, and never change
//! their meaning. The unit file in `deploy/` relies on them: systemd does not
//! restart after a clean exit (0), nor after an error that a restart cannot fix
//! (2, 7).

use coffeectl::{exit::ExitCode, failure::Failure};
use coffeed::{Closed, StartError, node::raft::RaftError, storage::disk::DataDirError};

/// Every exit code of the daemon with its meaning.
const TABLE: [(ExitCode, &str); 6] = [
    (ExitCode::Done, "stopped, or removed from the cluster by an operator"),
    (ExitCode::Failed, "failed; a restart may help"),
    (ExitCode::Usage, "usage or configuration error, or data that is damaged, newer or does not match"),
    (ExitCode::Denied, "certificate or key file error"),
    (ExitCode::Interrupted, "a second SIGINT cut the stop short"),
    (ExitCode::Terminated, "a second SIGTERM cut the stop short"),
];

/// Every code in order with its meaning.
pub(crate) fn rows() -> impl Iterator<Item = (u8, &'static str)> {
    TABLE.iter().map(|(code, meaning)| (code.number(), *meaning))
}

/// The table of exit codes as help text.
pub(crate) fn help() -> String {
    let lines = rows().map(|(number, meaning)| format!("\n  {number:>3}  {meaning}"));
    format!("Exit codes:{}", lines.collect::<String>())
}

/// The failure of a node that did not start, with its exit code and hint.
pub(crate) fn failure(error: impl Into<StartError>) -> Failure {
    let error = error.into();
    Failure::new(code_of(&error), error.to_string()).hint(error.hint())
}

/// The exit code of a node that ran, or its failure.
pub(crate) fn ended(closed: &Closed) -> Result<ExitCode, Failure> {
    let (code, cause) = match closed {
        Closed::Stopped | Closed::Removed => return Ok(ExitCode::Done),
        Closed::Failed(cause) => (ExitCode::Failed, cause),
        Closed::Damaged(cause) | Closed::Newer(cause) => (ExitCode::Usage, cause),
    };
    Err(Failure::new(code, cause.as_ref()).hint(closed.hint().unwrap_or_default()))
}

/// The exit code for a node that did not start.
///
/// An error that an operator must fix first (2, 7) is told apart from one that
/// a restart may clear (1).
fn code_of(error: &StartError) -> ExitCode {
    use DataDirError as Data;
    match error {
        StartError::Credentials(_) => ExitCode::Denied,
        StartError::Config(_) | StartError::Raft(RaftError::Timers(_)) => ExitCode::Usage,
        StartError::DataDir(error) => match error {
            Data::Io { .. } | Data::InUse { .. } | Data::SameIdAgain { .. } => ExitCode::Failed,
            Data::NotADirectory { .. }
            | Data::Link { .. }
            | Data::OtherOwner { .. }
            | Data::WritableByAll { .. }
            | Data::OtherNode { .. }
            | Data::Newer { .. }
            | Data::NewerLevel { .. }
            | Data::Older { .. }
            | Data::Damaged { .. }
            | Data::Empty { .. }
            | Data::NotEmpty { .. }
            | Data::Unfinished { .. }
            | Data::Removed { .. }
            | Data::NoIdentity { .. } => ExitCode::Usage,
        },
        error if error.is_damage() || error.is_newer() => ExitCode::Usage,
        // The rest, and any variant to come: a restart may clear it.
        _ => ExitCode::Failed,
    }
}

#[cfg(test)]
mod tests {
    use coffeed::storage::poison::{FailureKind, StorageFailure};

    use super::*;

    #[test]
    fn storage_that_fails_while_consensus_starts_is_not_a_matter_of_the_configuration() {
        let timers = StartError::Raft(RaftError::Timers("too short".to_owned()));
        assert_eq!(code_of(&timers), ExitCode::Usage);
        assert!(timers.hint().contains("timers"));
        let stopped = StartError::Raft(RaftError::Fatal(openraft::errors::Fatal::Stopped));
        let storage = |kind| StartError::Storage(StorageFailure { cause: "log.wal".into(), kind });
        for failed in [stopped, storage(FailureKind::Failed)] {
            assert_eq!(code_of(&failed), ExitCode::Failed, "{failed}");
            assert!(failed.hint().contains("disk") && !failed.hint().contains("timers"), "{failed}");
        }
        let (damaged, newer) = (storage(FailureKind::Damage), storage(FailureKind::Newer));
        assert_eq!((code_of(&damaged), code_of(&newer)), (ExitCode::Usage, ExitCode::Usage));
        assert!(damaged.hint().contains("coffeed rebuild"));
        assert!(newer.hint().contains("install the version of coffeed that wrote it"));
    }

    #[test]
    fn the_numbers_are_those_that_units_and_scripts_rely_on() {
        assert_eq!(TABLE.map(|(code, _)| code.number()), [0, 1, 2, 7, 130, 143]);
        assert!(help().ends_with("\n  143  a second SIGTERM cut the stop short"), "{}", help());
    }
}
