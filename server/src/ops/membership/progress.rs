//! Keeps failures of an operation on the leader honest: once a step may have taken
//! effect, no error says that nothing was done.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::protocol::Rejection;

use crate::node::propose::{ProposeError, in_doubt};

/// Whether an operation may have changed something.
#[derive(Debug, Default)]
pub(super) struct OperationProgress(AtomicBool);

impl OperationProgress {
    /// Notes the result of a step that proposes or asks another node to act.
    pub(super) fn step<T>(&self, result: Result<T, ProposeError>) -> Result<T, ProposeError> {
        let untouched = match &result {
            Ok(_) | Err(ProposeError::Rejected(Rejection::Unknown(_))) => false,
            Err(ProposeError::NotApplied(_) | ProposeError::Rejected(_)) => true,
        };
        if !untouched {
            self.0.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Returns the error that ends the operation.
    pub(super) fn end(&self, error: ProposeError) -> ProposeError {
        if !self.0.load(Ordering::Relaxed) {
            return error;
        }
        match error {
            ProposeError::NotApplied(why) => in_doubt(Rejection::Unavailable(why)).into(),
            ProposeError::Rejected(rejection) => in_doubt(rejection).into(),
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

    fn is_unknown(error: &ProposeError) -> bool {
        matches!(error, ProposeError::Rejected(Rejection::Unknown(_)))
    }

    #[test]
    fn an_operation_that_has_begun_never_says_that_nothing_was_done() {
        for first in [Ok(()), Err(unknown())] {
            for last in [not_applied(), unavailable(), Rejection::Overloaded.into()] {
                let progress = OperationProgress::default();
                let _ = progress.step(first.clone());
                let ended = progress.step::<()>(Err(last)).map_err(|error| progress.end(error));
                assert!(ended.as_ref().is_err_and(is_unknown), "{first:?}, then {ended:?}");
            }
        }
    }

    #[test]
    fn an_operation_whose_first_step_was_rejected_has_not_begun() {
        for only in [not_applied(), unavailable()] {
            let progress = OperationProgress::default();
            let ended = progress.step::<()>(Err(only.clone())).map_err(|error| progress.end(error));
            assert_eq!(ended, Err(only));
        }
    }

    #[test]
    fn a_refusal_stays_a_refusal() {
        let refused = Rejection::Refused { reason: "no quorum".to_owned(), hint: String::new() };
        let progress = OperationProgress::default();
        let _ = progress.step(Ok(()));
        assert_eq!(progress.end(refused.clone().into()), refused.into());
    }
}
