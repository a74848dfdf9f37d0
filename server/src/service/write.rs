//! One write: from its admission to the outcome that the leader reports.
//!
//! A write that consensus certainly did not apply, and every write on another node, is forwarded to
//! the leader. Guards that only a write that was certainly not applied is proposed again, unless the
//! caller lets this node repeat it under its request id.

use std::{slice, sync::Arc};

use coffee_common::{
    command::Outcome,
    feature_level::HISTORY,
    id::RequestId,
    protocol::{Consistency, Identity, Rejection, Response},
};
use tokio::time::{Instant, timeout_at};

use super::{
    access::RequestOrigin, admission::WritePermit, client_write::ClientWrite, context::Service,
    session::AdmittedRequest,
};
use crate::{
    metrics::{GaugeGuard, NodeMetrics, RequestMetrics},
    node::{
        Node,
        propose::{AuthoredCommand, ProposeError, Proposed, check_level, not_committed_in_time, propose_all},
        replica::Replica,
    },
    ops::forward::{self, LeaderRequest},
};

/// A write that was authorized, checked and admitted.
pub(crate) struct AdmittedWrite {
    pub(crate) admitted: AdmittedRequest,
    pub(crate) origin: RequestOrigin,
    pub(crate) request: RequestId,
    pub(crate) write: ClientWrite,
    pub(crate) permit: WritePermit,
}

/// Rejects a write for which there is no room, or that the cluster does not know.
pub(crate) fn check_accepted(node: &Node, replica: &Replica, write: &AdmittedWrite) -> Result<(), Rejection> {
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

/// Has a write carried out by the leader, which may also be this node. With `repeatable`, one whose
/// outcome is unknown is sent again under its request id until the deadline: it is applied at most
/// once. Otherwise its client does that.
pub(crate) async fn carry_out(
    service: &Service,
    write: &AdmittedWrite,
    repeatable: bool,
) -> Result<Response, Rejection> {
    let node = &service.node;
    let metrics = node.metrics();
    let _counted = count(&metrics.requests, slice::from_ref(write));
    let deadline = write.admitted.deadline;
    let request = write.write.request(write.request);
    let leader_request = LeaderRequest {
        body: &request,
        caller: (&write.origin.identity).into(),
        forwarded: write.origin.forwarded,
        deadline,
        repeatable,
        answered_elsewhere: Default::default(),
    };
    let here = |replica: Arc<Replica>| async move {
        if Instant::now() >= deadline {
            return Err(Rejection::Unavailable("the deadline has passed".to_owned()).into());
        }
        check_accepted(node, &replica, write)?;
        let writes = slice::from_ref(write);
        let commit = async { Commits::propose(&replica, metrics, writes).await.next(deadline).await };
        let outcome = timeout_at(deadline, commit).await.unwrap_or_else(|_| Err(not_committed_in_time()))?;
        Ok(write.write.response(outcome))
    };
    may_be_sent(service, write).await?;
    forward::on_leader(node, &leader_request, here).await
}

/// Refuses a write that the level of the cluster does not have: a leader of that level may be unable to decode
/// it, and would end the channel that all clients of this node share.
async fn may_be_sent(service: &Service, write: &AdmittedWrite) -> Result<(), Rejection> {
    let (command, deadline) = (write.write.command(), write.admitted.deadline);
    let here = service.node.serving()?.state().level();
    if check_level(&command, here).is_ok() {
        return Ok(());
    }
    // This node may lag: the level counts that the cluster has now.
    let fresh = service.reads.fresh(Consistency::Linearizable, deadline).await?;
    check_level(&command, fresh.level())
}

/// Counts writes as in flight until the guards are dropped.
pub(crate) fn count<'a>(
    metrics: &'a RequestMetrics,
    writes: &[AdmittedWrite],
) -> (GaugeGuard<'a>, GaugeGuard<'a>) {
    let bytes = writes.iter().map(|write| write.write.bytes()).sum();
    (metrics.in_flight.hold(writes.len()), metrics.write_bytes_in_flight.hold(bytes))
}

/// Writes that were proposed together: yields their outcomes in order, and measures the commits.
pub(crate) struct Commits<'a> {
    proposed: Result<Proposed, ProposeError>,
    began: Instant,
    metrics: &'a NodeMetrics,
}

impl<'a> Commits<'a> {
    pub(crate) async fn propose(
        replica: &Replica,
        metrics: &'a NodeMetrics,
        writes: &[AdmittedWrite],
    ) -> Self {
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
    pub(crate) async fn next(&mut self, deadline: Instant) -> Result<Outcome, ProposeError> {
        let outcome = match &mut self.proposed {
            Ok(proposed) => proposed.next(deadline).await?,
            Err(not_proposed) => return Err(not_proposed.clone()),
        };
        self.metrics.commits.observe(self.began.elapsed());
        self.metrics.transactions.note(&outcome);
        Ok(outcome)
    }
}
