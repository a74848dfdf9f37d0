//! The receiving side of snapshots.
//!
//! Chunks go to a new database beside the one in use, which goes on as it was
//! until the last chunk is checked. What this node cannot use is refused with
//! the first chunk, before Raft sees it and before the rest is sent.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use coffee_common::{
    frame,
    id::NodeId,
    quic::{FrameReceiver, FrameSender},
};
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{PeerContext, ServeError, judge, receive};
use crate::{
    api::peer::{snapshot::REPORT_EVERY, wire::SnapshotProgress},
    raft_types::Vote,
    storage::{
        record::VoteRecord,
        snapshot::{Snapshot, SnapshotData, SnapshotError, SnapshotSink},
    },
};

/// The sender is told this often how far the receiver is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Without a chunk for this long a transfer is given up.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// Why a snapshot is not taken. The sender is told.
type Refusal = String;

pub(super) async fn serve(
    context: &PeerContext,
    from: NodeId,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let vote = Vote::from(receive::<VoteRecord>(&mut receiver).await?);
    judge::leads(&vote, from)?;
    let taking = Taking { context, from, vote, taken: AtomicU64::new(0) };
    let mut work = std::pin::pin!(taking.run(receiver));
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = ticks.tick() => {
                let rows = taking.taken.load(Ordering::Relaxed);
                sender.send(frame::encode(&SnapshotProgress::Taken { rows })?).await?;
            }
        }
    };
    let last = match &result {
        Ok(vote) => SnapshotProgress::Done(vote.into()),
        Err(why) => SnapshotProgress::Refused(why.clone()),
    };
    sender.send(frame::encode(&last)?).await?;
    sender.finish();
    result.map(drop).map_err(ServeError::Unusable)
}

/// A snapshot on its way in.
struct Taking<'a> {
    context: &'a PeerContext,
    from: NodeId,
    /// Under which its sender leads.
    vote: Vote,
    /// Rows that are here.
    taken: AtomicU64,
}

impl Taking<'_> {
    /// Receives, checks and installs it. Returns this node's vote.
    async fn run(&self, mut receiver: FrameReceiver) -> Result<Vote, Refusal> {
        let own = self.context.raft.server_metrics().borrow_watched().vote;
        if own > self.vote {
            return Ok(own);
        }
        let (began, mut reported) = (Instant::now(), Instant::now());
        let inbox = self.context.inbox.clone();
        let mut sink = self.offload(move || inbox.begin()).await?;
        while let Some(chunk) = next_chunk(&mut receiver).await? {
            let first = sink.meta().is_none();
            sink = self.offload(move || sink.push(&chunk).map(|()| sink)).await?;
            if first && let Err(answer) = self.look(&sink) {
                let given_up = move || {
                    drop(sink);
                    Ok(())
                };
                self.offload(given_up).await?;
                return answer.map(|()| own);
            }
            let (taken, of) = sink.progress();
            self.taken.store(taken, Ordering::Relaxed);
            if reported.elapsed() > REPORT_EVERY {
                reported = Instant::now();
                tracing::info!(from = %self.from, taken, of, "a snapshot is coming in");
            }
        }
        let vote = self.finish(sink).await?;
        tracing::info!(from = %self.from, took_ms = began.elapsed().as_millis(), "a snapshot is installed");
        Ok(vote)
    }

    /// Looks at what the snapshot holds, before the rest of it comes. An error
    /// ends the transfer: well, where this node has it all, or with a refusal.
    fn look(&self, sink: &SnapshotSink) -> Result<(), Result<(), Refusal>> {
        let Some(meta) = sink.meta() else { return Ok(()) };
        let committed = self.context.raft.data_metrics().borrow_watched().local_committed;
        judge::snapshot(&self.vote, meta, committed).map_err(|forged| Err(forged.to_string()))?;
        if meta.last_log_id <= committed {
            tracing::debug!(from = %self.from, "a snapshot holds nothing new");
            return Err(Ok(()));
        }
        let (last, rows) = (meta.last_log_id.map_or(0, |last| last.index), sink.progress().1);
        tracing::info!(from = %self.from, rows, last, "receiving a snapshot");
        Ok(())
    }

    async fn finish(&self, sink: SnapshotSink) -> Result<Vote, Refusal> {
        let received = self.offload(move || sink.finish()).await?;
        let meta = received.meta().clone();
        // More may have been committed here meanwhile.
        let committed = self.context.raft.data_metrics().borrow_watched().local_committed;
        judge::snapshot(&self.vote, &meta, committed).map_err(|forged| forged.to_string())?;
        let snapshot = Snapshot { meta, snapshot: SnapshotData::Received(received) };
        let installed = self.context.raft.install_full_snapshot(self.vote, snapshot).await;
        Ok(installed.map_err(|error| error.to_string())?.vote)
    }

    /// Does what waits for the disk where it holds nobody up.
    async fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let done = self.context.inbox.offload().run(move || Ok(work())).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

async fn next_chunk(receiver: &mut FrameReceiver) -> Result<Option<Bytes>, Refusal> {
    match timeout(IDLE_MAX, receiver.receive()).await {
        Ok(chunk) => chunk.map_err(|error| error.to_string()),
        Err(_) => Err("no more of it comes".to_owned()),
    }
}
