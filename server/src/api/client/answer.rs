//! Encodes answers, and sends each the way it has to go.
//!
//! Small ones are queued for the stream that the question came on, where one
//! task sends all that are there at once; a large one goes alone on a stream
//! of its own, so that it delays nobody.

use bytes::Bytes;
use coffee_common::{
    frame,
    limits::SHARED_FRAME_BYTES_MAX,
    protocol::{Leader, Rejection, Response, Welcome},
    quic::{Connection, FrameSender, Priority, StreamError},
};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{connection::Shared, gate::Pass, read::Share};

/// Small answers on their way to the stream of their question.
pub(super) type Outbox = mpsc::Sender<Queued>;

/// An answer on its way, or several in one piece, in flight until they are sent.
pub(super) struct Queued {
    frame: Bytes,
    _pass: Option<Pass>,
}

/// As many answers or pieces are sent at once, and as many wait at most. Whoever does
/// not read his answers is not heard further.
const BATCH_MAX: usize = 256;

/// Where answers are queued, and where they come out.
pub(super) fn outbox() -> (Outbox, mpsc::Receiver<Queued>) {
    mpsc::channel(BATCH_MAX)
}

/// Answers that are sent together, as one piece.
#[derive(Default)]
pub(super) struct Together {
    frames: Vec<u8>,
    leader: Option<Leader>,
}

impl Together {
    /// Adds a small answer.
    pub(super) fn add(&mut self, shared: &Shared, id: u64, result: &Result<Response, Rejection>) {
        if self.frames.is_empty() {
            self.leader = shared.api.0.node.leader_hint();
        }
        let reply = ServerMessageRef::Response(ResponseFrameRef { id, leader: self.leader.as_ref(), result });
        if frame::append(&mut self.frames, &reply).is_err() {
            self.frames.extend_from_slice(&encode(id, None, result));
        }
    }

    /// Queues them; `pass` is kept until they are sent.
    pub(super) async fn send(&mut self, outbox: &Outbox, pass: &Pass) {
        if !self.frames.is_empty() {
            let frame = std::mem::take(&mut self.frames).into();
            // Fails only where the stream is gone, and with it whoever asked.
            let _ = outbox.send(Queued { frame, _pass: Some(pass.share()) }).await;
        }
    }
}

/// As [`coffee_common::protocol::ServerMessage`], without owning what it sends.
#[derive(Serialize)]
enum ServerMessageRef<'a> {
    Welcome(&'a Welcome),
    Response(ResponseFrameRef<'a>),
}

/// As [`coffee_common::protocol::ResponseFrame`].
#[derive(Serialize)]
struct ResponseFrameRef<'a> {
    id: u64,
    leader: Option<&'a Leader>,
    result: &'a Result<Response, Rejection>,
}

/// The node's first word, alone on a stream.
pub(super) async fn welcome(connection: &Connection, welcome: &Welcome) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Normal).await?;
    sender.send(frame::encode(&ServerMessageRef::Welcome(welcome))?).await?;
    sender.finish();
    Ok(())
}

/// What is answered.
pub(super) struct Reply {
    pub(super) result: Result<Response, Rejection>,
    /// Its share of what may be in flight: kept until it is on its way.
    pub(super) share: Option<Share>,
}

impl From<Result<Response, Rejection>> for Reply {
    fn from(result: Result<Response, Rejection>) -> Self {
        Self { result, share: None }
    }
}

/// Sends an answer to what came in with `pass`.
pub(super) async fn reply(shared: &Shared, outbox: &Outbox, id: u64, reply: Reply, pass: Option<Pass>) {
    let Reply { result, share } = reply;
    let leader = shared.api.0.node.leader_hint();
    let frame = encode(id, leader.as_ref(), &result);
    drop(result);
    if frame.len() <= SHARED_FRAME_BYTES_MAX {
        // Fails only where the stream is gone, and with it whoever asked.
        let _ = outbox.send(Queued { frame, _pass: pass }).await;
    } else if let Err(error) = alone(&shared.connection, frame).await {
        tracing::debug!(%error, "a large answer could not be sent");
    }
    drop(share);
}

pub(super) fn encode(id: u64, leader: Option<&Leader>, result: &Result<Response, Rejection>) -> Bytes {
    frame::encode(&ServerMessageRef::Response(ResponseFrameRef { id, leader, result })).unwrap_or_else(
        |error| {
            tracing::error!(%error, "an answer could not be encoded");
            let result = &Err(Rejection::Unknown("the answer does not fit a frame".to_owned()));
            frame::encode(&ServerMessageRef::Response(ResponseFrameRef { id, leader: None, result }))
                .unwrap_or_default()
        },
    )
}

async fn alone(connection: &Connection, frame: Bytes) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Bulk).await?;
    sender.send(frame).await?;
    sender.finish();
    Ok(())
}

/// Sends queued answers until nobody can queue any more, then ends the stream.
pub(super) async fn send(mut sender: FrameSender, mut outbox: mpsc::Receiver<Queued>) {
    let (mut queued, mut frames) = (Vec::new(), Vec::new());
    while outbox.recv_many(&mut queued, BATCH_MAX).await > 0 {
        frames.extend(queued.iter_mut().map(|queued| std::mem::take(&mut queued.frame)));
        if let Err(error) = sender.send_all(&mut frames).await {
            tracing::debug!(%error, "answers could not be sent");
            return;
        }
        frames.clear();
        queued.clear();
    }
    sender.finish();
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{ResponseFrame, ServerMessage};

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
                let ours = encode(7, leader.as_ref(), &result);
                let theirs = ServerMessage::Response(ResponseFrame { id: 7, leader, result: result.clone() });
                assert_eq!(ours, frame::encode(&theirs).expect("encodes"));
            }
        }
        let welcome = Welcome {
            node: leader.name.clone(),
            version: "1".to_owned(),
            cluster: None,
            applied: Default::default(),
            leader: Some(leader),
            lease_ms: 300,
        };
        let ours = frame::encode(&ServerMessageRef::Welcome(&welcome)).expect("encodes");
        assert_eq!(ours, frame::encode(&ServerMessage::Welcome(welcome)).expect("encodes"));
    }
}
