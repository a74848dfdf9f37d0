//! Votes, pre-votes and transfers: one request, one response.

use coffee_common::{
    frame,
    id::NodeId,
    quic::{FrameReceiver, FrameSender},
};
use openraft::raft::{self, TransferLeaderRequest};

use super::{PeerContext, ServeError, receive, validate};
use crate::{
    api::peer::wire::{RpcRequest, RpcResponse},
    raft_types::TypeConfig,
};

pub(super) async fn serve(
    context: &PeerContext,
    from: NodeId,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let request: RpcRequest = receive(&mut receiver).await?;
    let response = answer(context, from, request).await?;
    sender.send(frame::encode(&response)?).await?;
    sender.finish();
    Ok(())
}

async fn answer(context: &PeerContext, from: NodeId, request: RpcRequest) -> Result<RpcResponse, ServeError> {
    let consensus = &context.raft;
    match request {
        RpcRequest::Vote(request) => {
            let request = raft::VoteRequest::<TypeConfig>::from(request);
            validate::candidate(&request.vote, from)?;
            Ok(consensus.vote(request).await.map_err(ServeError::stopped)?.into())
        }
        RpcRequest::PreVote(request) => {
            let request = raft::VoteRequest::<TypeConfig>::from(request);
            validate::candidate(&request.vote, from)?;
            Ok(consensus.pre_vote(request).await.map_err(ServeError::stopped)?.into())
        }
        RpcRequest::Transfer { from: leader, to, last } => {
            let request = TransferLeaderRequest::new(leader.into(), to, last.map(Into::into));
            validate::leader(request.from_leader(), from)?;
            Ok(consensus.handle_transfer_leader(request).await.map_err(ServeError::stopped)?.into())
        }
    }
}
