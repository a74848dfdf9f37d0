//! Writes: the only path from an admitted write to its response.
//!
//! If this node leads, writes that arrived together are proposed together: one message to
//! consensus, one task, and one frame for the responses that are ready together. A write that
//! consensus certainly did not apply, and every write on another node, is forwarded to the leader.
//!
//! Guards that a write is admitted and counted once, whichever way it takes, and that only a write
//! that was certainly not applied is proposed again.

use std::sync::Arc;

use coffee_common::protocol::Response;
use futures_util::FutureExt;

use super::responder::{Responder, ResponseGroup};
use crate::{
    metrics::measured,
    node::{propose::ProposeError, replica::Replica},
    ops::forward,
    service::{
        Session,
        admission::WritePermit,
        client_write::ClientWrite,
        session::AdmittedRequest,
        transactions,
        write::{self, AdmittedWrite, Commits, check_accepted, count},
    },
};

/// Starts carrying out writes that arrived together.
pub(super) fn start(session: &Arc<Session>, responder: &Arc<Responder>, writes: Vec<AdmittedWrite>) {
    if writes.is_empty() {
        return;
    }
    let client = WritingClient { session: Arc::clone(session), responder: Arc::clone(responder) };
    match responder.node().replica().filter(|replica| replica.leads()) {
        Some(replica) => drop(tokio::spawn(measured(propose_together(replica, client, writes)))),
        None => writes.into_iter().for_each(|write| client.start_forward(write)),
    }
}

/// The client of some writes: its connection, and the stream that its responses take.
#[derive(Clone)]
struct WritingClient {
    session: Arc<Session>,
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
                        transactions::complete(&client.session, &transaction, response, deadline).await;
                    client.responder.respond(admitted, complete).await;
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
        responder.respond_together(admitted, &mut group, &result);
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
                responder.respond(admitted, Err(rejection).into()).await;
            }
        }
    }
    with_room
}

/// Has a write carried out by the leader, which may also be this node, and answers it.
async fn forward(client: WritingClient, write: AdmittedWrite) {
    let responder = &client.responder;
    let (admitted, permit, result) = match write::carry_out(&client.session.service, &write, false).await {
        Ok(response) => match client.start_reads(write, response) {
            Some((admitted, permit, response)) => (admitted, permit, Ok(response)),
            None => return,
        },
        Err(rejection) => {
            let AdmittedWrite { admitted, permit, .. } = write;
            (admitted, permit, Err(rejection))
        }
    };
    drop(permit);
    responder.respond(admitted, result.into()).await;
}
