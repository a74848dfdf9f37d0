//! The sending side of appends: requests as they come, answers in the same order.

use std::time::Duration;

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender, Priority},
};
use futures_util::{Stream, StreamExt};
use openraft::{
    OptionalSend, RPCTypes,
    base::BoxStream,
    network::RPCOption,
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use tokio::{sync::mpsc, task::AbortHandle};

use super::{
    network::{Failure, Peer, encode, lost},
    wire::{Append, Appended, Purpose},
};
use crate::types::TypeConfig;

/// A session in which a request waits this long for its answer is broken off.
/// openraft's own bound for an RPC is about one heartbeat, far below what one
/// slow fsync takes, and would end the session each time; followers that are
/// alive are told by their heartbeats.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Requests that may be under way in one session.
const IN_FLIGHT_MAX: usize = 64;

type Answer = Result<StreamAppendResult<TypeConfig>, Failure>;

/// Runs one session of appends.
pub(super) async fn stream<'s, S>(
    peer: Peer,
    mut requests: S,
    option: RPCOption,
) -> Result<BoxStream<'s, Answer>, Failure>
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
{
    let Some(first) = requests.next().await else { return Ok(Box::pin(futures_util::stream::empty())) };
    let heartbeat = first.entries.is_empty();
    let priority = if heartbeat { Priority::Urgent } else { Priority::Normal };
    let opening = peer.open(Purpose::Append, priority);
    let (hello, mut sender, receiver) = match tokio::time::timeout(option.soft_ttl(), opening).await {
        Ok(opened) => opened?,
        Err(_) => return Err(peer.timed_out(RPCTypes::AppendEntries, option.soft_ttl())),
    };
    let opening = encode(&Append::from(&first))?;
    sender.send_all(&mut [hello, opening]).await.map_err(lost)?;
    let (sent, under_way) = mpsc::channel(IN_FLIGHT_MAX);
    sent.try_send(()).map_err(lost)?;
    let writer = tokio::spawn(write(requests, sender, heartbeat, sent)).abort_handle();
    let session = Session { peer, receiver, under_way, _writer: AbortOnDrop(writer), ended: false };
    Ok(Box::pin(futures_util::stream::unfold(session, Session::next)))
}

/// Writes requests until there are no more, the stream breaks, or the session is dropped.
async fn write<S>(mut requests: S, mut sender: FrameSender, mut urgent: bool, sent: mpsc::Sender<()>)
where
    S: Stream<Item = AppendEntriesRequest<TypeConfig>> + Unpin,
{
    while let Some(request) = requests.next().await {
        if urgent && !request.entries.is_empty() {
            urgent = false;
            sender.set_priority(Priority::Normal);
        }
        let Ok(frame) = encode(&Append::from(&request)) else { return };
        if sent.send(()).await.is_err() || sender.send(frame).await.is_err() {
            return;
        }
    }
    sender.finish();
}

struct Session {
    peer: Peer,
    receiver: FrameReceiver,
    /// One for each request that was written.
    under_way: mpsc::Receiver<()>,
    /// Ends with the session.
    _writer: AbortOnDrop,
    ended: bool,
}

impl Session {
    async fn next(mut self) -> Option<(Answer, Self)> {
        if self.ended {
            return None;
        }
        // No answer is waited for before its request is under way.
        self.under_way.recv().await?;
        let answer = self.receive().await;
        // openraft ends the session at the first answer that is no success.
        self.ended = !matches!(answer, Ok(Ok(_)));
        Some((answer, self))
    }

    async fn receive(&mut self) -> Answer {
        match tokio::time::timeout(ANSWER_WITHIN, self.receiver.receive()).await {
            Ok(Ok(Some(message))) => {
                self.peer.link.heard();
                frame::decode::<Appended>(&message).map(Into::into).map_err(lost)
            }
            Ok(Ok(None)) => Err(lost("the peer ended the session")),
            Ok(Err(error)) => Err(lost(error)),
            Err(_) => Err(self.peer.timed_out(RPCTypes::AppendEntries, ANSWER_WITHIN)),
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
