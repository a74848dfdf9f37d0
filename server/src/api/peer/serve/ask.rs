//! Votes, pre-votes and transfers: one question, one answer.

use coffee_common::{
    frame,
    id::NodeId,
    quic::{FrameReceiver, FrameSender},
};
use openraft::raft::{TransferLeaderRequest, VoteRequest};

use super::{PeerContext, ServeError, judge, receive};
use crate::{
    api::peer::wire::{Question, Reply},
    raft_types::TypeConfig,
};

pub(super) async fn serve(
    context: &PeerContext,
    from: NodeId,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let question: Question = receive(&mut receiver).await?;
    let reply = answer(context, from, question).await?;
    sender.send(frame::encode(&reply)?).await?;
    sender.finish();
    Ok(())
}

async fn answer(context: &PeerContext, from: NodeId, question: Question) -> Result<Reply, ServeError> {
    let raft = &context.raft;
    match question {
        Question::Vote(ballot) => {
            let request = VoteRequest::<TypeConfig>::from(ballot);
            judge::stands(&request.vote, from)?;
            Ok(raft.vote(request).await.map_err(ServeError::stopped)?.into())
        }
        Question::PreVote(ballot) => {
            let request = VoteRequest::<TypeConfig>::from(ballot);
            judge::stands(&request.vote, from)?;
            Ok(raft.pre_vote(request).await.map_err(ServeError::stopped)?.into())
        }
        Question::Transfer { from: leader, to, last } => {
            let request = TransferLeaderRequest::new(leader.into(), to, last.map(Into::into));
            judge::leads(request.from_leader(), from)?;
            Ok(raft.handle_transfer_leader(request).await.map_err(ServeError::stopped)?.into())
        }
    }
}
