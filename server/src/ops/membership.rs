//! Changes of leadership and membership.
//!
//! Pure functions (`decide`) decide from the leader's view (`leader_view`) whether
//! an operation is allowed. An operation is a sequence of idempotent steps: running
//! it again finishes one that broke off. Guards: one membership change at a time,
//! each committed and settled before the next; no change that loses the quorum;
//! leadership is handed over before a leader is removed.

mod accept_join;
mod boot;
mod change;
mod compact;
mod decide;
mod dial_limit;
mod down;
mod found;
mod hand_over;
mod leader_view;
mod left_out;
mod move_node;
mod own_address;
mod removal_watch;
mod remove_voter;
mod resume;
mod revoke;
mod settings;
mod transfer;
mod upgrade;

use std::sync::Arc;

use coffee_common::{
    command::NodeRecord,
    id::{Address, ClusterId, NodeId},
    protocol::{Consistency, LifecyclePhase, Rejection, Request, Response, rebuild_command},
};
use openraft::async_runtime::WatchReceiver;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use self::{dial_limit::DialLimit, leader_view::LeaderView};
use crate::{
    node::{LifecycleCommand, Node, propose::ProposeError, replica::Replica},
    ops::{
        forward::{self, LeaderRequest},
        progress::OperationProgress,
        reads::Reads,
    },
};

/// Number of leases for which an objection may have no other cause than a node that
/// has not answered yet.
const LEASES_OF_PATIENCE: u32 = 2;

/// Performs the operations on leadership and membership. Cheap to clone.
#[derive(Clone)]
pub struct MembershipManager {
    node: Arc<Node>,
    reads: Reads,
    /// Held while the membership changes.
    change_lock: Arc<Mutex<()>>,
    dials: Arc<DialLimit>,
}

impl MembershipManager {
    /// Manages the membership from this node. `reads` reads the records of nodes.
    pub fn new(node: Arc<Node>, reads: Reads) -> Self {
        Self { node, reads, change_lock: Arc::default(), dials: Arc::default() }
    }

    /// Runs a request on the leader, this node or another.
    pub async fn on_leader(&self, request: &LeaderRequest<'_>) -> Result<Response, Rejection> {
        forward::on_leader(&self.node, request, |replica| self.here(replica, request)).await
    }

    /// Runs a request locally, as the leader.
    async fn here(
        &self,
        replica: Arc<Replica>,
        request: &LeaderRequest<'_>,
    ) -> Result<Response, ProposeError> {
        let leading = self.leading(&replica, request.deadline).await?;
        let result = leading.run(request).await;
        result.map_err(|error| leading.progress.end(error))
    }

    async fn leading(&self, replica: &Arc<Replica>, deadline: Instant) -> Result<Leading, ProposeError> {
        // A leader that has just been elected may not have applied all records yet.
        self.reads.fresh(Consistency::Linearizable, deadline).await.map_err(retryable)?;
        Ok(self.unconfirmed(Arc::clone(replica), deadline))
    }

    /// The lock that is held while the membership changes.
    #[cfg(test)]
    pub(crate) fn change_lock(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.change_lock)
    }

    /// An operation on this node as the leader, which it may no longer be.
    fn unconfirmed(&self, replica: Arc<Replica>, deadline: Instant) -> Leading {
        Leading {
            node: Arc::clone(&self.node),
            replica,
            change_lock: Arc::clone(&self.change_lock),
            dials: Arc::clone(&self.dials),
            progress: Arc::default(),
            deadline,
        }
    }

    /// Accepts an invitation from a member of a cluster.
    pub fn invite(&self, cluster: ClusterId, members: &[Address]) -> Result<Response, Rejection> {
        let name = self.node.name();
        if let Some(replica) = self.node.replica() {
            if replica.cluster() == cluster {
                // All members that it knows may have moved since it was admitted.
                self.node.last_invitation().note(members);
                if self.node.phase() == LifecyclePhase::Joining {
                    self.node.command(LifecycleCommand::Join { cluster, members: members.to_vec() });
                }
                return Ok(Response::Done { changed: false });
            }
            return Err(Rejection::Refused {
                reason: format!("{name} belongs to cluster {}, not to {cluster}", replica.cluster()),
                hint: match members.first() {
                    Some(from) => format!(
                        "if it was left out of a restore or a recovery: stop it, run '{}' there, and start it; \
                         if not, remove it from that cluster first",
                        rebuild_command(cluster, from)
                    ),
                    None => format!("remove {name} from that cluster first"),
                },
            });
        }
        match self.node.phase() {
            LifecyclePhase::Stopping => return Err(Rejection::Unavailable(format!("{name} is stopping"))),
            // It may turn out to be a member.
            LifecyclePhase::Opening => {
                return Err(Rejection::Unavailable(format!("{name} is opening its data")));
            }
            _ => {}
        }
        if self.node.command(LifecycleCommand::Join { cluster, members: members.to_vec() }) {
            Ok(Response::Done { changed: true })
        } else {
            Err(Rejection::Overloaded)
        }
    }

    /// Stops this node and keeps it down: the cluster has removed it.
    pub fn shut_down_removed(&self, id: NodeId) -> Result<Response, Rejection> {
        match self.node.replica() {
            Some(replica) if replica.id() == id => {
                if self.node.command(LifecycleCommand::ShutDownRemoved { id }) {
                    // At once: the next request must not find it a member.
                    self.node.set_phase(LifecyclePhase::Stopping);
                    Ok(Response::Done { changed: true })
                } else {
                    Err(Rejection::Overloaded)
                }
            }
            // Meant for another incarnation, or already done.
            _ => Ok(Response::Done { changed: false }),
        }
    }
}

