//! The failure of a verb, for operators.
//!
//! Every error becomes a [`Failure`] before it is printed: a message, hints with
//! the next command to type, and the exit code. Only this module maps errors of
//! the client library to exit codes.

use coffee_client::{Error, TransactionFailure};
use coffee_common::id::RequestId;

use crate::{exit::ExitCode, words::Spoken};

/// A message, hints and an exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: ExitCode,
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// Creates a failure without hints.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new() }
    }

    /// Creates a usage error.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Adds a hint: the next command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Replaces the message.
    #[must_use]
    pub(crate) fn with_message(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// Replaces the exit code.
    #[must_use]
    pub(crate) fn with_code(self, code: ExitCode) -> Self {
        Self { code, ..self }
    }

    /// Returns the exit code.
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the hints.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// Returns the exit code of an error of the client library.
fn code(error: &Error) -> ExitCode {
    match error {
        Error::Invalid(_) | Error::RequestIdReused => ExitCode::Usage,
        Error::NotFound(_) | Error::Compacted { .. } => ExitCode::NotFound,
        Error::ConditionFalse { .. } => ExitCode::ConditionFalse,
        Error::TransactionFailed { why: TransactionFailure::OutOfBounds(_), .. } => ExitCode::ConditionFalse,
        Error::Unavailable(_) | Error::NoQuorum(_) => ExitCode::Unavailable,
        Error::Unknown { .. } => ExitCode::Unknown,
        Error::Identity(_) | Error::OtherCluster(_) | Error::Denied(_) => ExitCode::Denied,
        Error::Refused { .. } => ExitCode::Refused,
        // `Setup`, `Unsupported`, and errors that this version does not know.
        _ => ExitCode::Failed,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(code(&error), error.to_string());
        match (&error, error.hint()) {
            (Error::Unavailable(_), _) => failure.hint(
                "check that coffeed runs at --endpoints and that UDP reaches it; 'coffeectl list' shows the nodes in \
                 reach",
            ),
            (_, Some(hint)) => failure.hint(hint.replace('`', "'")),
            (_, None) => failure,
        }
    }
}

impl Failure {
    /// Creates the failure of a request that names a revision.
    pub(crate) fn of_revision(error: Error) -> Self {
        let is_mistaken = matches!(error, Error::Invalid(_));
        let failure = Self::from(error);
        match is_mistaken {
            true => failure
                .hint("revisions are shown by 'coffeectl history KEY' and 'coffeectl get KEY --revision'"),
            false => failure,
        }
    }

    /// Creates the failure of a write. For an unknown outcome the hint is the
    /// command that retries it.
    pub(crate) fn of_write(error: Error, spoken: &Spoken) -> Self {
        match &error {
            Error::Unknown { request: Some(id), .. } => {
                Self::new(code(&error), error.to_string()).hint(repeat(spoken, *id))
            }
            _ => error.into(),
        }
    }
}

/// Returns the hint for a write whose outcome is unknown.
pub(crate) fn repeat(spoken: &Spoken, request: RequestId) -> String {
    let command = spoken.with(&["--request-id", &request.to_string()]);
    format!("to retry it, applied at most once: {command}")
}

#[cfg(test)]
mod tests {
    use coffee_common::id::{ClientId, Revision};

    use super::*;
    use coffee_client::OutcomeKind;

    fn all_errors() -> Vec<(Error, ExitCode)> {
        let text = || "why".to_owned();
        vec![
            (Error::Invalid(text()), ExitCode::Usage),
            (Error::Setup(text()), ExitCode::Failed),
            (Error::NotFound(text()), ExitCode::NotFound),
            (Error::Compacted { floor: Revision(7) }, ExitCode::NotFound),
            (Error::ConditionFalse { condition: 0, actual: None }, ExitCode::ConditionFalse),
            (Error::RequestIdReused, ExitCode::Usage),
            (Error::Unavailable(text()), ExitCode::Unavailable),
            (Error::NoQuorum(text()), ExitCode::Unavailable),
            (Error::Unknown { reason: text(), request: None }, ExitCode::Unknown),
            (Error::Identity(text()), ExitCode::Denied),
            (Error::Denied(text()), ExitCode::Denied),
            (Error::Refused { reason: text(), hint: "what to do".into() }, ExitCode::Refused),
            (Error::Unsupported(text()), ExitCode::Failed),
            (Error::Closed, ExitCode::Failed),
        ]
    }

    #[test]
    fn each_error_has_its_code() {
        for (error, code) in all_errors() {
            assert_eq!(Failure::from(error.clone()).code(), code, "{error:?}");
        }
    }

    #[test]
    fn only_an_unknown_outcome_has_the_code_for_it() {
        for (error, code) in all_errors() {
            let unknown = error.outcome() == OutcomeKind::Unknown;
            assert_eq!(unknown, code == ExitCode::Unknown, "{error:?}");
        }
    }

    #[test]
    fn an_unknown_write_says_how_to_repeat_it() {
        let request = RequestId { client: ClientId(0xc0ffee), sequence: 7, after: Revision(4711) };
        let error = Error::Unknown { reason: "timed out".into(), request: Some(request) };
        let failure = Failure::of_write(error, &Spoken::new(["coffeectl", "set", "k", "two words"]));
        assert_eq!(failure.code(), ExitCode::Unknown);
        assert_eq!(
            failure.hints(),
            [format!(
                "to retry it, applied at most once: coffeectl set k 'two words' --request-id {request}"
            )]
        );
    }
}
