//! Who leads and who belongs to the cluster, and how that changes.
//!
//! What may be done is decided purely (`decide`) on what the leader sees
//! (`view`); what is done is a row of steps, each of which does nothing the
//! second time, so that an operation that broke off is finished by running it
//! again. Guards: one change of membership at a time, each one committed and
//! settled before the next; nothing that would lose the quorum; leadership
//! handed over before a leader goes.

mod accept_join;
mod boot;
mod change;
mod decide;
mod down;
mod leader_view;
mod removal_watch;
mod remove_voter;
mod resume;
mod transfer;

use std::sync::Arc;

use coffee_common::{
    command::NodeRecord,
    id::{Address, ClusterId, NodeId},
    protocol::{Consistency, LifecyclePhase, Rejection, Request, Response},
};
use openraft::async_runtime::WatchReceiver;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use self::leader_view::LeaderView;
use crate::{
    node::{LifecycleCommand, Node, propose::ProposeError, replica::Replica},
    ops::{
        forward::{self, LeaderRequest},
        reads::Reads,
    },
};

/// For so many leases an objection may be due to somebody not having been heard yet.
const LEASES_OF_PATIENCE: u32 = 2;

/// Carries out what concerns leadership and membership. Cheap to clone.
#[derive(Clone)]
pub struct MembershipManager {
    node: Arc<Node>,
    reads: Reads,
    /// Held by whoever changes the membership.
    change_lock: Arc<Mutex<()>>,
}

impl MembershipManager {
    /// For one node, whose reads find out what is recorded of the others.
    pub fn new(node: Arc<Node>, reads: Reads) -> Self {
        Self { node, reads, change_lock: Arc::default() }
    }

    /// Has something done by the leader, be it this node or another.
    pub async fn on_leader(&self, request: &LeaderRequest<'_>) -> Result<Response, Rejection> {
        forward::on_leader(&self.node, request, |replica| self.here(replica, request)).await
    }

    /// Does it here, where this node leads.
    async fn here(
        &self,
        replica: Arc<Replica>,
        request: &LeaderRequest<'_>,
    ) -> Result<Response, ProposeError> {
        let leading = self.leading(&replica, request.deadline).await?;
        match request.body {
            Request::Boot { node, address } => leading.boot(node, address.as_ref()).await,
            Request::Transfer { to } => leading.transfer(to.as_ref()).await,
            Request::Down { node, dry_run: true } => leading.plan_down(node.as_ref()).await,
            Request::Remove { node, dry_run } => leading.remove(node, *dry_run).await,
            Request::CanStop { node } => leading.can_stop(node).await,
            Request::Join { node, address } => leading.accept_join(node, address).await,
            Request::Promote { id } => leading.promote(*id).await,
            Request::RemoveVoter { node, id, standing } => leading.remove_voter(node, *id, *standing).await,
            _ => Err(Rejection::Invalid("this is nothing that a leader does".to_owned()).into()),
        }
    }

    async fn leading(&self, replica: &Arc<Replica>, deadline: Instant) -> Result<Leading, ProposeError> {
        // A leader that has just been elected may not have applied all that is recorded.
        self.reads.fresh(Consistency::Linearizable, deadline).await.map_err(again)?;
        Ok(Leading {
            node: Arc::clone(&self.node),
            replica: Arc::clone(replica),
            change_lock: Arc::clone(&self.change_lock),
            deadline,
        })
    }

    /// Hands leadership over, if this node has it, to whoever is best. Where
    /// there is no other voter, it stays.
    pub async fn hand_over(&self, deadline: Instant) -> Result<(), Rejection> {
        let Some(replica) = self.node.replica().filter(|replica| replica.leads()) else { return Ok(()) };
        let leading = Leading {
            node: Arc::clone(&self.node),
            replica,
            change_lock: Arc::clone(&self.change_lock),
            deadline,
        };
        if leading.view().settled_voters().len() < 2 {
            return Ok(());
        }
        leading.transfer(None).await.map(drop).map_err(rejection)
    }

