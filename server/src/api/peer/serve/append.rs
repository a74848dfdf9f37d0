//! The receiving side of appends.

use std::sync::Arc;

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use futures_util::{Stream, StreamExt};
use tokio::{sync::oneshot, time::timeout};

use super::{FRAME_TIMEOUT, ServeError, StreamPeer, validate};
use crate::api::peer::wire::{AppendRequest, AppendResponse, RaftAppendRequest};

/// The most responses that are sent together if they are ready at the same time.
const RESPONSES_MAX: usize = 64;

/// Passes requests to Raft as they come, and its responses back in order.
pub(super) async fn serve(
    peer: Arc<StreamPeer>,
    mut sender: FrameSender,
    receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let (failed, mut failure) = oneshot::channel();
    // openraft reads the requests on a task of its own, which ends only with them.
    let requests = requests(Arc::clone(&peer), receiver, failed).take_until(sender.stopped());
    let responses = peer.context.raft.stream_append(requests).ready_chunks(RESPONSES_MAX);
    let mut responses = std::pin::pin!(responses);
    while let Some(ready) = responses.next().await {
        let mut frames = Vec::with_capacity(ready.len());
        for response in ready {
            let response = response.map_err(|fatal| ServeError::Stopped(fatal.to_string()))?;
            frames.push(frame::encode_as(peer.version, &AppendResponse::from(response))?);
        }
        sender.send_all(&mut frames).await?;
    }
    sender.finish();
    failure.try_recv().map_or(Ok(()), Err)
}

/// Returns the requests of a stream. Ends at the stream's end or the first invalid message.
fn requests(
    peer: Arc<StreamPeer>,
    receiver: FrameReceiver,
    failed: oneshot::Sender<ServeError>,
) -> impl Stream<Item = RaftAppendRequest> + Send + 'static {
    futures_util::stream::unfold((receiver, peer, failed), |(mut receiver, peer, failed)| async move {
        match next(&mut receiver, &peer).await {
            Ok(request) => {
                let request = request?;
                peer.context.last_contact.note(peer.id);
                Some((request, (receiver, peer, failed)))
            }
            Err(error) => {
                // Fails only if the responses have ended already.
                let _ = failed.send(error);
                None
            }
        }
    })
}

async fn next(
    receiver: &mut FrameReceiver,
    peer: &StreamPeer,
) -> Result<Option<RaftAppendRequest>, ServeError> {
    let message = loop {
        match timeout(FRAME_TIMEOUT, receiver.receive()).await {
            Ok(received) => break received?,
            // Nothing is written. A peer that was removed meanwhile sends nothing either.
            Err(_) => peer.check_membership().await?,
        }
    };
    let Some(message) = message else { return Ok(None) };
    peer.check_membership().await?;
    let request = frame::decode::<AppendRequest<'_>>(&message)?.try_into()?;
    validate::append(&request, peer.sender())?;
    Ok(Some(request))
}
