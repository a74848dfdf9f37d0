//! Why a verb was not carried out, as an operator reads it.
//!
//! Every error becomes one of these before it is shown: what went wrong, what
//! to type next, and the exit code. The exit code of an error of the client
//! library is decided here and nowhere else.

use coffee_client::Error;
use coffee_common::id::RequestId;

use crate::{exit::ExitCode, words::Spoken};

/// A verb that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    code: ExitCode,
    message: String,
    hints: Vec<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new() }
    }

    /// The command makes no sense as it was written.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same, said in other words.
    #[must_use]
    pub(crate) fn with_message(self, message: String) -> Self {
        Self { message, ..self }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        self.code
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

/// The exit code of an error of the client library.
fn code(error: &Error) -> ExitCode {
    match error {
        Error::Invalid(_) | Error::RequestIdReused => ExitCode::Usage,
        Error::NotFound(_) => ExitCode::NotFound,
        Error::ConditionFalse { .. } => ExitCode::ConditionFalse,
        Error::Unavailable(_) => ExitCode::Unavailable,
        Error::Unknown { .. } => ExitCode::Unknown,
        Error::Identity(_) | Error::Denied(_) => ExitCode::Denied,
        Error::Refused { .. } => ExitCode::Refused,
        // `Setup`, and kinds of errors that this command does not know yet.
        _ => ExitCode::Failed,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(code(&error), error.to_string());
        match (&error, error.hint()) {
            (Error::Unavailable(_), _) => failure.hint(
                "see that coffeed runs at --endpoints, and that UDP gets there; 'coffeectl list' shows which nodes \
                 are in reach, 'coffeectl status' asks each of them",
            ),
            (_, Some(hint)) => failure.hint(hint.replace('`', "'")),
            (_, None) => failure,
        }
    }
}

impl Failure {
    /// A write that was not carried out, or perhaps was: then this says with
    /// which command it can be repeated.
    pub(crate) fn of_write(error: Error, spoken: &Spoken) -> Self {
        match &error {
            Error::Unknown { request: Some(id), .. } => {
                Self::new(code(&error), error.to_string()).hint(repeat(spoken, *id))
            }
            _ => error.into(),
        }
    }
}

/// How to repeat a write whose outcome is unknown.
pub(crate) fn repeat(spoken: &Spoken, request: RequestId) -> String {
    let command = spoken.with(&["--request-id", &request.to_string()]);
    format!("this repeats it, and applies it at most once: {command}")
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
            (Error::ConditionFalse { condition: 0, actual: None }, ExitCode::ConditionFalse),
            (Error::RequestIdReused, ExitCode::Usage),
            (Error::Unavailable(text()), ExitCode::Unavailable),
            (Error::Unknown { reason: text(), request: None }, ExitCode::Unknown),
            (Error::Identity(text()), ExitCode::Denied),
            (Error::Denied(text()), ExitCode::Denied),
            (Error::Refused { reason: text(), hint: "what to do".into() }, ExitCode::Refused),
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
                "this repeats it, and applies it at most once: coffeectl set k 'two words' --request-id {request}"
            )]
        );
    }
}
