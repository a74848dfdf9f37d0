//! Removes a node from the cluster and shuts it down.
//!
//! The node that received the request performs the steps: leadership moves to
//! another node, the leader removes the node from the membership, and once that is
//! committed, the node is told to stop. Each step checks whether it is needed;
//! running the operation again finishes an incomplete one.

use std::time::Duration;

use coffee_common::{
    command::{MemberState, NodeRecord},
    id::NodeName,
    protocol::{Consistency, Rejection, Removal, Request, Response},
    quic::Expect,
};
use tokio::time::{Instant, sleep};

use super::{
    Leading, MembershipManager,
    decide::{may_remove, not_a_member, refused},
    leader_view::find,
    millis_since,
};
use crate::{
    node::propose::ProposeError,
    ops::{
        forward::{Caller, LeaderRequest},
        progress::OperationProgress,
        status,
    },
};

/// How long the removed node has to answer.
const SHUT_DOWN_WITHIN: Duration = Duration::from_secs(2);

/// Time limit of one attempt. The next one looks up the leader again.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(3);

/// The pause after a failed attempt.
const PAUSE: Duration = Duration::from_millis(20);

impl Leading {
    /// Returns the effect of taking a node down, or why it is not safe.
    pub(super) async fn plan_down(&self, node: Option<&NodeName>) -> Result<Response, ProposeError> {
        let began = Instant::now();
        let name = node.unwrap_or_else(|| self.node.name());
        let view = self.view();
        let records = self.records()?;
        let member = view.member(name);
        let Some(id) = member.or_else(|| find(&records, name).map(|record| record.id)) else {
            return Err(not_a_member(name).into());
        };
        let record = find(&records, name);
        if record.is_some_and(|record| record.standing == MemberState::Announced) && member.is_none() {
            return Err(refused(
                format!("{name} is announced and has not joined"),
                format!("to withdraw the announcement: coffeectl node remove {name}"),
            )
            .into());
        }
        let count = self.decide(|view| may_remove(view, id)).await?;
        let down = record.is_some_and(|record| record.standing == MemberState::Shutdown);
        if let Some(record) = record.filter(|_| member.is_none() && down) {
            self.is_not_elsewhere(record).await?;
        }
        Ok(Response::Down(Removal {
            node: name.clone(),
            changed: member.is_some() || !down,
            voters_before: count.before,
            voters_after: count.after,
            leader: None,
            took_ms: millis_since(began),
        }))
    }
}

impl Leading {
    /// Refuses if a node that is shut down according to its record runs in another cluster: it is
    /// not down, and this cluster cannot shut it down.
    async fn is_not_elsewhere(&self, record: &NodeRecord) -> Result<(), ProposeError> {
        let NodeRecord { name, address, .. } = record;
        let raft = status::ask(&self.node, name, address).await.and_then(|status| status.raft);
        match raft.filter(|raft| raft.cluster != self.replica.cluster()) {
            Some(raft) => Err(refused(
                format!(
                    "{name} runs, and belongs to cluster {}: it is not this cluster's to shut down",
                    raft.cluster
                ),
                format!(
                    "stop coffeed on its host; 'coffeectl boot {name}' says how it returns to this cluster"
                ),
            )
            .into()),
            None => Ok(()),
        }
    }
}

impl MembershipManager {
    /// Takes a node down on behalf of an operator: without a name, the leader.
    pub async fn down(
        &self,
        caller: Caller<'_>,
        node: Option<&NodeName>,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        let began = Instant::now();
        let plan = Request::Down { node: node.cloned(), dry_run: true };
        let Response::Down(plan) = self.ask_leader(caller, &plan, deadline).await? else {
            return Err(misfit());
        };
        let mut record = self.record(&plan.node, deadline).await?;
        let (removal, retried) = loop {
            tracing::info!(node = %record.name, id = %record.id, "removing a node");
            let (removal, retried) = self.remove_by_leader(caller, &record, deadline).await?;
            if removal.changed || !plan.changed || record.name == *self.node.name() {
                break (removal, retried);
            }
            // It may have been admitted again, under another id, before this removal had its turn.
            match self.record(&record.name, deadline).await {
                Ok(now) if now.id != record.id => record = now,
                _ => break (removal, retried),
            }
        };
        // An attempt without an answer may have done it.
        let removal = if retried && plan.changed && !removal.changed { plan } else { removal };
        self.shut_down_removed_node(&record).await;
        let leader =
            self.node.leader_hint().map(|leader| leader.name).filter(|leader| *leader != record.name);
        let took_ms = millis_since(began);
        Ok(Response::Down(Removal { leader, took_ms, ..removal }))
    }

