//! The sending side of heartbeats: each is a request of its own, and its response does not wait for
//! the receiver's disk.
//!
//! A heartbeat asks whether the receiver still follows this leader, which the receiver knows
//! without its log. That is all that a lease and a read index need (Raft dissertation, section
//! 6.4). Only [`super::append`] learns which entries are durable.

use futures_util::{Stream, StreamExt, stream};
use openraft::{
    OptionalSend, RPCTypes,
    base::BoxStream,
    network::RPCOption,
    raft::{StreamAppendError, StreamAppendResult},
};

use super::{
    append::AppendResult,
    bounds::vote_in_response,
    session::{Peer, RpcFailure, WRONG_RESPONSE, failed},
    wire::{HeartbeatResponse, RaftAppendRequest, RpcRequest, RpcResponse},
};

/// Sends one heartbeat and waits for its response. openraft opens a stream per heartbeat.
pub(super) async fn send<'s, S>(
    peer: &Peer,
    mut requests: S,
    option: RPCOption,
) -> Result<BoxStream<'s, AppendResult>, RpcFailure>
where
    S: Stream<Item = RaftAppendRequest> + OptionalSend + Unpin + 'static,
{
    let Some(request) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let heartbeat = RpcRequest::Heartbeat {
        vote: (&request.vote).into(),
        previous: request.prev_log_id.as_ref().map(Into::into),
        committed: request.leader_commit.as_ref().map(Into::into),
    };
    let response = peer.call(&heartbeat, RPCTypes::AppendEntries, option.hard_ttl()).await?;
    let result: StreamAppendResult<_> = match response {
        RpcResponse::Heartbeat(HeartbeatResponse::Follows) => Ok(request.prev_log_id),
        RpcResponse::Heartbeat(HeartbeatResponse::Conflict) => {
            let absent = request.prev_log_id.ok_or_else(|| failed(WRONG_RESPONSE))?;
            Err(StreamAppendError::Conflict(absent))
        }
        RpcResponse::Heartbeat(HeartbeatResponse::HigherVote(vote)) => {
            let vote = vote_in_response(vote, request.vote.leader_id().term)?;
            Err(StreamAppendError::HigherVote(vote))
        }
        RpcResponse::Vote { .. }
        | RpcResponse::Transfer(_)
        | RpcResponse::Follows(_)
        | RpcResponse::Unsupported => {
            return Err(failed(WRONG_RESPONSE));
        }
    };
    Ok(Box::pin(stream::once(async move { Ok(result) })))
}
