//! Errors of calls, and what they say about the effect.
//!
//! Guards the promise of honest outcomes: a failed call either certainly had no
//! effect and never will ([`OutcomeKind::NotApplied`]), or may have had one
//! ([`OutcomeKind::Unknown`]). The two are never confused.

use coffee_common::{
    id::{RequestId, Revision},
    protocol::{Rejection, rebuild_command},
    transaction::{TransactionFailure, TransactionPart},
};

/// Why a call failed.
///
/// [`Error::outcome`] tells whether it may have had an effect, [`Error::hint`] what
/// to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is malformed or exceeds a limit.
    #[error("{0}")]
    Invalid(String),
    /// The client cannot be set up with these settings.
    #[error("{0}")]
    Setup(String),
    /// The named node does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A condition of the batch does not hold.
    #[error("{}", condition_text(*.actual))]
    ConditionFalse {
        /// Index of the condition in the batch, from 0.
        condition: u32,
        /// Current revision of the condition's key; `None` if the key does not exist.
        actual: Option<Revision>,
    },
    /// A part of the transaction failed: nothing was changed.
    #[error("{}", failure_text(*.part, *.why))]
    TransactionFailed {
        /// The part.
        part: TransactionPart,
        /// The reason.
        why: TransactionFailure,
    },
    /// The request id was already used for another batch or transaction.
    #[error("this request id was already used for another write")]
    RequestIdReused,
    /// No node could execute the request in time: no reachable node, no leader or no
    /// quorum.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Too few voters are in reach of the nodes that answered: nothing was done.
    #[error("{0}; nothing was done")]
    NoQuorum(String),
    /// The request may have been executed, or may still be.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// Why the outcome is unknown.
        reason: String,
        /// The id of the write: retrying with it executes the write at most once.
        request: Option<RequestId>,
    },
    /// The nodes and this client reject each other's certificates.
    #[error("{0}")]
    Identity(String),
    /// The endpoints belong to another cluster than this client's.
    #[error("{0}")]
    OtherCluster(String),
    /// The role in the client's certificate does not allow the request.
    #[error("{0}")]
    Denied(String),
    /// A safety check forbids the operation.
    #[error("{reason}")]
    Refused {
        /// Why the check failed.
        reason: String,
        /// The next step for the caller.
        hint: String,
    },
    /// The history does not reach back to the revision.
    #[error("the history begins at revision {floor}: what was before cannot be read any more")]
    Compacted {
        /// The first revision at which the state can be read.
        floor: Revision,
    },
    /// The node does not know the request, or this client does not know its answer: one of the two is
    /// older.
    #[error("{0}")]
    Unsupported(String),
    /// The client, or another one of its QUIC endpoint, was closed before the request was sent, or while it waited for the response to
    /// a request that changes nothing.
    #[error("the client is closed")]
    Closed,
}

/// The effect of a failed call, as far as it is known.
///
/// Exhaustive on purpose: a failed call either had no effect or may have had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutcomeKind {
    /// The call had no effect and never will.
    NotApplied,
    /// The call may have had an effect, or may still have one.
    Unknown,
}

/// Why a request was certainly not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSentReason {
    /// The node is not connected: no connection could be established, it was closed, or it was too
    /// busy.
    #[error("{0}")]
    Unreachable(String),
    /// The two ends reject each other's certificates.
    #[error("{0}")]
    Identity(String),
    /// The node belongs to another cluster than the client.
    #[error("{0}")]
    OtherCluster(String),
    /// The node and the client have no version of the protocol in common.
    #[error("{0}")]
    Version(String),
    /// The request cannot be encoded within the limits.
    #[error("{0}")]
    Unfit(String),
    /// The own endpoint is closed.
    #[error("the client is closed")]
    Closed,
}

impl Error {
    /// Returns what is known about the call's effect.
    pub fn outcome(&self) -> OutcomeKind {
        match self {
            Self::Unknown { .. } => OutcomeKind::Unknown,
            _ => OutcomeKind::NotApplied,
        }
    }

