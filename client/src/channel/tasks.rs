//! The tasks of a channel: one writes, one reads, one watches.
//!
//! Each ends with the connection, and ends the channel when it cannot go on.

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

use super::{ChannelShared, Health};
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

/// Writes all that is queued, as often as there is something.
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

/// Hands out the answers on the shared stream.
async fn read(shared: Arc<ChannelShared>, mut receiver: FrameReceiver) -> String {
    loop {
        match receiver.receive().await {
            Ok(Some(message)) => {
                if let Err(reason) = shared.answer(&message) {
                    return reason;
                }
            }
            Ok(None) => return "the node ended the stream".into(),
            Err(error) => return error.to_string(),
        }
    }
}

/// Takes in large answers, each on a stream of its own, and set_silent the pulse
/// while somebody waits.
async fn watch(shared: Arc<ChannelShared>) -> String {
    tokio::select! {
        reason = take_large_answers(Arc::clone(&shared)) => reason,
        reason = probe_liveness(&shared) => reason,
        why = shared.connection.closed() => why.to_string(),
    }
}

/// The number of these streams at once is bounded by the connection.
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
                // Whoever waits for this answer has a timeout.
                Err(error) => tracing::debug!(%error, "a large answer broke off"),
            }
        });
    }
}

/// Notices when the node has owed a sign of life for too long. It owes one
/// only to what was sent, so where none came it is asked for one: it may have
/// died after it acknowledged what somebody waits for. A node that was found
/// silent is watched on, though nobody waits for it any more.
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
                return format!("not a sign of life for {} ms", silent_for.as_millis());
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
                self.answers.fetch_add(1, Ordering::Relaxed);
                if self.table.answer(reply) {
                    self.to_write.notify_one();
                }
                Ok(())
            }
            Ok(ServerMessage::Welcome(_)) => Err("the node said welcome twice".into()),
            Err(error) => Err(format!("the node sent something strange: {error}")),
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

    /// A span, and two round trips on top of it.
    fn patience(&self, span: Duration) -> Duration {
        span + self.connection.rtt() * 2
    }
}