    /// A member calls this node into its cluster.
    pub fn invite(&self, cluster: ClusterId, members: &[Address]) -> Result<Response, Rejection> {
        let name = self.node.name();
        if let Some(replica) = self.node.replica() {
            if replica.cluster() == cluster {
                return Ok(Response::Done { changed: false });
            }
            return Err(Rejection::Refused {
                reason: format!("{name} belongs to the cluster {}, not to {cluster}", replica.cluster()),
                hint: format!("take it down there first, or give {name} an empty data directory"),
            });
        }
        if self.node.phase() == LifecyclePhase::Stopping {
            return Err(Rejection::Unavailable(format!("{name} is stopping")));
        }
        if self.node.command(LifecycleCommand::Join { cluster, members: members.to_vec() }) {
            Ok(Response::Done { changed: true })
        } else {
            Err(Rejection::Overloaded)
        }
    }

    /// The cluster has taken this node out: it stops, and stays down.
    pub fn shut_down_removed(&self, id: NodeId) -> Result<Response, Rejection> {
        match self.node.replica() {
            Some(replica) if replica.id() == id => {
                if self.node.command(LifecycleCommand::ShutDownRemoved { id }) {
                    // At once: whoever asks next shall not take it for a member.
                    self.node.set_phase(LifecyclePhase::Stopping);
                    Ok(Response::Done { changed: true })
                } else {
                    Err(Rejection::Overloaded)
                }
            }
            // Another incarnation is meant, or it is done already.
            _ => Ok(Response::Done { changed: false }),
        }
    }
}

/// A node that leads, at work.
struct Leading {
    node: Arc<Node>,
    replica: Arc<Replica>,
    change_lock: Arc<Mutex<()>>,
    deadline: Instant,
}

impl Leading {
    fn view(&self) -> LeaderView {
        LeaderView::of(&self.replica.metrics(), self.node.lease(), self.node.lease())
    }

    /// Decides on what the others answer from now on, and if something stands
    /// against it looks again for a while: not everybody has answered yet.
    async fn decide<T>(
        &self,
        verdict: impl Fn(&LeaderView) -> Result<T, Rejection>,
    ) -> Result<T, ProposeError> {
        let asked = Instant::now();
        let patience = self.deadline.min(asked + LEASES_OF_PATIENCE * self.node.lease());
        let mut changes = self.replica.raft().metrics();
        // Asks everybody at once; one that is lost to this is asked by the next heartbeat.
        let _ = self.replica.raft().trigger().heartbeat().await;
        loop {
            let view = LeaderView::of(&changes.borrow_and_update(), self.node.lease(), asked.elapsed());
            let objection = match verdict(&view) {
                Ok(decided) => return Ok(decided),
                Err(objection) => again(objection),
            };
            let again = patience.min(Instant::now() + self.node.lease() / 4);
            let in_vain = || view.possible_views().iter().all(|view| verdict(view).is_err());
            if Instant::now() >= patience || !self.replica.leads() || in_vain() {
                return Err(objection);
            }
            if let Ok(Err(_)) = timeout_at(again, changes.changed()).await {
                return Err(ProposeError::NotApplied("this node is stopping".to_owned()));
            }
        }
    }

    fn records(&self) -> Result<Vec<NodeRecord>, ProposeError> {
        let records = self.replica.state().nodes();
        records.map_err(|error| ProposeError::NotApplied(format!("the state cannot be read: {error}")))
    }

    fn time_left(&self) -> std::time::Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What can be tried again, as long as there is time.
fn again(rejection: Rejection) -> ProposeError {
    match rejection {
        Rejection::Unavailable(why) => ProposeError::NotApplied(why),
        other => ProposeError::Rejected(other),
    }
}

fn rejection(error: ProposeError) -> Rejection {
    match error {
        ProposeError::NotApplied(why) => Rejection::Unavailable(why),
        ProposeError::Rejected(rejection) => rejection,
    }
}

fn millis_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
