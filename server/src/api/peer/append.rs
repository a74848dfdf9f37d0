//! The sending side of appends: requests as they come, responses in the same order.
//!
//! One stream per session, and nothing outlives the session: one task writes requests while it
//! waits for responses.

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
    raft::{StreamAppendError, StreamAppendResult},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

use super::{
    bounds::{entry_in_response, vote_in_response},
    session::{Peer, RpcFailure, STREAM_ENDED, encode, failed},
    wire::{AppendRequest, AppendResponse, Purpose, RaftAppendRequest},
};
use crate::raft_types::TypeConfig;

/// A session ends if a due response does not arrive within this time.
///
/// openraft's own bound is shorter than a heartbeat interval: each slow fsync would end the session
/// and resend everything in flight. Noticing late costs nothing: the link detects an unreachable
/// follower within half a second, and a line of 1 Mbit/s carries the largest request in this time.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request that carries only a commit index waits for entries to be sent with. It delays
/// no response: a read on a follower asks the leader for the read index and receives the commit
/// index with it.
const COMMIT_DELAY: Duration = Duration::from_millis(2);

/// The most requests in flight per session.
pub(super) const IN_FLIGHT_MAX: usize = 64;

pub(super) type AppendResult = Result<StreamAppendResult<TypeConfig>, RpcFailure>;

/// Runs one session of appends.
pub(super) async fn stream<'s, S>(
    peer: Peer,
    mut requests: S,
    option: RPCOption,
) -> Result<BoxStream<'s, AppendResult>, RpcFailure>
where
    S: Stream<Item = RaftAppendRequest> + OptionalSend + Unpin + 'static,
{
    let Some(first) = requests.next().await else { return Ok(Box::pin(stream::empty())) };
    let deadline = Instant::now() + option.soft_ttl();
    let (hello, sender, receiver) = peer.open(Purpose::Append, priority(&first), deadline).await?;
    let (sent, in_flight) = mpsc::channel(IN_FLIGHT_MAX);
    let term = first.vote.leader_id().term;
    let version = peer.version()?;
    let writer: AppendWriter = Box::pin(write(hello, version, first, requests, sender, sent));
    let session = AppendSession { peer, term, receiver, in_flight, writer: writer.fuse(), ended: false };
    Ok(Box::pin(stream::unfold(session, AppendSession::next)))
}

/// Returns the priority of a request. One without entries is a heartbeat, or as small as one.
fn priority(request: &RaftAppendRequest) -> Priority {
    if request.entries.is_empty() { Priority::Urgent } else { Priority::Normal }
}

/// Writes requests until there are no more or the stream fails. Requests in flight then get no
/// response.
async fn write<S>(
    hello: Bytes,
    version: u8,
    first: RaftAppendRequest,
    rest: S,
    mut sender: FrameSender,
    sent: mpsc::Sender<u64>,
) where
    S: Stream<Item = RaftAppendRequest> + Unpin,
{
    let mut frames = vec![hello];
    let mut urgent = priority(&first) == Priority::Urgent;
    let mut next = Some(first);
    let mut rest = rest.fuse();
    while let Some(request) = next {
        match encode(version, &AppendRequest::from(&request)) {
            Ok(frame) => frames.push(frame),
            // The limits of a command and of a request make sure that it fits a frame.
            Err(error) => return tracing::error!(%error, "failed to encode entries"),
        }
        // For the rest of the session: queued data is sent at the stream's current priority, so a
        // small request must not raise that of the large ones queued before it.
        if urgent && priority(&request) != Priority::Urgent {
            urgent = false;
            sender.set_priority(Priority::Normal);
        }
        if sent.send(last_index(&request)).await.is_err() || sender.send_all(&mut frames).await.is_err() {
            return;
        }
        frames.clear();
        next = following(&mut rest).await;
    }
    sender.finish();
}

/// The index of the last entry that the receiver has after a request; 0 if there is none.
fn last_index(request: &RaftAppendRequest) -> u64 {
    let entries = request.entries.last().map(|entry| entry.log_id.index);
    entries.or(request.prev_log_id.map(|id| id.index)).unwrap_or_default()
}

/// Returns the next request. One that carries only a commit index waits briefly, and is dropped in
/// favour of the next request, which carries a commit index too.
async fn following<S>(rest: &mut stream::Fuse<S>) -> Option<RaftAppendRequest>
where
    S: Stream<Item = RaftAppendRequest> + Unpin,
{
    let mut next = rest.next().await?;
    let until = Instant::now() + COMMIT_DELAY;
    while next.entries.is_empty() {
        match timeout_at(until, rest.next()).await {
            Ok(Some(later)) => next = later,
            Ok(None) | Err(_) => break,
        }
    }
    Some(next)
}

type AppendWriter = Pin<Box<dyn Future<Output = ()> + Send>>;

struct AppendSession {
    peer: Peer,
    /// The term in which this node leads.
    term: u64,
    receiver: FrameReceiver,
    /// The last index of each written request.
    in_flight: mpsc::Receiver<u64>,
    writer: Fuse<AppendWriter>,
    ended: bool,
}

impl AppendSession {
    async fn next(mut self) -> Option<(AppendResult, Self)> {
        if self.ended {
            return None;
        }
        let response = self.response().await?;
        // openraft ends the session at the first response that is not a success.
        self.ended = !matches!(response, Ok(Ok(_)));
        Some((response, self))
    }

    /// Waits for the next response while requests are written. Returns `None` after the last one.
    async fn response(&mut self) -> Option<AppendResult> {
        let Self { peer, term, receiver, in_flight, writer, .. } = self;
        let mut response = std::pin::pin!(async {
            let last = in_flight.recv().await?;
            Some(receive(peer, receiver).await.and_then(|response| believed(response, *term, last)))
        });
        loop {
            tokio::select! {
                response = &mut response => return response,
                () = &mut *writer, if !writer.is_terminated() => {}
            }
        }
    }
}

/// Checks the response to a request of this term that ended with the entry at index `last`.
fn believed(response: AppendResponse, term: u64, last: u64) -> AppendResult {
    Ok(match response {
        AppendResponse::Upto(upto) => Ok(upto.map(|entry| entry_in_response(entry, last)).transpose()?),
        AppendResponse::Conflict(at) => Err(StreamAppendError::Conflict(entry_in_response(at, last)?)),
        AppendResponse::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_in_response(vote, term)?)),
    })
}

async fn receive(peer: &Peer, receiver: &mut FrameReceiver) -> Result<AppendResponse, RpcFailure> {
    match timeout(RESPONSE_TIMEOUT, receiver.receive()).await {
        Ok(Ok(Some(message))) => frame::decode(&message).map_err(failed),
        Ok(Ok(None)) => Err(failed(STREAM_ENDED)),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(peer.timed_out(RPCTypes::AppendEntries, RESPONSE_TIMEOUT)),
    }
}
