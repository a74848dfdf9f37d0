//! Encodes responses and sends them.
//!
//! Small responses are queued for their request's stream, where one task sends all that are ready
//! together. A large response goes on its own stream, so it does not delay the others.

use std::sync::Arc;

use bytes::Bytes;
use coffee_common::{
    frame,
    limits::SHARED_FRAME_BYTES_MAX,
    protocol::{Leader, Rejection, Response, Welcome},
    quic::{Connection, FrameSender, Priority, StreamError},
};
use serde::Serialize;
use tokio::{sync::mpsc, time::timeout_at};

use crate::{
    metrics::ClientLimit,
    node::Node,
    service::{
        Service,
        clients::COMPLETE_WITHIN,
        held::{HeldResources, OutgoingResponse},
        session::AdmittedRequest,
    },
};

/// The most frames that are sent together, and that are queued. A client that stops reading gets
/// no more requests served (backpressure).
const FRAMES_MAX: usize = 256;

/// Answers the requests of one stream.
pub(super) struct Responder {
    service: Arc<Service>,
    connection: Connection,
    /// The version that the client speaks.
    version: u8,
    outbox: mpsc::Sender<QueuedFrame>,
}

/// One response, or several that are sent together.
pub(super) struct QueuedFrame {
    frame: Bytes,
    /// Held until the frame is sent.
    _held: HeldResources,
}

/// Small responses that are ready at the same time, and are sent together.
#[derive(Default)]
pub(super) struct ResponseGroup {
    frames: Vec<u8>,
    leader: Option<Leader>,
    held: HeldResources,
}

impl Responder {
    /// Returns a responder for a stream, and its queue for [`send_queued`].
    pub(super) fn new(
        service: Arc<Service>,
        connection: Connection,
        version: u8,
    ) -> (Self, mpsc::Receiver<QueuedFrame>) {
        let (outbox, queue) = mpsc::channel(FRAMES_MAX);
        (Self { service, connection, version, outbox }, queue)
    }

    pub(super) fn node(&self) -> &Node {
        &self.service.node
    }

    /// Counts a request, and queues its small response, or sends its large one. The request stays in
    /// flight until it is sent.
    ///
    /// A large response that the client has not received by its deadline is dropped. Its connection
    /// stays: over a slow link, other requests may still be answered in time.
    pub(super) async fn respond(&self, admitted: AdmittedRequest, response: OutgoingResponse) {
        let (id, deadline) = (admitted.id, admitted.deadline);
        let OutgoingResponse { result, charge } = response;
        let held = admitted.answered(&self.service, &result).with_charge(charge);
        let frame = encode(self.version, id, self.node().leader_hint().as_ref(), &result);
        drop(result);
        if frame.len() <= SHARED_FRAME_BYTES_MAX {
            return self.queue(frame, held).await;
        }
        match timeout_at(deadline, send_alone(&self.connection, frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "failed to send a large response"),
            Err(_) => self.node().metrics().client_limits.of(ClientLimit::ResponseTime).increment(),
        }
    }

    /// Queues a rejection of a request that was not admitted.
    pub(super) async fn reject(&self, id: u64, rejection: Rejection) {
        let frame = encode(self.version, id, self.node().leader_hint().as_ref(), &Err(rejection));
        self.queue(frame, HeldResources::default()).await;
    }

    /// Counts a request, and adds its small response to those that are sent together.
    pub(super) fn respond_together(
        &self,
        admitted: AdmittedRequest,
        group: &mut ResponseGroup,
        result: &Result<Response, Rejection>,
    ) {
        let id = admitted.id;
        if group.frames.is_empty() {
            group.leader = self.node().leader_hint();
        }
        let message = response(id, group.leader.as_ref(), result);
        if frame::append(self.version, &mut group.frames, &message).is_err() {
            group.frames.extend_from_slice(&encode(self.version, id, None, result));
        }
        group.held.merge(admitted.answered(&self.service, result));
    }

    /// Queues the responses of a group, and empties it.
    pub(super) async fn send_group(&self, group: &mut ResponseGroup) {
        let ResponseGroup { frames, held, .. } = std::mem::take(group);
        if !frames.is_empty() {
            self.queue(frames.into(), held).await;
        }
    }

    /// Queues a group if the queue has room now; otherwise it stays, and grows.
    pub(super) fn offer_group(&self, group: &mut ResponseGroup) {
        if group.frames.is_empty() {
            return;
        }
        if let Ok(place) = self.outbox.try_reserve() {
            let ResponseGroup { frames, held, .. } = std::mem::take(group);
            place.send(QueuedFrame { frame: frames.into(), _held: held });
        }
    }

