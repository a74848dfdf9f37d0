//! Writes: the only path from an admitted write to its response.
//!
//! If this node leads, writes that arrived together are proposed together: one message to
//! consensus, one task, and one frame for the responses that are ready together. A write that
//! consensus certainly did not apply, and every write on another node, is forwarded to the leader.
//!
//! Guards that a write is admitted and counted once, whichever way it takes, and that only a write
//! that was certainly not applied is proposed again.

use std::{slice, sync::Arc};

use coffee_common::{
    command::{Batch, Command},
    feature_level::HISTORY,
    id::RequestId,
    protocol::{Identity, Rejection, Request, Response},
};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::{
    access::RequestOrigin,
    admission::WritePermit,
    responder::{Responder, ResponseGroup},
    state::AdmittedRequest,
};
use crate::{
    metrics::{DurationMetrics, GaugeGuard, NodeMetrics, RequestMetrics, measured},
    node::{
        Node,
        propose::{AuthoredCommand, ProposeError, Proposed, not_committed_in_time, propose_all},
        replica::Replica,
    },
    ops::forward::{self, LeaderRequest},
};

/// A write that was authorized, checked and admitted.
pub(super) struct AdmittedWrite {
    pub(super) admitted: AdmittedRequest,
    pub(super) origin: RequestOrigin,
    pub(super) request: RequestId,
    pub(super) batch: Arc<Batch>,
    pub(super) permit: WritePermit,
}

/// Starts carrying out writes that arrived together.
pub(super) fn start(responder: &Arc<Responder>, writes: Vec<AdmittedWrite>) {
    if writes.is_empty() {
        return;
    }
    match responder.node().replica().filter(|replica| replica.leads()) {
        Some(replica) => {
            drop(tokio::spawn(measured(propose_together(replica, Arc::clone(responder), writes))))
        }
        None => writes.into_iter().for_each(|write| start_forward(responder, write)),
    }
}

fn start_forward(responder: &Arc<Responder>, write: AdmittedWrite) {
    tokio::spawn(measured(forward(Arc::clone(responder), write)));
}

/// Proposes writes together, and answers each. Forwards those that were not applied.
async fn propose_together(replica: Arc<Replica>, responder: Arc<Responder>, writes: Vec<AdmittedWrite>) {
    let metrics = responder.node().metrics();
    let writes = with_room(&replica, &responder, writes).await;
    if writes.is_empty() {
        return;
    }
    let _counted = count(&metrics.requests, &writes);
    let mut commits = Commits::propose(&replica, metrics, &writes).await;
    let mut group = ResponseGroup::default();
    // Released together, and before anything waits for the client: one that reads nothing must not
    // keep the writes of others out.
    let mut answered: Option<WritePermit> = None;
    for write in writes {
        let deadline = write.admitted.deadline;
        let outcome = match commits.next(deadline).now_or_never() {
            Some(outcome) => outcome,
            None => {
                drop(answered.take());
                responder.offer_group(&mut group);
                commits.next(deadline).await
            }
        };
        let result = match outcome {
            Ok(response) => Ok(response),
            Err(ProposeError::Rejected(rejection)) => Err(forward::explained(&replica, rejection)),
            Err(ProposeError::NotApplied(_)) => {
                start_forward(&responder, write);
                continue;
            }
        };
        let AdmittedWrite { admitted, permit, .. } = write;
        admitted.respond_together(&responder, &mut group, &result);
        match &mut answered {
            Some(answered) => answered.merge(permit),
            None => answered = Some(permit),
        }
    }
    drop(answered);
    responder.send_group(&mut group).await;
}

/// Rejects the writes for which there is no room, and returns the others.
async fn with_room(
    replica: &Replica,
    responder: &Arc<Responder>,
    writes: Vec<AdmittedWrite>,
) -> Vec<AdmittedWrite> {
    let mut with_room = Vec::with_capacity(writes.len());
    for write in writes {
        match check_room(responder.node(), replica, &write) {
            Ok(()) => with_room.push(write),
            Err(rejection) => {
                let AdmittedWrite { admitted, permit, .. } = write;
                drop(permit);
                admitted.respond(responder, Err(rejection).into()).await;
            }
        }
    }
    with_room
}

fn check_room(node: &Node, replica: &Replica, write: &AdmittedWrite) -> Result<(), Rejection> {
    let state = replica.state();
    node.write_room().admit(&write.batch, state.metrics().data_bytes.get(), &state.settings())
}

/// The author of a write, if the cluster records it.
fn author(replica: &Replica, identity: &Identity) -> String {
    match replica.state().level() < HISTORY {
        true => String::new(),
        false => format!("{} {}", identity.role.as_str(), identity.name),
    }
}

/// Has a write carried out by the leader, which may also be this node, and answers it.
async fn forward(responder: Arc<Responder>, write: AdmittedWrite) {
    let metrics = responder.node().metrics();
    let _counted = count(&metrics.requests, slice::from_ref(&write));
    let deadline = write.admitted.deadline;
    let request = Request::Write { request: write.request, batch: Arc::clone(&write.batch) };
    let leader_request = LeaderRequest {
        body: &request,
        caller: (&write.origin.identity).into(),
        forwarded: write.origin.forwarded,
        deadline,
        repeatable: false,
        answered_elsewhere: Default::default(),
    };
    let node = responder.node();
    let here = |replica: Arc<Replica>| {
        let write = slice::from_ref(&write);
        async move {
            if Instant::now() >= deadline {
                return Err(Rejection::Unavailable("the deadline has passed".to_owned()).into());
            }
            write.iter().try_for_each(|write| check_room(node, &replica, write))?;
            let commit = async { Commits::propose(&replica, metrics, write).await.next(deadline).await };
            timeout_at(deadline, commit).await.unwrap_or_else(|_| Err(not_committed_in_time()))
        }
    };
    let result = forward::on_leader(responder.node(), &leader_request, here).await;
    let AdmittedWrite { admitted, permit, .. } = write;
    drop(permit);
    admitted.respond(&responder, result.into()).await;
}

/// Counts writes as in flight until the guards are dropped.
fn count<'a>(metrics: &'a RequestMetrics, writes: &[AdmittedWrite]) -> (GaugeGuard<'a>, GaugeGuard<'a>) {
    let bytes = writes.iter().map(|write| write.batch.bytes()).sum();
    (metrics.in_flight.hold(writes.len()), metrics.write_bytes_in_flight.hold(bytes))
}

/// Writes that were proposed together: yields their outcomes in order, and measures the commits.
struct Commits<'a> {
    proposed: Result<Proposed, ProposeError>,
    began: Instant,
    durations: &'a DurationMetrics,
}

impl<'a> Commits<'a> {
    async fn propose(replica: &Replica, metrics: &'a NodeMetrics, writes: &[AdmittedWrite]) -> Self {
        let began = Instant::now();
        let command = |write: &AdmittedWrite| AuthoredCommand {
            request: write.request,
            author: author(replica, &write.origin.identity),
            command: Command::Batch(Arc::clone(&write.batch)),
        };
        let proposed = propose_all(replica, writes.iter().map(command)).await;
        Self { proposed, began, durations: &metrics.commits }
    }

    /// Waits until the next write is applied. Cancel safe.
    async fn next(&mut self, deadline: Instant) -> Result<Response, ProposeError> {
        let outcome = match &mut self.proposed {
            Ok(proposed) => proposed.next(deadline).await?,
            Err(not_proposed) => return Err(not_proposed.clone()),
        };
        self.durations.observe(self.began.elapsed());
        Ok(Response::Written(outcome))
    }
}
