//! Sends a backup to a client: the response, then the file, on the request's stream, at the lowest
//! priority.
//!
//! Guards that a client that stops reading, or reads very slowly, does not make this node keep an old
//! state for long, that it has one backup at a time, so that another one can have its own, and that a
//! stopping node does not wait for a backup.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    clock, frame,
    protocol::{NodeEventKind, Rejection, Request, RequestEnvelope, Response},
    quic::{FrameSender, Priority},
};
use tokio::{
    sync::{OwnedSemaphorePermit, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

use super::{responder, state::ConnectionState};
use crate::{
    metrics::{ClientLimit, RequestKind, RequestOutcome},
    ops::backup::BackupStream,
    service::{audit, in_flight::InFlightGuard, session},
};

/// A transfer ends when the client has read nothing for this long.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// The least rate at which a client has to read a backup on average, in bytes per second: a quarter of
/// 1 Mbit/s. It can catch up for [`IDLE_MAX`].
const RATE_MIN: u64 = 32 << 10;

/// A backup and its permits.
struct AdmittedBackup<'a> {
    backup: BackupStream,
    _own: SemaphorePermit<'a>,
    _permit: OwnedSemaphorePermit,
    _in_flight: InFlightGuard,
}

pub(super) async fn serve(
    state: &ConnectionState,
    mut sender: FrameSender,
    version: u8,
    envelope: RequestEnvelope,
    request: Request,
) {
    sender.set_priority(Priority::Background);
    let (arrived, node) = (Instant::now(), &state.api.service.node);
    let RequestEnvelope { id, timeout_ms, on_behalf_of, sent_from, cluster } = envelope;
    let origin = state.session.authorize((on_behalf_of.as_ref(), sent_from), cluster, &request);
    let ended = |result: Result<&Response, &Rejection>| {
        // A denial is logged already.
        if let Ok(origin) = &origin {
            audit::ended(node, state.session.link.as_ref(), origin, &request, result, false);
        }
    };
    let admitted = match &origin {
        Ok(_) => admit(state, &request, arrived + session::timeout(timeout_ms)).await,
        Err(rejection) => Err(rejection.clone()),
    };
    let (result, admitted) = match admitted {
        Ok(admitted) => (Ok(Response::Backup), Some(admitted)),
        Err(rejection) => {
            ended(Err(&rejection));
            (Err(rejection), None)
        }
    };
    node.metrics().requests.answered(RequestKind::Backup, RequestOutcome::of(&result), arrived.elapsed());
    let response = responder::encode(version, id, node.leader_hint().as_ref(), &result);
    match timeout(IDLE_MAX, sender.send(response)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "failed to send the response to a backup request");
            return;
        }
        Err(_) => return sender.reset(),
    }
    let Some(AdmittedBackup { backup, _own, _permit, _in_flight }) = admitted else { return sender.finish() };
    let (revision, rows) = (backup.header().revision, backup.header().rows);
    tracing::info!(%revision, rows, "sending a backup");
    let sent = tokio::select! {
        sent = send(&mut sender, version, backup) => sent,
        () = state.api.service.in_flight.closed() => Err("this node is stopping".to_owned()),
    };
    match sent {
        Ok(()) => {
            sender.finish();
            let text = format!("sent a backup of revision {revision} to {}", state.session.link.peer().name);
            node.events().record(NodeEventKind::Backup, "", text);
            node.metrics().last_backup_ms.set(clock::now_ms());
            ended(Ok(&Response::Backup));
        }
        Err(error) => {
            sender.reset();
            ended(Err(&Rejection::Unknown(format!("a part was sent: {error}"))));
        }
    }
}

async fn admit<'a>(
    state: &'a ConnectionState,
    request: &Request,
    deadline: Instant,
) -> Result<AdmittedBackup<'a>, Rejection> {
    let (session, service) = (&state.session, &state.api.service);
    let Request::Backup { consistency } = *request else {
        return Err(Rejection::Invalid("this stream is for a backup".to_owned()));
    };
    let in_flight = service.in_flight.enter().ok_or_else(|| session.stopping())?;
    let own = session.share().backups.try_acquire();
    let own = own.map_err(|_| session.overloaded(ClientLimit::Backups))?;
    let permit = Arc::clone(&service.backups).try_acquire_owned().map_err(|_| Rejection::Overloaded)?;
    let backup = BackupStream::begin(&service.node, &service.reads, consistency, deadline).await?;
    Ok(AdmittedBackup { backup, _own: own, _permit: permit, _in_flight: in_flight })
}

async fn send(sender: &mut FrameSender, version: u8, backup: BackupStream) -> Result<(), String> {
    let mut pace = ReadingPace::new(Instant::now());
    for piece in backup {
        let piece = piece.map_err(|error| error.to_string())?;
        let frame = frame::encode_raw_as(version, &piece).map_err(|error| error.to_string())?;
        let bytes = frame.len();
        match timeout_at(pace.deadline(Instant::now()), sender.send(frame)).await {
            Ok(sent) => sent.map_err(|error| error.to_string())?,
            Err(_) => return Err("the client stopped reading, or reads too slowly".to_owned()),
        }
        pace.sent(bytes);
        // Reading the next piece blocks this thread: let other tasks run first.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// How fast a client reads a backup.
struct ReadingPace {
    began: Instant,
    sent: u64,
}

impl ReadingPace {
    fn new(began: Instant) -> Self {
        Self { began, sent: 0 }
    }

    fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Returns when the next piece has to be sent.
    fn deadline(&self, now: Instant) -> Instant {
        let average =
            self.began + IDLE_MAX + Duration::from_millis(self.sent.saturating_mul(1000) / RATE_MIN);
        average.min(now + IDLE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_has_to_read_without_a_long_pause_and_fast_enough() {
        let began = Instant::now();
        let mut pace = ReadingPace::new(began);
        assert_eq!(pace.deadline(began), began + IDLE_MAX);
        let now = began + 20 * SECOND;
        assert_eq!(pace.deadline(now), began + IDLE_MAX, "nothing was read yet");
        for _ in 0..40 {
            pace.sent(RATE_MIN as usize);
        }
        assert_eq!(pace.deadline(now), now + IDLE_MAX, "a pause");
        let now = began + 60 * SECOND;
        assert_eq!(pace.deadline(now), now + 10 * SECOND, "too slow on average");
    }
}
