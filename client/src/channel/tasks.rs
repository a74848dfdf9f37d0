//! The tasks of a channel: a writer, a reader and a watcher.
//!
//! Each ends with the connection, and ends the channel when it fails.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use coffee_common::{
    frame,
    protocol::ServerMessage,
    quic::{FrameReceiver, FrameSender, Liveness},
};
use tokio::time::Instant;

use super::{ChannelShared, Health, request_table::PROBE_ID};
use crate::timing;

/// Starts the tasks.
pub(super) fn spawn(shared: &Arc<ChannelShared>, sender: FrameSender, receiver: FrameReceiver) {
    tokio::spawn(until_end(Arc::clone(shared), write(Arc::clone(shared), sender)));
    tokio::spawn(until_end(Arc::clone(shared), read(Arc::clone(shared), receiver)));
    tokio::spawn(until_end(Arc::clone(shared), watch(Arc::clone(shared))));
}

async fn until_end(shared: Arc<ChannelShared>, task: impl Future<Output = String>) {
    let reason = task.await;
    shared.end(&reason);
}

/// Writes queued frames whenever there are any.
async fn write(shared: Arc<ChannelShared>, mut sender: FrameSender) -> String {
    let mut frames: Vec<Bytes> = Vec::new();
    loop {
        shared.to_write.notified().await;
        while shared.table.take(&mut frames) {
            if let Err(error) = sender.send_all(&mut frames).await {
                return error.to_string();
            }
            frames.clear();
        }
        if shared.is_ended() {
            sender.finish();
            return "closed by this side".into();
        }
    }
}

/// Hands out the responses on the shared stream.
async fn read(shared: Arc<ChannelShared>, mut receiver: FrameReceiver) -> String {
    loop {
        match receiver.receive().await {
            Ok(Some(message)) => {
                if let Err(reason) = shared.answer(&message) {
                    return reason;
                }
            }
            Ok(None) => return "the node closed the stream".into(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Receives large responses, each on its own stream, and probes the node's liveness
/// while a caller waits.
async fn watch(shared: Arc<ChannelShared>) -> String {
    tokio::select! {
        reason = take_large_answers(Arc::clone(&shared)) => reason,
        reason = probe_liveness(&shared) => reason,
        why = shared.connection.closed() => why.to_string(),
    }
}

/// The connection bounds the number of concurrent streams.
async fn take_large_answers(shared: Arc<ChannelShared>) -> String {
    loop {
        let mut receiver = match shared.connection.accept_uni().await {
            Ok(receiver) => receiver,
            Err(error) => return error.to_string(),
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            match receiver.receive().await {
                Ok(Some(message)) => {
                    if let Err(reason) = shared.answer(&message) {
                        shared.end(&reason);
                    }
                }
                Ok(None) => {}
                // The caller of this response has a timeout.
                Err(error) => tracing::debug!(%error, "large response lost"),
            }
        });
    }
}

/// Detects a node that owes an acknowledgement for too long. A node only owes one
/// for packets that were sent, so an idle connection is probed with a ping: the
/// node may have died after it acknowledged a request that is still unanswered. A
/// node found silent is watched further, even when no caller waits any more.
async fn probe_liveness(shared: &ChannelShared) -> String {
    let silence = timing::silence(shared.lease());
    loop {
        shared.to_watch.notified().await;
        let mut seen = shared.connection.packets();
        let mut liveness = Liveness::new(seen, Instant::now());
        let (mut next, mut silent) = (timing::PROBE_INTERVAL, false);
        while silent || !shared.table.is_idle() {
            tokio::time::sleep(next).await;
            let packets = shared.connection.packets();
            if std::mem::replace(&mut seen, packets).received == packets.received {
                shared.table.push(shared.ping.clone());
                shared.to_write.notify_one();
            }
            let silent_for = liveness.observe(packets, Instant::now());
            if silent_for > shared.patience(timing::SILENCE_MAX) {
                return format!("no packet from the node for {} ms", silent_for.as_millis());
            }
            let left = shared.patience(silence).saturating_sub(silent_for);
            silent = left.is_zero();
            next = if silent { timing::PROBE_INTERVAL } else { timing::PROBE_INTERVAL.min(left) };
            shared.set_silent(silent);
        }
    }
}

impl ChannelShared {
    fn answer(&self, message: &[u8]) -> Result<(), String> {
        match frame::decode(message) {
            Ok(ServerMessage::Response(reply)) => {
                // A node can answer pings and still be stuck: a leader without its quorum.
                if reply.id != PROBE_ID {
                    self.answers.fetch_add(1, Ordering::Relaxed);
                }
                if self.table.answer(reply) {
                    self.to_write.notify_one();
                }
                Ok(())
            }
            Ok(ServerMessage::Welcome(_)) => Err("protocol error: a second welcome".into()),
            Err(error) => Err(format!("protocol error: {error}")),
        }
    }

    fn set_silent(&self, silent: bool) {
        let now = if silent { Health::Silent } else { Health::Well };
        self.health.send_if_modified(|health| {
            let changed = *health != now && *health != Health::Ended;
            if changed {
                *health = now;
            }
            changed
        });
    }

    fn is_ended(&self) -> bool {
        *self.health.borrow() == Health::Ended
    }

    /// Adds two round trips to a span.
    fn patience(&self, span: Duration) -> Duration {
        span + self.connection.rtt() * 2
    }
}