    /// Has the node removed from the membership by a leader other than the node itself.
    /// Returns also whether an attempt before may have been applied.
    async fn remove_by_leader(
        &self,
        caller: Caller<'_>,
        record: &NodeRecord,
        deadline: Instant,
    ) -> Result<(Removal, bool), Rejection> {
        let NodeRecord { name, id, .. } = record;
        let remove =
            Request::RemoveVoter { node: name.clone(), id: *id, standing: Some(MemberState::Shutdown) };
        let progress = OperationProgress::default();
        loop {
            let attempt = deadline.min(Instant::now() + ATTEMPT_WITHIN);
            match self.hand_over_from(caller, record, attempt).await {
                Ok(true) => progress.begin(),
                Ok(false) => {}
                Err(rejection) => return Err(progress.reject(rejection)),
            }
            let result = self.ask_leader(caller, &remove, attempt).await;
            if let Err(rejection) = &result {
                progress.note(rejection);
            }
            match result {
                Ok(Response::Removed(removal)) => return Ok((removal, progress.has_begun())),
                Ok(_) => return Err(misfit()),
                // Most likely the node is still, or again, the leader.
                Err(Rejection::Unavailable(why) | Rejection::Unknown(why)) if Instant::now() < deadline => {
                    tracing::info!(node = %name, %why, "node not removed yet, retrying");
                    // An attempt without time left ends at once.
                    sleep(PAUSE).await;
                }
                Err(rejection) => return Err(progress.reject(rejection)),
            }
        }
    }

    /// Has leadership handed over if the node is the leader. Returns whether it may have been.
    async fn hand_over_from(
        &self,
        caller: Caller<'_>,
        record: &NodeRecord,
        deadline: Instant,
    ) -> Result<bool, Rejection> {
        if self.node.leader_hint().is_none_or(|leader| leader.name != record.name) {
            return Ok(false);
        }
        let request = &Request::Transfer { to: None };
        let request = leader_request(request, caller, deadline, false);
        match self.on_leader(&request).await {
            Ok(_) | Err(Rejection::Unknown(_) | Rejection::Unreadable(_)) => Ok(true),
            // The next attempt looks up the leader again.
            Err(Rejection::Unavailable(_)) => Ok(false),
            Err(rejection) => Err(rejection),
        }
    }

    /// Tells the removed node to stop. If it is unreachable, it finds out later on
    /// its own (see [`super::removal_watch`]).
    async fn shut_down_removed_node(&self, record: &NodeRecord) {
        if record.name == *self.node.name() {
            let _ = self.shut_down_removed(record.id);
            return;
        }
        let expect = Expect::Node(record.name.clone());
        let request = Request::ShutDownRemoved { id: record.id };
        let pool = self.node.pool();
        let cluster = self.node.cluster().into();
        if let Err(error) = pool.ask(&record.address, &expect, &request, cluster, SHUT_DOWN_WITHIN).await {
            tracing::info!(node = %record.name, %error, "removed node is unreachable");
        }
    }

    /// The current record of a node.
    async fn record(&self, name: &NodeName, deadline: Instant) -> Result<NodeRecord, Rejection> {
        let fresh = self.reads.fresh(Consistency::Linearizable, deadline).await?;
        fresh.record(name)?.ok_or_else(|| not_a_member(name))
    }

    async fn ask_leader(
        &self,
        caller: Caller<'_>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        self.on_leader(&leader_request(request, caller, deadline, true)).await
    }
}

fn leader_request<'a>(
    body: &'a Request,
    caller: Caller<'a>,
    deadline: Instant,
    repeatable: bool,
) -> LeaderRequest<'a> {
    let answered_elsewhere = Default::default();
    LeaderRequest { body, caller, forwarded: false, deadline, repeatable, answered_elsewhere }
}

fn misfit() -> Rejection {
    Rejection::Unknown("the leader sent an unexpected response".to_owned())
}
