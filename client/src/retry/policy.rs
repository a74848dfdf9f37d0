//! Where each request is sent, and why it is safe to send it again.

use coffee_common::{
    id::RequestId,
    protocol::{Consistency, Request},
};

use crate::routing::Route;

/// The reason why a request is safe to send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    /// The request changes nothing.
    ReadOnly,
    /// A write: its request id ensures that it is executed at most once.
    WithRequestId {
        /// The id; `None` until the write is first sent.
        id: Option<RequestId>,
    },
    /// Executing the request twice has the same result as once.
    Idempotent,
    /// Executing the request twice does more: transfer leadership to any node, take
    /// down the current leader.
    AtMostOnce,
}

/// Returns where to send a request and what makes it safe to send it again.
pub(crate) fn policy_of(request: &Request) -> (Route, RetryPolicy) {
    let local = |consistency| match consistency {
        Consistency::Local => Route::First,
        Consistency::Linearizable => Route::Leader,
    };
    match request {
        Request::Ping | Request::Status | Request::List | Request::Events { .. } => {
            (Route::First, RetryPolicy::ReadOnly)
        }
        Request::Get { consistency, .. }
        | Request::Range { consistency, .. }
        | Request::GetAt { consistency, .. }
        | Request::RangeAt { consistency, .. }
        | Request::History { consistency, .. }
        | Request::Watch { consistency, .. } => (local(*consistency), RetryPolicy::ReadOnly),
        Request::CanStop { .. } | Request::ReadIndex | Request::Settings => {
            (Route::Leader, RetryPolicy::ReadOnly)
        }
        Request::Write { request, .. } | Request::Transact { request, .. } => {
            (Route::Leader, RetryPolicy::WithRequestId { id: Some(*request) })
        }
        Request::Down { dry_run: true, .. }
        | Request::Remove { dry_run: true, .. }
        | Request::FinishUpgrade { dry_run: true } => (Route::Leader, RetryPolicy::ReadOnly),
        Request::Transfer { to: None } | Request::Down { node: None, .. } => {
            (Route::Leader, RetryPolicy::AtMostOnce)
        }
        Request::Boot { .. }
        | Request::Move { .. }
        | Request::Transfer { .. }
        | Request::Down { .. }
        | Request::Remove { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. }
        | Request::Revoke { .. }
        | Request::FinishUpgrade { dry_run: false }
        | Request::ChangeSetting { .. }
        | Request::CompactHistory { .. } => (Route::Leader, RetryPolicy::Idempotent),
        #[cfg(coffee_future)]
        Request::FutureTouch(_) => (Route::Leader, RetryPolicy::Idempotent),
        Request::StateDigest { .. }
        | Request::Room { .. }
        | Request::Reaches { .. }
        | Request::ConfirmMember { .. }
        | Request::Backup { .. } => (Route::First, RetryPolicy::ReadOnly),
        Request::Found { .. }
        | Request::Invite { .. }
        | Request::ShutDownRemoved { .. }
        | Request::Reload { .. }
        | Request::LogLevel { .. } => (Route::First, RetryPolicy::Idempotent),
    }
}
