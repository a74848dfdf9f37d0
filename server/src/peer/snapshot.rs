//! The sending side of snapshots: chunks on a stream of their own, behind all else.
//!
//! In bounded memory: one chunk at a time, at the pace of the receiver. What
//! counts is progress: as long as chunks go out or the receiver says that it
//! works, a transfer may take any time.

use std::{future::Future, time::Duration};

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender, Priority},
};
use openraft::{
    errors::{RPCError, ReplicationClosed, StreamingError},
    raft::SnapshotResponse,
};
use tokio::time::{Instant, timeout};

use super::{
    network::{Failure, Peer, encode, lost},
    wire::{Purpose, SnapshotProgress},
};
use crate::{
    storage::{
        record::VoteRecord,
        snapshot::{Chunks, Snapshot, SnapshotData},
    },
    types::{TypeConfig, Vote},
};

/// Without any progress for this long a transfer is given up.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How often a transfer is mentioned in the log.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Sends a snapshot, and waits until it is installed.
pub(super) async fn send(
    peer: &Peer,
    vote: Vote,
    snapshot: Snapshot,
    cancel: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
    let SnapshotData::Source(source) = snapshot.snapshot else {
        return Err(streaming(lost("a received snapshot cannot be sent on")));
    };
    tracing::info!(peer = ?peer, rows = source.rows(), upto = ?snapshot.meta.last_log_id, "sending a snapshot");
    let began = Instant::now();
    tokio::select! {
        closed = cancel => Err(StreamingError::Closed(closed)),
        sent = transfer(peer, &vote, source.chunks()) => {
            let vote = sent.map_err(streaming)?;
            tracing::info!(peer = ?peer, took_ms = began.elapsed().as_millis(), "the snapshot is installed");
            Ok(SnapshotResponse::new(vote))
        }
    }
}

async fn transfer(peer: &Peer, vote: &Vote, chunks: Chunks) -> Result<Vote, Failure> {
    let opening = timeout(IDLE_MAX, peer.open(Purpose::Snapshot, Priority::Background)).await;
    let (hello, mut sender, mut receiver) = opening.map_err(|_| lost("no connection"))??;
    sender.send_all(&mut [hello, encode(&VoteRecord::from(vote))?]).await.map_err(lost)?;
    // The receiver may refuse long before the last chunk.
    let mut sending = std::pin::pin!(send_chunks(&mut sender, chunks));
    let mut all_sent = false;
    loop {
        tokio::select! {
            sent = &mut sending, if !all_sent => {
                sent?;
                all_sent = true;
            }
            progress = next_progress(&mut receiver) => match progress? {
                SnapshotProgress::Working => peer.link.heard(),
                SnapshotProgress::Installed(vote) => return Ok(vote.into()),
                SnapshotProgress::Refused(why) => return Err(lost(why)),
            },
        }
    }
}

async fn send_chunks(sender: &mut FrameSender, mut chunks: Chunks) -> Result<(), Failure> {
    let mut reported = Instant::now();
    while let Some(chunk) = chunks.next() {
        let frame = frame::encode_raw(&chunk.map_err(lost)?).map_err(lost)?;
        sender.send(frame).await.map_err(lost)?;
        if reported.elapsed() > REPORT_EVERY {
            reported = Instant::now();
            tracing::info!(rows = chunks.rows_sent(), "sending the snapshot");
        }
    }
    sender.finish();
    Ok(())
}

async fn next_progress(receiver: &mut FrameReceiver) -> Result<SnapshotProgress, Failure> {
    match timeout(IDLE_MAX, receiver.receive()).await {
        Ok(Ok(Some(message))) => frame::decode(&message).map_err(lost),
        Ok(Ok(None)) => Err(lost("the peer ended the transfer")),
        Ok(Err(error)) => Err(lost(error)),
        Err(_) => Err(lost("the transfer made no progress")),
    }
}

fn streaming(failure: Failure) -> StreamingError<TypeConfig> {
    match failure {
        RPCError::Timeout(error) => StreamingError::Timeout(error),
        RPCError::Unreachable(error) => StreamingError::Unreachable(error),
        RPCError::Network(error) => StreamingError::Network(error),
        RPCError::RemoteError(error) => match error.source {},
    }
}
