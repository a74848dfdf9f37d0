//! Sends a backup to a client: the response, then the file, on the request's stream, at the lowest
//! priority.
//!
//! Guards that a client that stops reading does not make this node keep an old state for long, and
//! that a stopping node does not wait for a backup.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    frame,
    protocol::{Rejection, Request, RequestEnvelope, Response},
    quic::{FrameSender, Priority},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{
    audit,
    in_flight::InFlightGuard,
    responder,
    state::{self, ConnectionState},
};
use crate::{
    metrics::{RequestKind, RequestOutcome},
    ops::backup::BackupStream,
};

/// A transfer ends when the client has read nothing for this long.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A backup and its permits.
struct AdmittedBackup {
    backup: BackupStream,
    _permit: OwnedSemaphorePermit,
    _in_flight: InFlightGuard,
}

pub(super) async fn serve(
    state: &ConnectionState,
    mut sender: FrameSender,
    envelope: RequestEnvelope,
    request: Request,
) {
    sender.set_priority(Priority::Background);
    let (arrived, node) = (Instant::now(), &state.api.node);
    let RequestEnvelope { id, timeout_ms, on_behalf_of, sent_from, cluster } = envelope;
    let origin = state.authorize((on_behalf_of.as_ref(), sent_from), cluster, &request);
    let ended = |result: Result<&Response, &Rejection>| {
        // A denial is logged already.
        if let Ok(origin) = &origin {
            audit::ended(node, &state.connection, origin, &request, result, false);
        }
    };
    let admitted = match &origin {
        Ok(_) => admit(state, &request, arrived + state::timeout(timeout_ms)).await,
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
    let response = responder::encode(id, node.leader_hint().as_ref(), &result);
    match timeout(IDLE_MAX, sender.send(response)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "failed to send the response to a backup request");
            return;
        }
        Err(_) => return sender.reset(),
    }
    let Some(AdmittedBackup { backup, _permit, _in_flight }) = admitted else { return sender.finish() };
    let (revision, rows) = (backup.header().revision, backup.header().rows);
    tracing::info!(%revision, rows, "sending a backup");
    let sent = tokio::select! {
        sent = send(&mut sender, backup) => sent,
        () = state.api.in_flight.closed() => Err("this node is stopping".to_owned()),
    };
    match sent {
        Ok(()) => {
            sender.finish();
            ended(Ok(&Response::Backup));
        }
        Err(error) => {
            sender.reset();
            ended(Err(&Rejection::Unknown(format!("a part was sent: {error}"))));
        }
    }
}

async fn admit(
    state: &ConnectionState,
    request: &Request,
    deadline: Instant,
) -> Result<AdmittedBackup, Rejection> {
    let api = &state.api;
    let Request::Backup { consistency } = *request else {
        return Err(Rejection::Invalid("this stream is for a backup".to_owned()));
    };
    let in_flight = api.in_flight.enter().ok_or_else(|| state.stopping())?;
    let permit = Arc::clone(&api.backups).try_acquire_owned().map_err(|_| Rejection::Overloaded)?;
    let backup = BackupStream::begin(&api.node, &api.reads, consistency, deadline).await?;
    Ok(AdmittedBackup { backup, _permit: permit, _in_flight: in_flight })
}

async fn send(sender: &mut FrameSender, backup: BackupStream) -> Result<(), String> {
    for piece in backup {
        let piece = piece.map_err(|error| error.to_string())?;
        let frame = frame::encode_raw(&piece).map_err(|error| error.to_string())?;
        match timeout(IDLE_MAX, sender.send(frame)).await {
            Ok(sent) => sent.map_err(|error| error.to_string())?,
            Err(_) => return Err("the client stopped reading".to_owned()),
        }
        // Reading the next piece blocks this thread: let other tasks run first.
        tokio::task::yield_now().await;
    }
    Ok(())
}
