//! The sending side of appends: requests as they come, answers in the same order.
//!
//! One stream a session. Nothing of it outlives the session: writing goes on
//! while an answer is waited for, in the same task.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender, Priority},
};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{Fuse, FusedFuture},
    stream,
};
use openraft::{
    OptionalSend, RPCTypes,
    base::BoxStream,
    network::RPCOption,
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::{
    network::{BROKE_OFF, Failure, Peer, encode, lost},
    wire::{Append, Appended, Purpose},
};
use crate::raft_types::TypeConfig;

/// A session in which no answer comes for this long, though one is due, is
/// broken off.
///
/// openraft's own bound is less than one heartbeat: one slow fsync would end
/// the session each time, and all that is under way would go again. Nothing
/// hangs on noticing early: a follower that is gone is told by its link within
/// half a second, and one that is alive gets the largest request in this time
/// over a line of 1 Mbit/s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// So long the word that entries are committed waits for more entries to go
/// with. Nobody's answer waits for it: a read at a follower asks the leader how
/// far it has to be, and what it is told then comes at once.
const COMMIT_WAITS: Duration = Duration::from_millis(2);

/// Requests that may be under way in one session.
const IN_FLIGHT_MAX: usize = 64;

type Request = AppendEntriesRequest<TypeConfig>;
type Answer = Result<StreamAppendResult<TypeConfig>, Failure>;

/// Runs one session of appends.
pub(super) async fn stream<'s, S>(
    peer: Peer,
    mut requests: S,
    option: RPCOption,
) -> Result<BoxStream<'s, Answer>, Failure>
where
    S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
{
    let Some(first) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let deadline = Instant::now() + option.soft_ttl();
    let (hello, sender, receiver) = peer.open(Purpose::Append, priority(&first), deadline).await?;
    let (sent, under_way) = mpsc::channel(IN_FLIGHT_MAX);
    let writer: Writer = Box::pin(write(hello, first, requests, sender, sent));
    let session = Session { peer, receiver, under_way, writer: writer.fuse(), ended: false };
    Ok(Box::pin(stream::unfold(session, Session::next)))
}

/// What carries no entries is a heartbeat, or as small as one: it goes first.
fn priority(request: &Request) -> Priority {
    if request.entries.is_empty() { Priority::Urgent } else { Priority::Normal }
}

/// Writes requests until there are no more, or the stream breaks: then what
/// is under way finds no answer.
async fn write<S>(hello: Bytes, first: Request, rest: S, mut sender: FrameSender, sent: mpsc::Sender<()>)
where
    S: Stream<Item = Request> + Unpin,
{
    let mut frames = vec![hello];
    let mut urgent = priority(&first) == Priority::Urgent;
    let mut next = Some(first);
    let mut rest = rest.fuse();
    while let Some(request) = next {
        match encode(&Append::from(&request)) {
            Ok(frame) => frames.push(frame),
            // The limits of a command and of a request see to it that it fits a frame.
            Err(error) => return tracing::error!(%error, "entries cannot be sent"),
        }
        // For good: what is queued goes at the priority of the moment, so a
        // small request behind large ones must not lift those.
        if urgent && priority(&request) != Priority::Urgent {
            urgent = false;
            sender.set_priority(Priority::Normal);
        }
        if sent.send(()).await.is_err() || sender.send_all(&mut frames).await.is_err() {
            return;
        }
        frames.clear();
        next = following(&mut rest).await;
    }
    sender.finish();
}

/// The next request. One that only tells how far the log is committed waits
/// for a moment, and gives way to the one behind it, which tells it as well.
async fn following<S>(rest: &mut stream::Fuse<S>) -> Option<Request>
where
    S: Stream<Item = Request> + Unpin,
{
    let mut next = rest.next().await?;
    let until = Instant::now() + COMMIT_WAITS;
    while next.entries.is_empty() {
        match timeout_at(until, rest.next()).await {
            Ok(Some(later)) => next = later,
            Ok(None) | Err(_) => break,
        }
    }
    Some(next)
}

type Writer = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Session {
    peer: Peer,
    receiver: FrameReceiver,
    /// One for each request that is written.
    under_way: mpsc::Receiver<()>,
    writer: Fuse<Writer>,
    ended: bool,
}

impl Session {
    async fn next(mut self) -> Option<(Answer, Self)> {
        if self.ended {
            return None;
        }
        let answer = self.answer().await?;
        // openraft ends the session at the first answer that is no success.
        self.ended = !matches!(answer, Ok(Ok(_)));
        Some((answer, self))
    }

    /// The next answer, while writing goes on; `None` behind the last one.
    async fn answer(&mut self) -> Option<Answer> {
        let Self { peer, receiver, under_way, writer, .. } = self;
        let mut answer = std::pin::pin!(async {
            under_way.recv().await?;
            Some(receive(peer, receiver).await)
        });
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                () = &mut *writer, if !writer.is_terminated() => {}
            }
        }
    }
}

async fn receive(peer: &Peer, receiver: &mut FrameReceiver) -> Answer {
    match timeout(ANSWER_WITHIN, receiver.receive()).await {
        Ok(Ok(Some(message))) => frame::decode::<Appended>(&message).map(Into::into).map_err(lost),
        Ok(Ok(None)) => Err(lost(BROKE_OFF)),
        Ok(Err(error)) => Err(lost(error)),
        Err(_) => Err(peer.timed_out(RPCTypes::AppendEntries, ANSWER_WITHIN)),
    }
}