/// An operation in progress on the leader.
struct Leading {
    node: Arc<Node>,
    replica: Arc<Replica>,
    change_lock: Arc<Mutex<()>>,
    dials: Arc<DialLimit>,
    progress: Arc<OperationProgress>,
    deadline: Instant,
}

impl Leading {
    async fn run(&self, request: &LeaderRequest<'_>) -> Result<Response, ProposeError> {
        match request.body {
            Request::Boot { node, address } => self.boot(node, address.as_ref()).await,
            Request::Move { node, address } => {
                self.move_node(node, address).await.map(|changed| Response::Done { changed })
            }
            Request::Transfer { to } => self.transfer(to.as_ref()).await,
            Request::Down { node, dry_run: true } => self.plan_down(node.as_ref()).await,
            Request::Remove { node, dry_run } => self.remove(node, *dry_run).await,
            Request::CanStop { node } => self.can_stop(node).await,
            Request::Join { node, address, level } => self.accept_join(node, address, *level).await,
            Request::Promote { id } => self.promote(&request.caller.identity.name, *id).await,
            Request::RemoveVoter { node, id, standing } => {
                self.remove_voter(node, *id, *standing).await.map(Response::Removed)
            }
            Request::Revoke { list } => self.revoke(list).await,
            Request::FinishUpgrade { dry_run } => self.finish_upgrade(*dry_run).await,
            Request::Settings => Ok(self.settings()),
            Request::ChangeSetting { name, value } => self.change_setting(name, value.as_deref()).await,
            Request::CompactHistory { upto } => self.compact_history(*upto).await,
            #[cfg(coffee_future)]
            Request::FutureTouch(node) => self.touch(node).await,
            _ => Err(Rejection::Invalid("this request is not for the leader".to_owned()).into()),
        }
    }

    fn view(&self) -> LeaderView {
        LeaderView::of(&self.replica.metrics(), self.node.address(), self.node.lease(), self.node.lease())
    }

    /// Decides from the answers that arrive from now on. On an objection it decides
    /// again for a while, because not all nodes have answered yet.
    async fn decide<T>(
        &self,
        verdict: impl Fn(&LeaderView) -> Result<T, Rejection>,
    ) -> Result<T, ProposeError> {
        let asked = Instant::now();
        let patience = self.deadline.min(asked + LEASES_OF_PATIENCE * self.node.lease());
        let mut changes = self.replica.raft().metrics();
        // Asks all nodes at once; the next heartbeat repeats a lost one.
        let _ = self.replica.raft().trigger().heartbeat().await;
        loop {
            let view = LeaderView::of(
                &changes.borrow_and_update(),
                self.node.address(),
                self.node.lease(),
                asked.elapsed(),
            );
            let objection = match verdict(&view) {
                Ok(decided) => return Ok(decided),
                Err(objection) => retryable(objection),
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

fn no_longer_leader() -> ProposeError {
    ProposeError::NotApplied("this node is no longer the leader".to_owned())
}

/// Makes an unavailable leader or node a reason to retry until the deadline.
fn retryable(rejection: Rejection) -> ProposeError {
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
