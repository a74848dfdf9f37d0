//! The receiving side of appends.

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use futures_util::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;

use super::{PeerContext, ServeError};
use crate::{
    peer::wire::{Append, Appended},
    types::TypeConfig,
};

/// Answers that are ready at the same time are sent together, up to this many.
const ANSWERS_MAX: usize = 64;

/// Hands requests to Raft as they come, and its answers back in order.
pub(super) async fn serve(
    context: &PeerContext,
    mut sender: FrameSender,
    receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let (failed, mut failure) = tokio::sync::oneshot::channel();
    let answers = context.raft.stream_append(requests(receiver, failed)).ready_chunks(ANSWERS_MAX);
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
    receiver: FrameReceiver,
    failed: tokio::sync::oneshot::Sender<ServeError>,
) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + 'static {
    futures_util::stream::unfold((receiver, failed), async |(mut receiver, failed)| {
        let message = receiver.receive().await.ok()??;
        match decode(&message) {
            Ok(request) => Some((request, (receiver, failed))),
            Err(error) => {
                let _ = failed.send(error);
                None
            }
        }
    })
}

fn decode(message: &[u8]) -> Result<AppendEntriesRequest<TypeConfig>, ServeError> {
    Ok(frame::decode::<Append<'_>>(message)?.try_into()?)
}
