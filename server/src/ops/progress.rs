//! Keeps failures of an operation honest: once an attempt or a step may have taken
//! effect, no error says that nothing was done.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::protocol::Rejection;

use crate::node::propose::ProposeError;

/// Whether an operation may have changed something.
#[derive(Debug, Default)]
pub(super) struct OperationProgress(AtomicBool);

impl OperationProgress {
    /// Notes the result of a step that proposes or asks another node to act.
    pub(super) fn step<T>(&self, result: Result<T, ProposeError>) -> Result<T, ProposeError> {
        match &result {
            Ok(_) => self.begin(),
            Err(ProposeError::Rejected(rejection)) => self.note(rejection),
            Err(ProposeError::NotApplied(_)) => {}
        }
        result
    }

    /// Notes how an attempt failed.
    pub(super) fn note(&self, rejection: &Rejection) {
        if !rejection.is_not_applied() {
            self.begin();
        }
    }

    /// Notes that something may have changed.
    pub(super) fn begin(&self) {
        planted!("forgotten-membership-outcome", return);
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the error that ends the operation.
    pub(super) fn end(&self, error: ProposeError) -> ProposeError {
        match error {
            ProposeError::NotApplied(why) if self.has_begun() => Rejection::Unknown(why).into(),
            ProposeError::NotApplied(why) => ProposeError::NotApplied(why),
            ProposeError::Rejected(rejection) => self.reject(rejection).into(),
        }
    }

    /// Returns the rejection that ends the operation. Once it may have begun, only an
    /// outcome settles it: each other rejection says that nothing was done.
    pub(super) fn reject(&self, rejection: Rejection) -> Rejection {
        match rejection {
            rejection if !self.has_begun() => rejection,
            Rejection::Unknown(why) | Rejection::Unavailable(why) => Rejection::Unknown(why),
            rejection => Rejection::Unknown(rejection.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> ProposeError {
        Rejection::Unavailable("the deadline has passed".to_owned()).into()
    }

    fn not_applied() -> ProposeError {
        ProposeError::NotApplied("the leader has lost contact with the quorum".to_owned())
    }

    fn unknown() -> ProposeError {
        Rejection::Unknown("it was not committed in time".to_owned()).into()
    }

    fn refused() -> Rejection {
        Rejection::Refused { reason: "no quorum".to_owned(), hint: String::new() }
    }

    fn is_unknown(error: &ProposeError) -> bool {
        matches!(error, ProposeError::Rejected(Rejection::Unknown(_)))
    }

    #[test]
    fn an_operation_that_has_begun_never_says_that_nothing_was_done() {
        for first in [Ok(()), Err(unknown())] {
            let settled = [refused(), Rejection::Overloaded, Rejection::NotFound("peng".to_owned())];
            for last in [not_applied(), unavailable()].into_iter().chain(settled.map(ProposeError::from)) {
                let progress = OperationProgress::default();
                let _ = progress.step(first.clone());
                let ended = progress.step::<()>(Err(last)).map_err(|error| progress.end(error));
                assert!(ended.as_ref().is_err_and(is_unknown), "{first:?}, then {ended:?}");
            }
        }
    }

    #[test]
    fn an_operation_whose_first_step_was_rejected_has_not_begun() {
        for only in [not_applied(), unavailable(), refused().into()] {
            let progress = OperationProgress::default();
            let ended = progress.step::<()>(Err(only.clone())).map_err(|error| progress.end(error));
            assert_eq!(ended, Err(only));
        }
    }

    #[test]
    fn an_attempt_in_doubt_is_not_forgotten_when_the_next_one_is_unavailable() {
        let unavailable = || Rejection::Unavailable("no quorum confirmed in time".to_owned());
        let attempts = OperationProgress::default();
        attempts.note(&unavailable());
        assert_eq!(attempts.reject(unavailable()), unavailable(), "nothing was proposed");
        attempts.note(&Rejection::Unknown("it was not settled in time".to_owned()));
        attempts.note(&unavailable());
        assert!(matches!(attempts.reject(unavailable()), Rejection::Unknown(_)));
    }
}
