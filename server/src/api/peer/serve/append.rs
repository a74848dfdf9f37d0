//! The receiving side of appends.

use coffee_common::{
    frame,
    id::NodeId,
    quic::{FrameReceiver, FrameSender},
};
use futures_util::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use tokio::sync::oneshot;

use super::{PeerContext, ServeError, judge};
use crate::{
    api::peer::wire::{Append, Appended},
    node::leader_contact::LastContact,
    raft_types::TypeConfig,
};

type Request = AppendEntriesRequest<TypeConfig>;

/// Answers that are ready at the same time are sent together, up to this many.
const ANSWERS_MAX: usize = 64;

/// Hands requests to Raft as they come, and its answers back in order.
pub(super) async fn serve(
    context: &PeerContext,
    from: NodeId,
    mut sender: FrameSender,
    receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let (failed, mut failure) = oneshot::channel();
    let last_contact = context.last_contact.clone();
    let answers =
        context.raft.stream_append(requests(from, last_contact, receiver, failed)).ready_chunks(ANSWERS_MAX);
    let mut answers = std::pin::pin!(answers);
    while let Some(ready) = answers.next().await {
        let mut frames = Vec::with_capacity(ready.len());
        for answer in ready {
            let answer = answer.map_err(|fatal| ServeError::Stopped(fatal.to_string()))?;
            frames.push(frame::encode(&Appended::from(answer))?);
        }
        sender.send_all(&mut frames).await?;
    }
    sender.finish();
    failure.try_recv().map_or(Ok(()), Err)
}

/// The requests of a stream. Ends at its end, and at anything that is no request.
fn requests(
    from: NodeId,
    last_contact: LastContact,
    receiver: FrameReceiver,
    failed: oneshot::Sender<ServeError>,
) -> impl Stream<Item = Request> + Send + 'static {
    futures_util::stream::unfold(
        (receiver, last_contact, failed),
        move |(mut receiver, last_contact, failed)| async move {
            match next(&mut receiver, from).await {
                Ok(request) => {
                    let request = request?;
                    last_contact.note(from);
                    Some((request, (receiver, last_contact, failed)))
                }
                Err(error) => {
                    // Fails only if the answers have ended before.
                    let _ = failed.send(error);
                    None
                }
            }
        },
    )
}

async fn next(receiver: &mut FrameReceiver, from: NodeId) -> Result<Option<Request>, ServeError> {
    let Some(message) = receiver.receive().await? else { return Ok(None) };
    let request = frame::decode::<Append<'_>>(&message)?.try_into()?;
    judge::append(&request, from)?;
    Ok(Some(request))
}
