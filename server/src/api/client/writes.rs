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
    command::Outcome,
    feature_level::HISTORY,
    id::RequestId,
    protocol::{Consistency, Identity, Rejection, Response},
};
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use super::{
    access::RequestOrigin,
    admission::WritePermit,
    client_write::ClientWrite,
    responder::{OutgoingResponse, Responder, ResponseGroup},
    state::{AdmittedRequest, ConnectionState},
    transactions,
};
use crate::{
    metrics::{GaugeGuard, NodeMetrics, RequestMetrics, measured},
    node::{
        Node,
        propose::{AuthoredCommand, ProposeError, Proposed, check_level, not_committed_in_time, propose_all},
        replica::Replica,
    },
    ops::forward::{self, LeaderRequest},
};

/// A write that was authorized, checked and admitted.
pub(super) struct AdmittedWrite {
    pub(super) admitted: AdmittedRequest,
    pub(super) origin: RequestOrigin,
    pub(super) request: RequestId,
    pub(super) write: ClientWrite,
    pub(super) permit: WritePermit,
}

/// Starts carrying out writes that arrived together.
pub(super) fn start(state: &Arc<ConnectionState>, responder: &Arc<Responder>, writes: Vec<AdmittedWrite>) {
    if writes.is_empty() {
        return;
    }
    let client = WritingClient { state: Arc::clone(state), responder: Arc::clone(responder) };
    match responder.node().replica().filter(|replica| replica.leads()) {
        Some(replica) => drop(tokio::spawn(measured(propose_together(replica, client, writes)))),
        None => writes.into_iter().for_each(|write| client.start_forward(write)),
    }
}

/// The client of some writes: its connection, and the stream that its responses take.
#[derive(Clone)]
struct WritingClient {
    state: Arc<ConnectionState>,
    responder: Arc<Responder>,
}

impl WritingClient {
    fn start_forward(&self, write: AdmittedWrite) {
        tokio::spawn(measured(forward(self.clone(), write)));
    }

    /// Answers a transaction whose steps are still to be read. Returns other responses, with their request.
    fn start_reads(
        &self,
        write: AdmittedWrite,
        response: Response,
    ) -> Option<(AdmittedRequest, WritePermit, Response)> {
        let AdmittedWrite { admitted, origin, write, permit, .. } = write;
        match write {
            ClientWrite::Transaction(transaction)
                if !origin.forwarded && transactions::reads_of(&transaction, &response).is_some() =>
            {
                let client = self.clone();
                tokio::spawn(measured(async move {
                    let deadline = admitted.deadline;
                    let complete =
                        transactions::complete(&client.state, &transaction, response, deadline).await;
                    admitted.respond(&client.responder, complete).await;
                }));
                None
            }
            _ => Some((admitted, permit, response)),
        }
    }
}

/// Proposes writes together, and answers each. Forwards those that were not applied.
async fn propose_together(replica: Arc<Replica>, client: WritingClient, writes: Vec<AdmittedWrite>) {
    let responder = &client.responder;
    let metrics = responder.node().metrics();
    let writes = with_room(&replica, responder, writes).await;
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
        let (admitted, permit, result) = match outcome {
            Ok(outcome) => {
                let response = write.write.response(outcome);
                match client.start_reads(write, response) {
                    Some((admitted, permit, response)) => (admitted, permit, Ok(response)),
                    None => continue,
                }
            }
            Err(ProposeError::Rejected(rejection)) => {
                let AdmittedWrite { admitted, permit, .. } = write;
                (admitted, permit, Err(forward::explained(&replica, rejection)))
            }
            Err(ProposeError::NotApplied(_)) => {
                client.start_forward(write);
                continue;
            }
        };
        admitted.respond_together(responder, &mut group, &result);
        match &mut answered {
            Some(answered) => answered.merge(permit),
            None => answered = Some(permit),
        }
    }
    drop(answered);
    responder.send_group(&mut group).await;
}

