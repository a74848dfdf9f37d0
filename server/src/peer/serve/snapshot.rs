//! The receiving side of snapshots.
//!
//! Chunks go to a new database beside the one in use, which goes on as it was
//! until the last chunk is checked. What contradicts the vote or what is
//! committed here is refused before Raft sees it: Raft takes its leader's word.

use std::time::Duration;

use coffee_common::{
    frame,
    quic::{FrameReceiver, FrameSender},
};
use openraft::async_runtime::WatchReceiver;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{PeerContext, ServeError, receive};
use crate::{
    peer::wire::SnapshotProgress,
    storage::{
        record::VoteRecord,
        snapshot::{ReceivedSnapshot, Snapshot, SnapshotData, SnapshotError, SnapshotInbox},
    },
    types::{SnapshotMeta, Vote},
};

/// The sender is told this often that the receiver is at work.
const WORKING_EVERY: Duration = Duration::from_millis(200);

/// Without a chunk for this long a transfer is given up.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Chunks that may wait for the database.
const CHUNKS_WAITING_MAX: usize = 4;

pub(super) async fn serve(
    context: &PeerContext,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let vote: VoteRecord = receive(&mut receiver).await?;
    let mut work = std::pin::pin!(take(context, vote.into(), receiver));
    let mut working = interval(WORKING_EVERY);
    working.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = working.tick() => sender.send(frame::encode(&SnapshotProgress::Working)?).await?,
        }
    };
    let last = match result {
        Ok(vote) => SnapshotProgress::Installed((&vote).into()),
        Err(why) => {
            tracing::warn!(%why, "a snapshot was refused");
            SnapshotProgress::Refused(why)
        }
    };
    sender.send(frame::encode(&last)?).await?;
    sender.finish();
    Ok(())
}

/// Receives, checks and installs a snapshot. Returns this node's vote, or why not.
async fn take(context: &PeerContext, vote: Vote, receiver: FrameReceiver) -> Result<Vote, String> {
    let began = Instant::now();
    tracing::info!("receiving a snapshot");
    let received = gather(&context.inbox, receiver).await?;
    let meta = received.meta().clone();
    check(context, &vote, &meta)?;
    let snapshot = Snapshot { meta, snapshot: SnapshotData::Received(received) };
    let upto = snapshot.meta.last_log_id;
    let response = context.raft.install_full_snapshot(vote, snapshot).await;
    let response = response.map_err(|error| error.to_string())?;
    tracing::info!(?upto, took_ms = began.elapsed().as_millis(), "a snapshot is installed");
    Ok(response.vote)
}

/// Writes the chunks on a thread that may wait for the disk.
async fn gather(inbox: &SnapshotInbox, mut receiver: FrameReceiver) -> Result<ReceivedSnapshot, String> {
    let (chunks, mut waiting) = mpsc::channel::<bytes::Bytes>(CHUNKS_WAITING_MAX);
    let inbox = inbox.clone();
    let writing = tokio::task::spawn_blocking(move || -> Result<ReceivedSnapshot, SnapshotError> {
        let mut sink = inbox.begin()?;
        while let Some(chunk) = waiting.blocking_recv() {
            sink.push(&chunk)?;
        }
        sink.finish()
    });
    loop {
        match timeout(IDLE_MAX, receiver.receive()).await {
            Ok(Ok(Some(chunk))) => {
                if chunks.send(chunk).await.is_err() {
                    break;
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("no chunk came for too long".to_owned()),
        }
    }
    drop(chunks);
    match writing.await {
        Ok(received) => received.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Refuses what no leader sends; Raft would panic at it.
fn check(context: &PeerContext, vote: &Vote, meta: &SnapshotMeta) -> Result<(), String> {
    let Some(last) = meta.last_log_id else { return Err("the snapshot is empty".to_owned()) };
    if last.leader_id > vote.leader_id {
        return Err("the snapshot is newer than its leader".to_owned());
    }
    let committed = context.raft.data_metrics().borrow_watched().local_committed;
    match committed {
        Some(committed) if last > committed && last.index <= committed.index => {
            Err(format!("the snapshot contradicts what is committed here: {last}, {committed}"))
        }
        _ => Ok(()),
    }
}
