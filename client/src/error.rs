//! What can go wrong for a caller, and whether anything was done.
//!
//! Guards the promise of honest outcomes: whatever fails either certainly had
//! no effect and never will ([`OutcomeKind::NotApplied`]), or it may have had
//! one ([`OutcomeKind::Unknown`]). The two never mix.

use coffee_common::{
    id::{RequestId, Revision},
    protocol::Rejection,
};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request makes no sense, or breaks a limit.
    #[error("{0}")]
    Invalid(String),
    /// The client cannot be set up as asked.
    #[error("{0}")]
    Setup(String),
    /// No such node.
    #[error("{0}")]
    NotFound(String),
    /// A condition of a batch does not hold.
    #[error("{}", condition_text(*.actual))]
    ConditionFalse {
        /// Which one, counted from 0.
        condition: u32,
        /// The revision of its key; `None` if the key is not there.
        actual: Option<Revision>,
    },
    /// The same request id came before with another batch.
    #[error("this request id was used before, for another batch")]
    RequestIdReused,
    /// No node could do it in time: no node, no leader or no quorum.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It may have been done, or may yet be.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What happened.
        reason: String,
        /// With this, the same write can be tried again and is done once.
        request: Option<RequestId>,
    },
    /// The nodes and this client do not accept each other's certificates.
    #[error("{0}")]
    Identity(String),
    /// The role in the client's certificate does not allow it.
    #[error("{0}")]
    Denied(String),
    /// A safety check stands against it.
    #[error("{reason}")]
    Refused {
        /// What stands against it.
        reason: String,
        /// What to do instead.
        hint: String,
    },
}

/// What is known of the effect of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// It had no effect and never will.
    NotApplied,
    /// It may have had its effect, or may yet have it.
    Unknown,
}

/// Why something was certainly not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSentReason {
    /// No connection came about, or it was gone before, or it was too busy.
    #[error("{0}")]
    Unreachable(String),
    /// The two ends do not accept each other's certificates.
    #[error("{0}")]
    Identity(String),
    /// It cannot be sent at all.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    /// What is known of the call's effect.
    pub fn outcome(&self) -> OutcomeKind {
        match self {
            Self::Unknown { .. } => OutcomeKind::Unknown,
            _ => OutcomeKind::NotApplied,
        }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ConditionFalse { actual: Some(revision), .. } => {
                format!("read the key again: it is at revision {revision} now")
            }
            Self::ConditionFalse { actual: None, .. } => "read the key again: it is not there now".into(),
            Self::RequestIdReused => "take a new request id for a new write".into(),
            Self::Unavailable(_) => "see which nodes can be reached with `coffeectl list`".into(),
            Self::Unknown { request: Some(id), .. } => {
                format!("try again with the same request id, `--request-id {id}`: it is done only once")
            }
            Self::Unknown { request: None, .. } => "look with `coffeectl list` before you try again".into(),
            Self::Identity(_) => {
                "check with `coffeectl cert list` that client and nodes have certificates of the same CA"
                    .into()
            }
            Self::Denied(_) => "use a certificate with a role that may do this".into(),
            Self::Refused { hint, .. } => hint.clone(),
            Self::NotFound(_) => "see the nodes with `coffeectl list`".into(),
            Self::Invalid(_) | Self::Setup(_) => return None,
        };
        Some(hint).filter(|hint| !hint.is_empty())
    }

    /// What a node's rejection means, where no try was ever in doubt.
    pub(crate) fn rejected(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unavailable(reason) => Self::Unavailable(reason),
            overloaded @ Rejection::Overloaded => Self::Unavailable(overloaded.to_string()),
            Rejection::Invalid(reason) => Self::Invalid(reason),
            Rejection::Denied(reason) => Self::Denied(reason),
            Rejection::NotFound(reason) => Self::NotFound(reason),
            Rejection::Refused { reason, hint } => Self::Refused { reason, hint },
            Rejection::Unknown(reason) => Self::Unknown { reason, request: None },
        }
    }

    /// A node answered with something that does not fit the question.
    pub(crate) fn misfit() -> Self {
        Self::Unknown { reason: "the node's answer does not fit the question".into(), request: None }
    }
}

impl From<coffee_common::key::KeyError> for Error {
    fn from(error: coffee_common::key::KeyError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<coffee_common::command::BatchError> for Error {
    fn from(error: coffee_common::command::BatchError) -> Self {
        Self::Invalid(error.to_string())
    }
}

fn condition_text(actual: Option<Revision>) -> String {
    match actual {
        Some(revision) => format!("a condition does not hold: the key is at revision {revision}"),
        None => "a condition does not hold: the key is not there".into(),
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::id::ClientId;

    use super::*;

    #[test]
    fn only_unknown_is_unknown() {
        let rejections = [
            Rejection::Unavailable(String::new()),
            Rejection::Overloaded,
            Rejection::Invalid(String::new()),
            Rejection::Denied(String::new()),
            Rejection::NotFound(String::new()),
            Rejection::Refused { reason: String::new(), hint: String::new() },
            Rejection::Unknown(String::new()),
        ];
        for rejection in rejections {
            let not_applied = rejection.is_not_applied();
            let outcome = Error::rejected(rejection.clone()).outcome();
            assert_eq!(outcome == OutcomeKind::NotApplied, not_applied, "{rejection:?}");
        }
    }

    #[test]
    fn an_unknown_write_says_how_to_try_it_again() {
        let id = RequestId { client: ClientId(1), sequence: 2, after: Revision(3) };
        let error = Error::Unknown { reason: "cut off".into(), request: Some(id) };
        assert_eq!(error.to_string(), "the outcome is unknown: cut off");
        assert!(error.hint().is_some_and(|hint| hint.contains(&format!("--request-id {id}"))));
    }
}
