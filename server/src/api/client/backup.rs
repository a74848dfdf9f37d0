//! Gives a backup to a client: the answer, then the file, on the stream of the
//! question, which goes behind all others.
//!
//! Guards that a client that takes nothing does not make this node hold on to
//! an old state for long, and that a node that stops does not wait for one.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    frame,
    protocol::{Rejection, Request, RequestFrame, Response},
    quic::{FrameSender, Priority},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use super::{access, answer, connection::Shared, gate::Pass, stream};
use crate::{
    metrics::{OutcomeKind, Verb},
    ops::backup::BackupStream,
};

/// A client that has taken nothing for this long is given up.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A backup, and what it takes of this node until it is dropped.
struct Admitted {
    backup: BackupStream,
    _room: OwnedSemaphorePermit,
    _pass: Pass,
}

pub(super) async fn serve(shared: &Shared, mut sender: FrameSender, ask: RequestFrame) {
    sender.set_priority(Priority::Background);
    let (id, asked) = (ask.id, Instant::now());
    let admitted = admit(shared, ask).await;
    let (result, admitted) = match admitted {
        Ok(admitted) => (Ok(Response::Backup), Some(admitted)),
        Err(rejection) => (Err(rejection), None),
    };
    shared.api.0.node.metrics().requests.answered(Verb::Backup, OutcomeKind::of(&result), asked.elapsed());
    let leader = shared.api.0.node.leader_hint();
    if let Err(error) = sender.send(answer::encode(id, leader.as_ref(), &result)).await {
        tracing::debug!(%error, "an answer could not be sent");
        return;
    }
    let Some(Admitted { backup, _room, _pass }) = admitted else { return sender.finish() };
    let (client, began) = (shared.connection.peer().name.clone(), Instant::now());
    let (revision, rows) = (backup.header().revision, backup.header().rows);
    tracing::info!(%client, %revision, rows, "giving a backup");
    let given = tokio::select! {
        given = give(&mut sender, backup) => given,
        () = shared.api.0.gate.closed() => Err("this node is stopping".to_owned()),
    };
    match given {
        Ok(()) => {
            sender.finish();
            tracing::info!(%client, %revision, took_ms = began.elapsed().as_millis(), "gave a backup");
        }
        Err(why) => {
            sender.reset();
            tracing::warn!(%client, %revision, %why, "a backup broke off");
        }
    }
}

async fn admit(shared: &Shared, ask: RequestFrame) -> Result<Admitted, Rejection> {
    let api = &shared.api.0;
    let RequestFrame { timeout_ms, on_behalf_of, request, .. } = ask;
    access::admit(shared.connection.peer(), on_behalf_of.as_ref(), &request)?;
    let Request::Backup { consistency } = request else {
        return Err(Rejection::Invalid("this stream is for a backup".to_owned()));
    };
    let stopping = || Rejection::Unavailable(format!("{} is stopping", api.node.name()));
    let pass = api.gate.enter().ok_or_else(stopping)?;
    let room = Arc::clone(&api.backups).try_acquire_owned().map_err(|_| Rejection::Overloaded)?;
    let deadline = stream::deadline(timeout_ms);
    let backup = BackupStream::begin(&api.node, &api.reads, consistency, deadline).await?;
    Ok(Admitted { backup, _room: room, _pass: pass })
}

async fn give(sender: &mut FrameSender, backup: BackupStream) -> Result<(), String> {
    for piece in backup {
        let piece = piece.map_err(|error| error.to_string())?;
        let frame = frame::encode_raw(&piece).map_err(|error| error.to_string())?;
        match timeout(IDLE_MAX, sender.send(frame)).await {
            Ok(sent) => sent.map_err(|error| error.to_string())?,
            Err(_) => return Err("the client takes nothing any more".to_owned()),
        }
        // Reading holds this thread: others go first.
        tokio::task::yield_now().await;
    }
    Ok(())
}
