//! The sending side of snapshots: chunks on their own stream, at the lowest priority.
//!
//! Memory is bounded: one chunk at a time, at the receiver's pace. A transfer may take any time as
//! long as the receiver makes progress. However it ends, it then releases its pin on the state
//! file.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame::{self, FrameError},
    protocol::NodeEventKind,
    quic::{FrameReceiver, FrameSender, Priority},
};
use openraft::{
    RPCTypes,
    errors::{RPCError, ReplicationClosed, StreamingError},
    raft::SnapshotResponse,
};
use tokio::time::{Instant, timeout_at};

use super::{
    bounds::vote_in_response,
    session::{Peer, RpcFailure, STREAM_ENDED, encode, failed, unreachable},
    wire::{Purpose, SnapshotProgress},
};
use crate::{
    raft_types::{TypeConfig, Vote},
    storage::{
        record::VoteRecord,
        snapshot::{Chunks, Snapshot, SnapshotData},
    },
};

/// The interval at which both ends log the progress of a transfer.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The longest reason of a receiver that is logged, in bytes.
const REASON_BYTES_MAX: usize = 300;

/// How long the receiver may take to make all rows durable and to install them.
const FINISH_MAX: Duration = Duration::from_secs(1_800);

/// Sends a snapshot, and waits until it is installed. Gives up after `idle` without progress.
pub(super) async fn send(
    peer: &Peer,
    vote: Vote,
    snapshot: Snapshot,
    cancel: impl Future<Output = ReplicationClosed>,
    idle: Duration,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let SnapshotData::Source(source) = snapshot.snapshot else {
        return Err(streaming(failed("a received snapshot cannot be sent on")));
    };
    let (rows, _claim) = (source.rows(), source.claim());
    let last = snapshot.meta.last_log_id.map_or(0, |last| last.index);
    tracing::info!(%peer, rows, last, "sending a snapshot");
    let began = Instant::now();
    let transfer = SnapshotTransfer { peer, rows, idle, term: vote.leader_id().term };
    tokio::select! {
        closed = cancel => {
            tracing::info!(%peer, "snapshot transfer cancelled");
            Err(StreamingError::Closed(closed))
        }
        response = transfer.run(&vote, source.chunks()) => {
            let vote = response.map_err(streaming)?;
            let took_ms = began.elapsed().as_millis();
            tracing::info!(%peer, rows, took_ms, "snapshot sent and installed");
            let text = format!("{peer} has installed a snapshot of {rows} rows, after {took_ms} ms");
            peer.record(NodeEventKind::Snapshot, &text);
            Ok(SnapshotResponse::new(vote))
        }
    }
}

struct SnapshotTransfer<'a> {
    peer: &'a Peer,
    rows: u64,
    idle: Duration,
    /// The term in which this node leads.
    term: u64,
}

impl SnapshotTransfer<'_> {
    async fn run(&self, vote: &Vote, chunks: Chunks) -> Result<Vote, RpcFailure> {
        let deadline = Instant::now() + self.idle;
        let (hello, mut sender, mut receiver) =
            self.peer.open(Purpose::Snapshot, Priority::Background, deadline).await?;
        let version = self.peer.version()?;
        let opening = [hello, encode(version, &VoteRecord::from(vote))?];
        let mut sending = std::pin::pin!(write(&mut sender, version, opening, chunks));
        let mut response = std::pin::pin!(self.response(&mut receiver));
        // The receiver may reject the snapshot, or have it already, long before the last chunk.
        tokio::select! {
            biased;
            response = &mut response => response,
            sent = &mut sending => match sent {
                Ok(()) => response.await,
                // The receiver stops reading once it has answered, and its response says more.
                Err(error) => response.await.map_err(|_| error),
            },
        }
    }

    /// Waits for the final response as long as the receiver makes progress.
    async fn response(&self, receiver: &mut FrameReceiver) -> Result<Vote, RpcFailure> {
        let mut patience = Patience::new(self.idle, Instant::now());
        let mut reported = Instant::now();
        loop {
            let received = timeout_at(patience.deadline(), receiver.receive()).await;
            let received = received.map_err(|_| self.peer.timed_out(RPCTypes::InstallSnapshot, self.idle))?;
            let message = received.map_err(failed)?.ok_or_else(|| failed(STREAM_ENDED))?;
            let progress = match frame::decode(&message) {
                // A newer receiver reports more. Only rows are progress.
                Err(FrameError::Unknown(_)) => continue,
                progress => progress.map_err(failed)?,
            };
            match progress {
                SnapshotProgress::Taken { rows } => patience.taken(rows, Instant::now()),
                SnapshotProgress::Finishing => patience.finishing(Instant::now()),
                SnapshotProgress::Done(vote) => return vote_in_response(vote, self.term),
                SnapshotProgress::Refused(mut reason) => {
                    reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                    // An immediate retry would fail too, so openraft backs off.
                    return Err(unreachable(format!("the peer rejected the snapshot: {reason}")));
                }
            }
            if reported.elapsed() > REPORT_INTERVAL {
                reported = Instant::now();
                tracing::info!(peer = %self.peer, taken = patience.taken, of = self.rows, "snapshot transfer in progress");
            }
        }
    }
}

/// How long the sender waits for the receiver.
#[derive(Debug)]
struct Patience {
    /// The longest time without progress.
    idle: Duration,
    /// The rows that the receiver has.
    taken: u64,
    progressed: Instant,
    /// Since when the receiver has all rows.
    finishing: Option<Instant>,
}

impl Patience {
    fn new(idle: Duration, now: Instant) -> Self {
        Self { idle, taken: 0, progressed: now, finishing: None }
    }

    fn taken(&mut self, rows: u64, now: Instant) {
        if rows > self.taken {
            (self.taken, self.progressed) = (rows, now);
        }
    }

    /// The last step makes everything durable at once, which a slow disk may not do within the
    /// idle time; beginning again would not help. A sign of life counts, for a bounded time.
    fn finishing(&mut self, now: Instant) {
        let since = *self.finishing.get_or_insert(now);
        if now < since + FINISH_MAX {
            self.progressed = now;
        }
    }

    fn deadline(&self) -> Instant {
        self.progressed + self.idle
    }
}

async fn write(
    sender: &mut FrameSender,
    version: u8,
    mut opening: [Bytes; 2],
    chunks: Chunks,
) -> Result<(), RpcFailure> {
    sender.send_all(&mut opening).await.map_err(failed)?;
    for chunk in chunks {
        let frame = frame::encode_raw_as(version, &chunk.map_err(failed)?).map_err(failed)?;
        sender.send(frame).await.map_err(failed)?;
    }
    sender.finish();
    Ok(())
}

fn streaming(failure: RpcFailure) -> StreamingError<TypeConfig> {
    match failure {
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::RemoteError(error) => match error.source {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_take_long_to_finish_but_not_for_ever() {
        let began = Instant::now();
        let (idle, second) = (Duration::from_secs(120), Duration::from_secs(1));
        let mut patience = Patience::new(idle, began);
        patience.taken(300, began + 10 * second);
        patience.taken(300, began + 100 * second);
        assert_eq!(patience.deadline(), began + 130 * second, "only new rows are progress");
        patience.finishing(began + 110 * second);
        patience.finishing(began + 400 * second);
        assert_eq!(patience.deadline(), began + 520 * second);
        patience.finishing(began + 110 * second + FINISH_MAX);
        assert_eq!(patience.deadline(), began + 520 * second, "it hangs");
    }
}
