//! The receiving side of snapshots.
//!
//! Chunks go to a new database next to the one in use, which stays in use until the last chunk is
//! checked. A snapshot that this node cannot use is rejected at its first chunk, before Raft sees it
//! and before the rest is sent.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use coffee_common::{
    frame,
    protocol::NodeEventKind,
    quic::{FrameReceiver, FrameSender},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{PeerContext, ServeError, StreamPeer, leader_log, receive, validate};
use crate::{
    api::peer::{
        snapshot::REPORT_INTERVAL,
        wire::{RaftAppendRequest, SnapshotProgress},
    },
    raft_types::Vote,
    storage::{
        record::VoteRecord,
        snapshot::{Snapshot, SnapshotData, SnapshotError, SnapshotSink},
    },
};

/// The interval at which the sender learns the receiver's progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A transfer ends after this time without a chunk.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How often the end of a transfer asks whether the sender is still a member, while no member can
/// tell, and the pause in between: the next transfer would begin with the first chunk again.
const CHECKS_MAX: u32 = 5;
const CHECK_PAUSE: Duration = Duration::from_secs(1);

/// Why a snapshot is rejected, for the sender.
type SnapshotRejection = String;

pub(super) async fn serve(
    peer: &StreamPeer,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let vote = Vote::from(receive::<VoteRecord>(&mut receiver).await?);
    validate::leader(&vote, peer.sender())?;
    let incoming = IncomingSnapshot { peer, vote, rows: AtomicU64::new(0), finishes: AtomicBool::new(false) };
    let mut work = std::pin::pin!(incoming.run(receiver));
    let mut ticks = interval(PROGRESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => {
                sender.send(frame::encode_as(peer.version, &incoming.progress())?).await?;
            }
        }
    };
    let last = match &result {
        Ok(vote) => SnapshotProgress::Done(vote.into()),
        Err(rejection) => SnapshotProgress::Refused(rejection.clone()),
    };
    sender.send(frame::encode_as(peer.version, &last)?).await?;
    sender.finish();
    result.map(drop).map_err(ServeError::SnapshotRejected)
}

/// A snapshot that is being received.
struct IncomingSnapshot<'a> {
    peer: &'a StreamPeer,
    /// The sender leads under this vote.
    vote: Vote,
    /// The rows received.
    rows: AtomicU64,
    /// Whether all rows were received.
    finishes: AtomicBool,
}

