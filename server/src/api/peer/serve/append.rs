//! The receiving side of appends.

use std::sync::Arc;

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{FRAME_TIMEOUT, PeerContext, ServeError, StreamPeer, leader_log::Admission, validate};
use crate::api::peer::{
    append::IN_FLIGHT_MAX,
    wire::{AppendRequest, AppendResponse, RaftAppendRequest},
};

/// The most responses that are sent together if they are ready at the same time.
const RESPONSES_MAX: usize = 64;

/// Passes requests to Raft as they come, and its responses back in order.
pub(super) async fn serve(
    peer: Arc<StreamPeer>,
    mut sender: FrameSender,
    receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let (failed, mut failure) = oneshot::channel();
    let (begin, mut in_flight) = mpsc::channel(IN_FLIGHT_MAX);
    // openraft reads the requests on a task of its own, which ends only with them.
    let requests = requests(Arc::clone(&peer), receiver, failed, begin).take_until(sender.stopped());
    let responses = peer.context.raft.stream_append(requests).fuse();
    let mut responses = std::pin::pin!(responses);
    let mut frames = Vec::new();
    while let Some(first) = responses.next().await {
        let mut ready = Some(first);
        while let Some(response) = ready {
            // Each request has sent one before.
            let _ = in_flight.try_recv();
            let response = response.map_err(|fatal| ServeError::Stopped(fatal.to_string()))?;
            frames.push(frame::encode_as(peer.version, &AppendResponse::from(response))?);
            let is_full = frames.len() >= RESPONSES_MAX;
            ready = if is_full { None } else { responses.next().now_or_never().flatten() };
        }
        sender.send_all(&mut frames).await?;
        frames.clear();
    }
    sender.finish();
    failure.try_recv().map_or(Ok(()), Err)
}

/// Returns the requests of a stream. Ends at the stream's end or the first invalid message.
///
/// openraft passes a request on before it asks for the next one, unless it waits for responses: so
/// only as many are `in_flight` as it keeps, and the admission of one ends with the next.
fn requests(
    peer: Arc<StreamPeer>,
    receiver: FrameReceiver,
    failed: oneshot::Sender<ServeError>,
    in_flight: mpsc::Sender<()>,
) -> impl Stream<Item = RaftAppendRequest> + Send + 'static {
    let state = (receiver, peer, failed, in_flight, None::<Admission>);
    futures_util::stream::unfold(state, |(mut receiver, peer, failed, in_flight, admission)| async move {
        drop(admission);
        match next(&mut receiver, &peer, &in_flight).await {
            Ok(admitted) => {
                let (request, admission) = admitted?;
                peer.context.last_contact.note(peer.id);
                Some((request, (receiver, peer, failed, in_flight, Some(admission))))
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
    in_flight: &mpsc::Sender<()>,
) -> Result<Option<(RaftAppendRequest, Admission)>, ServeError> {
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
    // Fails once the responses have ended.
    in_flight.send(()).await.map_err(|_| ServeError::EndedEarly)?;
    let PeerContext { raft, leader_log, .. } = &peer.context;
    Ok(Some(leader_log.admit(raft, request).await?))
}
