//! Votes, pre-votes and transfers: one question, one answer.

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use openraft::raft::TransferLeaderRequest;

use super::{PeerContext, ServeError, receive};
use crate::peer::wire::{Question, Reply};

pub(super) async fn serve(
    context: &PeerContext,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let question: Question = receive(&mut receiver).await?;
    let reply = answer(context, question).await?;
    sender.send(frame::encode(&reply)?).await?;
    sender.finish();
    Ok(())
}

async fn answer(context: &PeerContext, question: Question) -> Result<Reply, ServeError> {
    let stopped = |error: &dyn std::fmt::Display| ServeError::Stopped(error.to_string());
    let raft = &context.raft;
    match question {
        Question::Vote(ballot) => match raft.vote(ballot.into()).await {
            Ok(response) => Ok(response.into()),
            Err(error) => Err(stopped(&error)),
        },
        Question::PreVote(ballot) => match raft.pre_vote(ballot.into()).await {
            Ok(response) => Ok(response.into()),
            Err(error) => Err(stopped(&error)),
        },
        Question::Transfer { from, to, last } => {
            let request = TransferLeaderRequest::new(from.into(), to, last.map(Into::into));
            match raft.handle_transfer_leader(request).await {
                Ok(response) => Ok(response.into()),
                Err(error) => Err(stopped(&error)),
            }
        }
    }
}