impl IncomingSnapshot<'_> {
    fn progress(&self) -> SnapshotProgress {
        if self.finishes.load(Ordering::Relaxed) {
            return SnapshotProgress::Finishing;
        }
        SnapshotProgress::Taken { rows: self.rows.load(Ordering::Relaxed) }
    }

    /// Receives, checks and installs the snapshot. Returns this node's vote.
    async fn run(&self, mut receiver: FrameReceiver) -> Result<Vote, SnapshotRejection> {
        let own = self.peer.context.raft.server_metrics().borrow_watched().vote;
        if own > self.vote {
            return Ok(own);
        }
        let (began, mut reported) = (Instant::now(), Instant::now());
        let inbox = self.peer.context.inbox.clone();
        let mut sink = self.offload(move || inbox.begin()).await?;
        while let Some(chunk) = next_chunk(&mut receiver).await? {
            let first = sink.meta().is_none();
            sink = self.offload(move || sink.push(&chunk).map(|()| sink)).await?;
            if first && let Err(answer) = self.check(&sink) {
                let discard = move || {
                    drop(sink);
                    Ok(())
                };
                self.offload(discard).await?;
                return answer.map(|()| own);
            }
            let (taken, of) = sink.progress();
            self.rows.store(taken, Ordering::Relaxed);
            if reported.elapsed() > REPORT_INTERVAL {
                reported = Instant::now();
                tracing::info!(from = %self.peer.id, taken, of, "snapshot transfer in progress");
            }
        }
        let vote = self.finish(sink).await?;
        let took_ms = began.elapsed().as_millis();
        tracing::info!(from = %self.peer.id, took_ms, "snapshot installed");
        let text = format!("installed a snapshot of node {}, after {took_ms} ms", self.peer.id);
        self.peer.context.events.record(NodeEventKind::Snapshot, self.peer.id.to_string(), text);
        Ok(vote)
    }

    /// Checks the metadata of the snapshot before the rest arrives. An error ends the transfer:
    /// successfully if this node has the whole state already, otherwise with a rejection.
    fn check(&self, sink: &SnapshotSink) -> Result<(), Result<(), SnapshotRejection>> {
        let Some(meta) = sink.meta() else { return Ok(()) };
        let committed = self.peer.context.raft.data_metrics().borrow_watched().local_committed;
        validate::snapshot(&self.vote, meta, committed).map_err(|forged| Err(forged.to_string()))?;
        if meta.last_log_id <= committed {
            tracing::debug!(from = %self.peer.id, "snapshot not needed: it contains nothing new");
            return Err(Ok(()));
        }
        let (last, rows) = (meta.last_log_id.map_or(0, |last| last.index), sink.progress().1);
        tracing::info!(from = %self.peer.id, rows, last, "receiving a snapshot");
        Ok(())
    }

    async fn finish(&self, sink: SnapshotSink) -> Result<Vote, SnapshotRejection> {
        self.finishes.store(true, Ordering::Relaxed);
        let received = self.offload(move || sink.finish()).await?;
        let meta = received.meta().clone();
        // The sender may have been removed, and more entries may have been appended meanwhile.
        until_told(|| self.peer.check_membership()).await.map_err(|error| error.to_string())?;
        let PeerContext { raft, leader_log: log, .. } = &self.peer.context;
        let (vote, prev_log_id) = (self.vote, meta.last_log_id);
        let end = RaftAppendRequest { vote, prev_log_id, leader_commit: None, entries: Vec::new() };
        let admitted = log.admit(raft, end).await;
        let (_, admission) = admitted.map_err(|error| error.to_string())?;
        let snapshot = Snapshot { meta, snapshot: SnapshotData::Received(received) };
        let taken = async {
            leader_log::until_taken(raft, vote, prev_log_id).await;
            drop(admission);
        };
        let (installed, ()) = tokio::join!(raft.install_full_snapshot(vote, snapshot), taken);
        Ok(installed.map_err(|error| error.to_string())?.vote)
    }

    /// Runs work that waits for the disk where it blocks no other task.
    async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, SnapshotRejection> {
        let done = self.peer.context.inbox.offload().run(move || Ok(work())).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

/// Checks the membership again and again while no member can tell.
async fn until_told<F: Future<Output = Result<(), ServeError>>>(
    check: impl Fn() -> F,
) -> Result<(), ServeError> {
    for _ in 1..CHECKS_MAX {
        match check().await {
            Err(ServeError::Unconfirmed(_)) => sleep(CHECK_PAUSE).await,
            told => return told,
        }
    }
    check().await
}

async fn next_chunk(receiver: &mut FrameReceiver) -> Result<Option<Bytes>, SnapshotRejection> {
    match timeout(IDLE_MAX, receiver.receive()).await {
        Ok(chunk) => chunk.map_err(|error| error.to_string()),
        Err(_) => Err("no chunk in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use coffee_common::id::NodeId;

    use super::*;

    /// Plays what the members say, check by check. Returns the result and the number of checks.
    async fn told(words: &str) -> (Result<(), String>, usize) {
        let checks = Cell::new(0);
        let check = async || {
            let word = words.split(' ').nth(checks.replace(checks.get() + 1));
            match word.expect("no more checks") {
                "yes" => Ok(()),
                "no" => Err(ServeError::NotAMember(NodeId(57))),
                _ => Err(ServeError::Unconfirmed(NodeId(57))),
            }
        };
        let told = until_told(&check).await.map_err(|error| error.to_string());
        (told, checks.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_does_not_waste_a_received_snapshot() {
        assert_eq!(told("yes").await, (Ok(()), 1));
        assert_eq!(told("late yes").await, (Ok(()), 2));
        assert_eq!(told("late late late late yes").await, (Ok(()), 5));
        let refused = |why| Err(format!("the peer claims to be node 57, {why}"));
        assert_eq!(told("late no").await, (refused("and a member says that it is not one"), 2));
        let unknown = refused("which cannot be confirmed: no member answers");
        assert_eq!(told("late late late late late").await, (unknown, 5));
    }
}
