//! The sending side of snapshots: chunks on a stream of their own, behind all else.
//!
//! In bounded memory: one chunk at a time, at the pace of the receiver. What
//! counts is progress: as long as the receiver takes in rows, a transfer may
//! take any time. What it pins of the state's file is let go when it ends,
//! however it ends.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender, Priority},
};
use openraft::{
    RPCTypes,
    errors::{RPCError, ReplicationClosed, StreamingError},
    raft::SnapshotResponse,
};
use tokio::time::{Instant, timeout_at};

use super::{
    network::{BROKE_OFF, Failure, Peer, encode, lost, unreachable},
    wire::{Purpose, SnapshotProgress},
};
use crate::{
    raft_types::{TypeConfig, Vote},
    storage::{
        record::VoteRecord,
        snapshot::{Chunks, Snapshot, SnapshotData},
    },
};

/// How often a transfer is mentioned in the log, at both ends.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Sends a snapshot, and waits until it is installed. Gives up after `idle`
/// without progress.
pub(super) async fn send(
    peer: &Peer,
    vote: Vote,
    snapshot: Snapshot,
    cancel: impl Future<Output = ReplicationClosed>,
    idle: Duration,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let SnapshotData::Source(source) = snapshot.snapshot else {
        return Err(streaming(lost("a received snapshot cannot be sent on")));
    };
    let (rows, _claim) = (source.rows(), source.claim());
    let last = snapshot.meta.last_log_id.map_or(0, |last| last.index);
    tracing::info!(%peer, rows, last, "sending a snapshot");
    let began = Instant::now();
    let transfer = Transfer { peer, rows, idle };
    tokio::select! {
        closed = cancel => {
            tracing::info!(%peer, "sending a snapshot is no longer wanted");
            Err(StreamingError::Closed(closed))
        }
        answer = transfer.run(&vote, source.chunks()) => {
            let vote = answer.map_err(streaming)?;
            tracing::info!(%peer, rows, took_ms = began.elapsed().as_millis(), "a snapshot is with the peer");
            Ok(SnapshotResponse::new(vote))
        }
    }
}

struct Transfer<'a> {
    peer: &'a Peer,
    rows: u64,
    idle: Duration,
}

impl Transfer<'_> {
    async fn run(&self, vote: &Vote, chunks: Chunks) -> Result<Vote, Failure> {
        let deadline = Instant::now() + self.idle;
        let (hello, mut sender, mut receiver) =
            self.peer.open(Purpose::Snapshot, Priority::Background, deadline).await?;
        let opening = [hello, encode(&VoteRecord::from(vote))?];
        let mut sending = std::pin::pin!(write(&mut sender, opening, chunks));
        let mut answer = std::pin::pin!(self.answer(&mut receiver));
        // The receiver may refuse, or have it already, long before the last chunk.
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            sent = &mut sending => match sent {
                Ok(()) => answer.await,
                // The receiver stops reading when it has answered: that says more.
                Err(error) => answer.await.map_err(|_| error),
            },
        }
    }

    /// The answer, for as long as there is progress.
    async fn answer(&self, receiver: &mut FrameReceiver) -> Result<Vote, Failure> {
        let (mut taken, mut progressed, mut reported) = (0, Instant::now(), Instant::now());
        loop {
            let received = timeout_at(progressed + self.idle, receiver.receive()).await;
            let received = received.map_err(|_| self.peer.timed_out(RPCTypes::InstallSnapshot, self.idle))?;
            let message = received.map_err(lost)?.ok_or_else(|| lost(BROKE_OFF))?;
            match frame::decode(&message).map_err(lost)? {
                SnapshotProgress::Taken { rows } if rows > taken => {
                    (taken, progressed) = (rows, Instant::now());
                }
                SnapshotProgress::Taken { .. } => {}
                SnapshotProgress::Done(vote) => return Ok(vote.into()),
                SnapshotProgress::Refused(why) => {
                    // It takes more than another try at once to change that.
                    return Err(unreachable(format!("the peer refuses the snapshot: {why}")));
                }
            }
            if reported.elapsed() > REPORT_EVERY {
                reported = Instant::now();
                tracing::info!(peer = %self.peer, taken, of = self.rows, "a snapshot is under way");
            }
        }
    }
}

async fn write(sender: &mut FrameSender, mut opening: [Bytes; 2], chunks: Chunks) -> Result<(), Failure> {
    sender.send_all(&mut opening).await.map_err(lost)?;
    for chunk in chunks {
        let frame = frame::encode_raw(&chunk.map_err(lost)?).map_err(lost)?;
        sender.send(frame).await.map_err(lost)?;
    }
    sender.finish();
    Ok(())
}

fn streaming(failure: Failure) -> StreamingError<TypeConfig> {
    match failure {
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::RemoteError(error) => match error.source {},
    }
}