    async fn queue(&self, frame: Bytes, held: HeldResources) {
        // Fails only if the stream is gone, and the client no longer waits on it.
        let _ = self.outbox.send(QueuedFrame { frame, _held: held }).await;
    }
}

/// Borrows a [`coffee_common::protocol::ServerMessage`].
#[derive(Serialize)]
enum ServerMessageRef<'a> {
    Welcome(&'a Welcome),
    Response(ResponseFrameRef<'a>),
}

/// Borrows a [`coffee_common::protocol::ResponseFrame`].
#[derive(Serialize)]
struct ResponseFrameRef<'a> {
    id: u64,
    leader: Option<&'a Leader>,
    result: &'a Result<Response, Rejection>,
}

/// Sends the first message of a connection, alone on its stream.
pub(super) async fn welcome(connection: &Connection, welcome: &Welcome) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Normal).await?;
    sender.send(frame::encode(&ServerMessageRef::Welcome(welcome))?).await?;
    sender.finish();
    Ok(())
}

fn response<'a>(
    id: u64,
    leader: Option<&'a Leader>,
    result: &'a Result<Response, Rejection>,
) -> ServerMessageRef<'a> {
    ServerMessageRef::Response(ResponseFrameRef { id, leader, result })
}

/// Encodes a response. One that does not fit a frame becomes [`Rejection::Unknown`].
pub(super) fn encode(
    version: u8,
    id: u64,
    leader: Option<&Leader>,
    result: &Result<Response, Rejection>,
) -> Bytes {
    frame::encode_as(version, &response(id, leader, result)).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to encode a response");
        let unknown = Err(Rejection::Unknown("the response does not fit a frame".to_owned()));
        frame::encode_as(version, &response(id, None, &unknown)).unwrap_or_default()
    })
}

/// Sends a frame on its own stream, and waits until the client has received it. The stream is reset
/// if this is dropped before.
async fn send_alone(connection: &Connection, frame: Bytes) -> Result<(), StreamError> {
    let mut sender = ResetOnDrop(connection.open_uni(Priority::Bulk).await?);
    sender.0.send(frame).await?;
    match sender.0.finish_and_wait().await {
        // It has the frame, or does not want it any more.
        Ok(()) | Err(StreamError::Stopped) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Drops what a stream has not sent when it is dropped.
struct ResetOnDrop(FrameSender);

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        // Without effect on a stream that was received.
        self.0.reset();
    }
}

/// The client does not read its responses.
pub(super) struct ResponsesUnread;

/// Sends queued frames until the responder is dropped, then ends the stream. A slow client keeps its
/// connection while it reads a frame every 30 s: all that is queued may take longer.
pub(super) async fn send_queued(
    mut sender: FrameSender,
    mut queue: mpsc::Receiver<QueuedFrame>,
) -> Result<(), ResponsesUnread> {
    let (mut queued, mut frames) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut queued, FRAMES_MAX).await > 0 {
        frames.extend(queued.iter_mut().map(|queued| std::mem::take(&mut queued.frame)));
        match sender.send_all_moving(&mut frames, COMPLETE_WITHIN).await {
            Ok(()) => {}
            Err(StreamError::Late) => return Err(ResponsesUnread),
            Err(error) => {
                tracing::debug!(%error, "failed to send responses");
                return Ok(());
            }
        }
        frames.clear();
        queued.clear();
    }
    sender.finish();
    Ok(())
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        protocol::{ResponseFrame, ServerMessage},
        protocol_versions::ProtocolVersions,
    };

    use super::*;

    #[test]
    fn answers_are_encoded_as_the_protocol_has_them() {
        let leader = Leader {
            name: "ming".parse().expect("legal"),
            address: "127.0.0.1:7400".parse().expect("legal"),
        };
        let results = [
            Ok(Response::Done { changed: true }),
            Err(Rejection::Refused { reason: "no".to_owned(), hint: "yes".to_owned() }),
        ];
        for result in results {
            for leader in [None, Some(leader.clone())] {
                let ours = encode(3, 7, leader.as_ref(), &result);
                let theirs = ServerMessage::Response(ResponseFrame { id: 7, leader, result: result.clone() });
                assert_eq!(ours, frame::encode_as(3, &theirs).expect("encodes"));
            }
        }
        let welcome = Welcome {
            node: leader.name.clone(),
            version: "1".to_owned(),
            cluster: None,
            applied: Default::default(),
            leader: Some(leader),
            lease_ms: 300,
            versions: ProtocolVersions::OWN,
            #[cfg(coffee_future)]
            future_note: 7,
        };
        let ours = frame::encode(&ServerMessageRef::Welcome(&welcome)).expect("encodes");
        assert_eq!(ours, frame::encode(&ServerMessage::Welcome(welcome)).expect("encodes"));
    }
}
