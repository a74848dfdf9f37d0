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
};
use openraft::{
    OptionalSend, RPCTypes,
    base::BoxStream,
    network::RPCOption,
    raft::{AppendEntriesRequest, StreamAppendResult},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    network::{BROKE_OFF, Failure, Peer, encode, lost},
    wire::{Append, Appended, Purpose},
};
use crate::types::TypeConfig;

/// A session in which no answer comes for this long, though one is due, is
/// broken off.
///
/// openraft's own bound is less than one heartbeat: one slow fsync would end
/// the session each time, and all that is under way would go again. Nothing
/// hangs on noticing early: a follower that is gone is told by its link within
/// half a second, and one that is alive gets the largest request in this time
/// over a line of 1 Mbit/s.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

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
    let Some(first) = requests.next().await else { return Ok(Box::pin(futures_util::stream::empty())) };
    let deadline = Instant::now() + option.soft_ttl();
    let (hello, sender, receiver) = peer.open(Purpose::Append, priority(&first), deadline).await?;
    let (sent, under_way) = mpsc::channel(IN_FLIGHT_MAX);
    let writer: Writer = Box::pin(write(hello, first, requests, sender, sent));
    let session = Session { peer, receiver, under_way, writer: writer.fuse(), ended: false };
    Ok(Box::pin(futures_util::stream::unfold(session, Session::next)))
}

/// What carries no entries is a heartbeat, or as small as one: it goes first.
fn priority(request: &Request) -> Priority {
    if request.entries.is_empty() { Priority::Urgent } else { Priority::Normal }
}

/// Writes requests until there are no more, or the stream breaks: then what
/// is under way finds no answer.
async fn write<S>(hello: Bytes, first: Request, mut rest: S, mut sender: FrameSender, sent: mpsc::Sender<()>)
where
    S: Stream<Item = Request> + Unpin,
{
    let mut frames = vec![hello];
    let mut urgent = priority(&first) == Priority::Urgent;
    let mut next = Some(first);
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
        next = rest.next().await;
    }
    sender.finish();
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
