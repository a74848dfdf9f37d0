//! Writes that came together are proposed together, where this node leads.
//!
//! One message to consensus, one task, and one piece for the answers that are
//! there at the same time, however many writes it were. What is not a write
//! that can go this way, or is turned away by consensus, goes the way of
//! everything else (`dispatch`), which knows what to do about it and what to
//! say. Guards that nothing is judged here that is not judged there as well.

use std::sync::Arc;

use bytes::Bytes;
use coffee_common::{
    command::Command,
    frame,
    id::RequestId,
    protocol::{Request, RequestFrame, Response},
};
use futures_util::FutureExt;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    access,
    answer::{Outbox, Together},
    budget::Share,
    connection::Shared,
    gate::Pass,
    stream,
};
use crate::{
    metrics::{OutcomeKind, Verb},
    node::{
        propose::{ProposeError, propose_all},
        replica::Replica,
    },
};

/// Writes that came together.
pub(super) struct Writes {
    replica: Arc<Replica>,
    pass: Pass,
    /// What they take of the connection's room,
    room: OwnedSemaphorePermit,
    /// and of what the node may have in flight.
    budget: Share,
    asked: Vec<Asked>,
    commands: Vec<(RequestId, Command)>,
}

/// One of them, and what it was asked with.
struct Asked {
    id: u64,
    message: Bytes,
    deadline: Instant,
}

impl Writes {
    /// Whether this node leads, so that writes can be gathered.
    pub(super) fn leading(shared: &Shared) -> Option<Arc<Replica>> {
        shared.api.0.node.replica().filter(|replica| replica.leads())
    }

    /// Adds an ask to `writes`, beginning them if need be; or gives it back,
    /// with its room, where it has to go another way.
    pub(super) fn gather(
        writes: &mut Option<Self>,
        replica: &Arc<Replica>,
        shared: &Shared,
        (message, ask): (Bytes, RequestFrame),
        (pass, room): (Pass, OwnedSemaphorePermit),
    ) -> Option<(RequestFrame, Pass, OwnedSemaphorePermit)> {
        let deadline = stream::deadline(ask.timeout_ms);
        let RequestFrame { id, on_behalf_of, request, .. } = &ask;
        let Request::Write { request: name, batch } = request else { return Some((ask, pass, room)) };
        let peer = shared.connection.peer();
        if access::admit(peer, on_behalf_of.as_ref(), request).is_err() || batch.check().is_err() {
            return Some((ask, pass, room));
        }
        let Some(budget) = shared.api.0.budget.take(batch) else { return Some((ask, pass, room)) };
        // A copy: what came along with it would otherwise stay in memory as well.
        let message = Bytes::copy_from_slice(&message);
        let (asked, name) = (Asked { id: *id, message, deadline }, *name);
        let Request::Write { batch, .. } = ask.request else { return None };
        let command = (name, Command::Batch(batch));
        match writes {
            None => {
                let (asked, commands) = (vec![asked], vec![command]);
                *writes = Some(Self { replica: Arc::clone(replica), pass, room, budget, asked, commands });
            }
            Some(writes) => {
                writes.room.merge(room);
                writes.budget.merge(budget);
                writes.asked.push(asked);
                writes.commands.push(command);
            }
        }
        None
    }

    /// Proposes them, and answers each.
    pub(super) async fn carry_out(self, shared: Arc<Shared>, outbox: Outbox) {
        let Self { replica, pass, mut room, budget, asked, commands } = self;
        let (metrics, begun) = (shared.api.0.node.metrics(), Instant::now());
        let bytes = commands.iter().map(|(_, command)| command.bytes()).sum();
        let _counted = metrics.requests.in_flight.hold(asked.len());
        let _bytes_counted = metrics.requests.write_bytes_in_flight.hold(bytes);
        let mut proposed = propose_all(&replica, commands).await;
        let mut answers = Together::default();
        for Asked { id, message, deadline } in asked {
            let outcome = match &mut proposed {
                Err(miss) => Err(miss.clone()),
                Ok(proposed) => match proposed.next(deadline).now_or_never() {
                    Some(outcome) => outcome,
                    None => {
                        answers.send(&outbox, &pass).await;
                        proposed.next(deadline).await
                    }
                },
            };
            let took = begun.elapsed();
            let result = match outcome.map(Response::Written) {
                Ok(response) => {
                    metrics.commits.observe_duration(took);
                    Ok(response)
                }
                Err(ProposeError::Rejected(rejection)) => Err(rejection),
                Err(ProposeError::NotApplied(_)) => {
                    let (shared, outbox) = (Arc::clone(&shared), outbox.clone());
                    tokio::spawn(once_more(shared, outbox, message, deadline, pass.share(), room.split(1)));
                    continue;
                }
            };
            metrics.requests.answered(Verb::Write, OutcomeKind::of(&result), took);
            answers.add(&shared, id, &result);
        }
        answers.send(&outbox, &pass).await;
        drop((room, budget));
    }
}

/// Carries out a write the usual way, as if it came only now.
async fn once_more(
    shared: Arc<Shared>,
    outbox: Outbox,
    message: Bytes,
    deadline: Instant,
    pass: Pass,
    room: Option<OwnedSemaphorePermit>,
) {
    match frame::decode::<RequestFrame>(&message) {
        Ok(ask) => stream::carry_out(&shared, &outbox, ask, deadline, pass).await,
        Err(error) => tracing::error!(%error, "what was decoded before is not decoded again"),
    }
    drop(room);
}
