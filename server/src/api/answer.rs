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

/// Small answers on their way to the stream of their question.
pub(super) type Outbox = mpsc::UnboundedSender<Bytes>;

/// As many answers are sent at once.
const BATCH_MAX: usize = 256;

/// As [`coffee_common::protocol::Answer`], without owning what it sends.
#[derive(Serialize)]
enum AnswerRef<'a> {
    Welcome(&'a Welcome),
    Reply(ReplyRef<'a>),
}

/// As [`coffee_common::protocol::Reply`].
#[derive(Serialize)]
struct ReplyRef<'a> {
    id: u64,
    leader: Option<&'a Leader>,
    result: &'a Result<Response, Rejection>,
}

/// The node's first word, alone on a stream.
pub(super) async fn welcome(connection: &Connection, welcome: &Welcome) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Normal).await?;
    sender.send(frame::encode(&AnswerRef::Welcome(welcome))?).await?;
    sender.finish();
    Ok(())
}

/// Sends an answer.
pub(super) async fn reply(
    connection: &Connection,
    outbox: &Outbox,
    id: u64,
    leader: Option<&Leader>,
    result: &Result<Response, Rejection>,
) {
    let frame = encode(id, leader, result);
    if frame.len() <= SHARED_FRAME_BYTES_MAX {
        // Fails only where the stream is gone, and with it whoever asked.
        let _ = outbox.send(frame);
    } else if let Err(error) = alone(connection, frame).await {
        tracing::debug!(%error, "a large answer could not be sent");
    }
}

fn encode(id: u64, leader: Option<&Leader>, result: &Result<Response, Rejection>) -> Bytes {
    frame::encode(&AnswerRef::Reply(ReplyRef { id, leader, result })).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be encoded");
        let result = &Err(Rejection::Unknown("the answer does not fit a frame".to_owned()));
        frame::encode(&AnswerRef::Reply(ReplyRef { id, leader: None, result })).unwrap_or_default()
    })
}

async fn alone(connection: &Connection, frame: Bytes) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Bulk).await?;
    sender.send(frame).await?;
    sender.finish();
    Ok(())
}

/// Sends queued answers until nobody can queue any more, then ends the stream.
pub(super) async fn send(mut sender: FrameSender, mut queued: mpsc::UnboundedReceiver<Bytes>) {
    let mut frames = Vec::new();
    while queued.recv_many(&mut frames, BATCH_MAX).await > 0 {
        if let Err(error) = sender.send_all(&mut frames).await {
            tracing::debug!(%error, "answers could not be sent");
            return;
        }
        frames.clear();
    }
    sender.finish();
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{Answer, Reply};

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
                let theirs = Answer::Reply(Reply { id: 7, leader, result: result.clone() });
                assert_eq!(ours, frame::encode(&theirs).expect("encodes"));
            }
        }
        let welcome = Welcome {
            node: leader.name.clone(),
            version: "1".to_owned(),
            cluster: None,
            applied: Default::default(),
            leader: Some(leader),
        };
        let ours = frame::encode(&AnswerRef::Welcome(&welcome)).expect("encodes");
        assert_eq!(ours, frame::encode(&Answer::Welcome(welcome)).expect("encodes"));
    }
}
