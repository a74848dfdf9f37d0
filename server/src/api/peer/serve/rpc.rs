//! Heartbeats, votes, pre-votes and transfers: one request, one response.

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use openraft::raft::{self, AppendEntriesResponse, TransferLeaderRequest};
use tokio::sync::oneshot;

use super::{PeerContext, ServeError, StreamPeer, receive, validate};
use crate::{
    api::peer::wire::{HeartbeatResponse, RaftAppendRequest, RpcRequest, RpcResponse},
    raft_types::{TypeConfig, Vote},
};

pub(super) async fn serve(
    peer: &StreamPeer,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let (response, served) = match receive(&mut receiver).await {
        Ok(request) => (answer(peer, request).await?, Ok(())),
        Err(newer @ ServeError::Newer(_)) => (RpcResponse::Unsupported, Err(newer)),
        Err(error) => return Err(error),
    };
    sender.send(frame::encode_as(peer.version, &response)?).await?;
    sender.finish();
    served
}

pub(super) async fn answer(peer: &StreamPeer, request: RpcRequest) -> Result<RpcResponse, ServeError> {
    let (context, sender) = (&peer.context, peer.sender());
    let consensus = &context.raft;
    match request {
        RpcRequest::Heartbeat { vote, previous, committed } => {
            let request = RaftAppendRequest {
                vote: vote.into(),
                prev_log_id: previous.map(Into::into),
                leader_commit: committed.map(Into::into),
                entries: Vec::new(),
            };
            validate::append(&request, sender)?;
            Ok(RpcResponse::Heartbeat(heartbeat(peer, request).await?))
        }
        RpcRequest::Vote(request) => {
            let request = raft::VoteRequest::<TypeConfig>::from(request);
            validate::candidate(&request, sender)?;
            Ok(consensus.vote(request).await.map_err(ServeError::stopped)?.into())
        }
        RpcRequest::PreVote(request) => {
            let request = raft::VoteRequest::<TypeConfig>::from(request);
            validate::candidate(&request, sender)?;
            Ok(consensus.pre_vote(request).await.map_err(ServeError::stopped)?.into())
        }
        RpcRequest::Transfer { from: leader, to, last } => {
            let request = TransferLeaderRequest::new(leader.into(), to, last.map(Into::into));
            validate::leader(request.from_leader(), sender)?;
            validate::in_order(&request.last_log_id().cloned(), request.from_leader())?;
            Ok(consensus.handle_transfer_leader(request).await.map_err(ServeError::stopped)?.into())
        }
        RpcRequest::Follows { leader } => {
            let leader = leader.into();
            validate::leader(&leader, sender)?;
            Ok(RpcResponse::Follows(follows(context, leader).await?))
        }
    }
}

/// Returns whether this node's vote is for the leader. A vote is saved before it is reported to
/// anyone, and Raft knows of it before that.
async fn follows(context: &PeerContext, leader: Vote) -> Result<bool, ServeError> {
    let (tell, told) = oneshot::channel();
    let ask = context.raft.external_request(move |state| {
        // Fails if the caller has its answer already, or has given up.
        let _ = tell.send(*state.vote_ref() == leader);
    });
    ask.await.map_err(ServeError::stopped)?;
    told.await.map_err(ServeError::stopped)
}

/// Passes a heartbeat to Raft, and answers as soon as this node follows its leader. A vote is saved
/// before it is reported, but the log need not be durable: Raft's own response waits for that, so a
/// stalled disk would look like a follower that is lost, and delay every read.
async fn heartbeat(peer: &StreamPeer, request: RaftAppendRequest) -> Result<HeartbeatResponse, ServeError> {
    let context = &peer.context;
    let (request, admission) = context.leader_log.admit(&context.raft, request).await?;
    context.last_contact.note(peer.id);
    let leader = request.vote;
    let appended = context.raft.append_entries(request);
    let follows = async {
        // Raft processes requests in order, so this is the vote after the heartbeat.
        let follows = follows(context, leader).await;
        drop(admission);
        follows
    };
    let mut appended = std::pin::pin!(appended);
    let appended = tokio::select! {
        biased;
        appended = &mut appended => appended,
        follows = follows => {
            if follows? {
                return Ok(HeartbeatResponse::Follows);
            }
            appended.await
        }
    };
    Ok(match appended.map_err(ServeError::stopped)? {
        AppendEntriesResponse::Success | AppendEntriesResponse::PartialSuccess(_) => {
            HeartbeatResponse::Follows
        }
        AppendEntriesResponse::Conflict => HeartbeatResponse::Conflict,
        AppendEntriesResponse::HigherVote(vote) => HeartbeatResponse::HigherVote((&vote).into()),
    })
}