/// Rejects the writes for which there is no room, or that the cluster does not know, and returns the others.
async fn with_room(
    replica: &Replica,
    responder: &Arc<Responder>,
    writes: Vec<AdmittedWrite>,
) -> Vec<AdmittedWrite> {
    let mut with_room = Vec::with_capacity(writes.len());
    for write in writes {
        match check_accepted(responder.node(), replica, &write) {
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

fn check_accepted(node: &Node, replica: &Replica, write: &AdmittedWrite) -> Result<(), Rejection> {
    let state = replica.state();
    check_level(&write.write.command(), state.level())?;
    let data_bytes = state.metrics().data_bytes.get();
    node.write_room().admit(write.write.added_bytes(), data_bytes, &state.settings())
}

/// The author of a write, if the cluster records it.
fn author(replica: &Replica, identity: &Identity) -> String {
    match replica.state().level() < HISTORY {
        true => String::new(),
        false => format!("{} {}", identity.role.as_str(), identity.name),
    }
}

/// Has a write carried out by the leader, which may also be this node, and answers it.
async fn forward(client: WritingClient, write: AdmittedWrite) {
    let responder = &client.responder;
    let metrics = responder.node().metrics();
    let _counted = count(&metrics.requests, slice::from_ref(&write));
    let deadline = write.admitted.deadline;
    let request = write.write.request(write.request);
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
            write.iter().try_for_each(|write| check_accepted(node, &replica, write))?;
            let commit = async { Commits::propose(&replica, metrics, write).await.next(deadline).await };
            let outcome =
                timeout_at(deadline, commit).await.unwrap_or_else(|_| Err(not_committed_in_time()))?;
            write.first().map(|write| write.write.response(outcome)).ok_or_else(not_committed_in_time)
        }
    };
    let result = match may_be_sent(&client, &write).await {
        Ok(()) => forward::on_leader(node, &leader_request, here).await,
        Err(rejection) => Err(rejection),
    };
    let (admitted, permit, result): (_, _, OutgoingResponse) = match result {
        Ok(response) => match client.start_reads(write, response) {
            Some((admitted, permit, response)) => (admitted, permit, Ok(response).into()),
            None => return,
        },
        Err(rejection) => {
            let AdmittedWrite { admitted, permit, .. } = write;
            (admitted, permit, Err(rejection).into())
        }
    };
    drop(permit);
    admitted.respond(responder, result).await;
}

/// Refuses a write that the level of the cluster does not have: a leader of that level may be unable to decode
/// it, and would end the channel that all clients of this node share.
async fn may_be_sent(client: &WritingClient, write: &AdmittedWrite) -> Result<(), Rejection> {
    let (command, deadline) = (write.write.command(), write.admitted.deadline);
    let here = client.responder.node().serving()?.state().level();
    if check_level(&command, here).is_ok() {
        return Ok(());
    }
    // This node may lag: the level counts that the cluster has now.
    let fresh = client.state.api.reads.fresh(Consistency::Linearizable, deadline).await?;
    check_level(&command, fresh.level())
}

/// Counts writes as in flight until the guards are dropped.
fn count<'a>(metrics: &'a RequestMetrics, writes: &[AdmittedWrite]) -> (GaugeGuard<'a>, GaugeGuard<'a>) {
    let bytes = writes.iter().map(|write| write.write.bytes()).sum();
    (metrics.in_flight.hold(writes.len()), metrics.write_bytes_in_flight.hold(bytes))
}

/// Writes that were proposed together: yields their outcomes in order, and measures the commits.
struct Commits<'a> {
    proposed: Result<Proposed, ProposeError>,
    began: Instant,
    metrics: &'a NodeMetrics,
}

impl<'a> Commits<'a> {
    async fn propose(replica: &Replica, metrics: &'a NodeMetrics, writes: &[AdmittedWrite]) -> Self {
        let began = Instant::now();
        let command = |write: &AdmittedWrite| AuthoredCommand {
            request: write.request,
            author: author(replica, &write.origin.identity),
            command: write.write.command(),
        };
        let proposed = propose_all(replica, writes.iter().map(command)).await;
        Self { proposed, began, metrics }
    }

    /// Waits until the next write is applied. Cancel safe.
    async fn next(&mut self, deadline: Instant) -> Result<Outcome, ProposeError> {
        let outcome = match &mut self.proposed {
            Ok(proposed) => proposed.next(deadline).await?,
            Err(not_proposed) => return Err(not_proposed.clone()),
        };
        self.metrics.commits.observe(self.began.elapsed());
        self.metrics.transactions.note(&outcome);
        Ok(outcome)
    }
}