    /// Returns the next step for an operator, if there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ConditionFalse { actual: Some(revision), .. } => {
                format!("read the key again: its current revision is {revision}")
            }
            Self::ConditionFalse { actual: None, .. } => "read the key again: it does not exist now".into(),
            Self::TransactionFailed { why, .. } => failure_hint(*why).into(),
            Self::RequestIdReused => "use a new request id for a new write".into(),
            Self::Unavailable(_) => "run `coffeectl list` to see which nodes are reachable".into(),
            Self::NoQuorum(_) => {
                "start the nodes that `coffeectl list` shows as unreachable; if they are lost: 'No quorum' in \
                 OPERATIONS.md"
                    .into()
            }
            Self::Unknown { request: Some(id), .. } => {
                format!("retry with `--request-id {id}`: the write is executed at most once")
            }
            Self::Unknown { request: None, .. } => {
                "run `coffeectl list` to see the result before you retry".into()
            }
            Self::Identity(_) => {
                "run `coffeectl cert list` to check that client and nodes have certificates of the same CA"
                    .into()
            }
            Self::OtherCluster(_) => {
                "this client keeps to one cluster: name endpoints of that one, or correct --cluster or the context"
                    .into()
            }
            Self::Denied(_) => "use a certificate with a role that allows this".into(),
            Self::Refused { hint, .. } => hint.clone(),
            Self::Compacted { floor } => format!(
                "read at {floor} or later; `coffeectl settings` shows how much history is kept"
            ),
            Self::NotFound(_) => "run `coffeectl list` to see the nodes".into(),
            Self::Unsupported(_) => {
                "compare `coffeectl --version` with the versions in `coffeectl list`, and upgrade the older side"
                    .into()
            }
            Self::Invalid(_) | Self::Setup(_) | Self::Closed => return None,
        };
        Some(hint).filter(|hint| !hint.is_empty())
    }

    /// Converts a node's rejection of a request that was never in doubt.
    pub(crate) fn rejected(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unavailable(reason) => Self::Unavailable(reason),
            no_quorum @ Rejection::NoQuorum { .. } => Self::NoQuorum(no_quorum.to_string()),
            overloaded @ Rejection::Overloaded => Self::Unavailable(overloaded.to_string()),
            Rejection::Invalid(reason) => Self::Invalid(reason),
            Rejection::Denied(reason) => Self::Denied(reason),
            Rejection::NotFound(reason) => Self::NotFound(reason),
            Rejection::Refused { reason, hint } => Self::Refused { reason, hint },
            Rejection::Unknown(reason) | Rejection::Unreadable(reason) => {
                Self::Unknown { reason, request: None }
            }
            Rejection::Unsupported(reason) => Self::Unsupported(reason),
            Rejection::Compacted { floor } => Self::Compacted { floor },
            rejection @ Rejection::OtherCluster { .. } => Self::OtherCluster(rejection.to_string()),
            Rejection::LeftOut { ref node, peers, ref from } => Self::Refused {
                hint: format!(
                    "stop {node}, run `{}` there, and start it; meanwhile name another endpoint",
                    rebuild_command(peers, from)
                ),
                reason: rejection.to_string(),
            },
            Rejection::NoCluster { node, .. } => Self::Refused {
                reason: "none of the endpoints belongs to a cluster; nothing was done".into(),
                hint: format!(
                    "to found a cluster: `coffeectl init {node}`; to use one, add one of its nodes to --endpoints"
                ),
            },
        }
    }

    /// The node's response does not match the request.
    pub(crate) fn misfit() -> Self {
        Self::Unknown { reason: "the node's response does not match the request".into(), request: None }
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
        None => "a condition does not hold: the key does not exist".into(),
    }
}

fn failure_text(part: TransactionPart, why: TransactionFailure) -> String {
    let part = match part {
        TransactionPart::Condition(place) => format!("condition {}", place + 1),
        TransactionPart::Then(place) => format!("step {}", place + 1),
        TransactionPart::Otherwise(place) => format!("step {} of the else branch", place + 1),
    };
    match why {
        TransactionFailure::NotANumber => format!("{part}: the value is not a number; nothing was changed"),
        TransactionFailure::OutOfBounds(number) => {
            format!("{part}: the sum would be out of bounds: the number is {number}; nothing was changed")
        }
        TransactionFailure::TooManyKeys => {
            format!("{part}: the range has too many keys for one transaction; nothing was changed")
        }
        TransactionFailure::ValuesTooLong => {
            format!("{part}: the values to compare are too long; nothing was changed")
        }
    }
}

fn failure_hint(why: TransactionFailure) -> &'static str {
    match why {
        TransactionFailure::NotANumber => "set the key to a number in decimal, or use another key",
        TransactionFailure::OutOfBounds(_) => "change the bounds, or add another number",
        TransactionFailure::TooManyKeys => {
            "delete the range part by part, as `coffeectl del --prefix` does; keys that were deleted before count too, \
             until the history drops them"
        }
        TransactionFailure::ValuesTooLong => "compare revisions instead of values",
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::id::{ClientId, ClusterId};

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
            Rejection::Unsupported(String::new()),
            Rejection::Compacted { floor: Revision(3) },
            Rejection::Unreadable(String::new()),
            Rejection::NoCluster { node: "ming".parse().expect("legal"), joining: false },
            Rejection::NoQuorum { reached: Vec::new(), voters: 3 },
            Rejection::LeftOut {
                node: "ming".parse().expect("legal"),
                peers: ClusterId(1),
                from: "127.0.0.1:7400".parse().expect("legal"),
            },
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
