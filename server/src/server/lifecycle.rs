//! A node's lifecycle, from start to stop.
//!
//! One task owns the data directory and moves through the stages: waiting for an
//! invitation, joining, running, stopping.

mod catch_up;

use std::{pin::pin, sync::Arc, time::Duration};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeId},
    protocol::{LifecyclePhase, NodeEventKind, Rejection},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Closed, StartError, join, listeners::Listeners, mode::Mode, reload::Reloading,
    replica_runtime::ReplicaRuntime, waiting_peers::WaitingPeers,
};
use crate::{
    api::{admin::Listening, peer::PeerContext},
    config::Config,
    node::{LifecycleCommand, Node},
    ops::membership::MembershipManager,
    raft_types::Member,
    server::shutdown,
    service::Service,
    storage::{
        disk::{DataDir, NodeIdentity},
        state::Databases,
    },
};

/// How long the start waits for a founder to become leader. It takes longer only on a very slow disk.
const ELECTED_WITHIN: Duration = Duration::from_secs(5);

/// Gets the id of a cluster that was founded.
type FoundReply = oneshot::Sender<Result<ClusterId, Rejection>>;

/// The parts of a node.
pub(super) struct Lifecycle {
    pub(super) node: Arc<Node>,
    pub(super) membership: MembershipManager,
    pub(super) service: Arc<Service>,
    pub(super) listeners: Listeners,
    pub(super) data: DataDir,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) config: Config,
    pub(super) peers: watch::Sender<Option<PeerContext>>,
    pub(super) waiting_peers: WaitingPeers,
    pub(super) reloading: Arc<Reloading>,
    pub(super) commands: mpsc::Receiver<LifecycleCommand>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Serves metrics and health checks until the node has stopped.
    pub(super) admin: Option<Listening>,
}

/// The stage that a node is in until something moves it to the next one.
enum LifecycleStage {
    /// It belongs to no cluster and waits for an invitation.
    Waiting,
    /// It asks these members to join their cluster.
    Asking(Vec<Address>),
    /// It has joined and catches up. It asks these members to be made a voter.
    CatchingUp(Box<ReplicaRuntime>, Vec<Address>),
    /// It is a voter.
    Running(Box<ReplicaRuntime>),
    /// It stops, and reports this to its host program.
    Ending(Option<Box<ReplicaRuntime>>, Closed),
}

impl LifecycleStage {
    fn phase(&self) -> LifecyclePhase {
        match self {
            Self::Waiting => LifecyclePhase::Waiting,
            Self::Asking(_) | Self::CatchingUp(..) => LifecyclePhase::Joining,
            Self::Running(_) => LifecyclePhase::Running,
            Self::Ending(..) => LifecyclePhase::Stopping,
        }
    }

    fn stopped(runtime: Option<Box<ReplicaRuntime>>) -> Self {
        Self::Ending(runtime, Closed::Stopped)
    }

    fn failed(runtime: Option<Box<ReplicaRuntime>>, error: impl Into<StartError>) -> Self {
        let error = error.into();
        let cause = error.to_string().into();
        let how = match () {
            () if error.is_damage() => Closed::Damaged(cause),
            () if error.is_newer() => Closed::Newer(cause),
            () => Closed::Failed(cause),
        };
        Self::Ending(runtime, how)
    }
}

impl Lifecycle {
    /// Performs the steps of the start that can fail, then runs in the background.
    pub(super) async fn begin(mut self, mode: Mode) -> Result<watch::Receiver<Option<Closed>>, StartError> {
        let stage = match self.first_stage(mode).await {
            Ok(stage) => stage,
            Err(error) => {
                // Tells the clients that have connected in the meantime.
                self.listeners.close("this node could not start").await;
                return Err(error);
            }
        };
        // A status request right after the start must show the right phase.
        self.node.set_phase(stage.phase());
        let (sender, closed) = watch::channel(None);
        tokio::spawn(async move {
            let how = self.live(stage).await;
            sender.send_replace(Some(how));
        });
        Ok(closed)
    }

    async fn first_stage(&mut self, mode: Mode) -> Result<LifecycleStage, StartError> {
        match mode {
            Mode::Resume(identity) => Ok(LifecycleStage::Running(self.open_replica(&identity).await?)),
            Mode::ResumeJoining(identity) => {
                let runtime = self.open_replica(&identity).await?;
                Ok(LifecycleStage::CatchingUp(runtime, self.joins(&identity)))
            }
            Mode::ResumeFounding(identity) => Ok(LifecycleStage::Running(self.found(&identity).await?)),
            Mode::Join(members) => Ok(LifecycleStage::Asking(members)),
            Mode::Wait => Ok(LifecycleStage::Waiting),
        }
    }

    /// The members that the node joins: those in its configuration, and those that admitted it.
    fn joins(&self, identity: &NodeIdentity) -> Vec<Address> {
        self.config.join.iter().chain(&identity.rejoin).cloned().collect()
    }

    /// Opens the node's replica and lets it serve.
    async fn open_replica(&mut self, identity: &NodeIdentity) -> Result<Box<ReplicaRuntime>, StartError> {
        let mut runtime = ReplicaRuntime::open(
            &self.data,
            self.databases.clone(),
            identity,
            (&self.listeners.endpoint, self.node.events()),
            &self.config,
        )
        .await?;
        self.reloading.use_lists_of(&runtime.replica).await;
        runtime.follow_lists(&self.reloading);
        runtime.activate(&self.node, &self.membership, self.joins(identity));
        self.peers.send_replace(Some(runtime.peers.clone()));
        let NodeIdentity { cluster, id, .. } = identity;
        tracing::info!(%cluster, %id, "replica opened");
        let text = format!("takes part in cluster {cluster} as node {id}");
        self.node.events().record(NodeEventKind::Open, "", text);
        Ok(Box::new(runtime))
    }

    /// Founds a cluster on request, if the data directory is empty and none of `members`
    /// belongs to a cluster. `None`: the request is refused, and the node goes on as before.
    async fn found_new(&mut self, members: &[Address], reply: FoundReply) -> Option<LifecycleStage> {
        if let Err(rejection) = self.may_found(members).await {
            let _ = reply.send(Err(rejection));
            return None;
        }
        match self.found_cluster().await {
            Ok(runtime) => {
                // Before the reply: the caller may look at once, and must not see a node that waits.
                self.node.set_phase(LifecyclePhase::Running);
                let _ = reply.send(Ok(runtime.replica.cluster()));
                Some(LifecycleStage::Running(runtime))
            }
            Err(error) => {
                let _ = reply.send(Err(Rejection::Unknown(error.to_string())));
                Some(LifecycleStage::failed(None, error))
            }
        }
    }

    async fn may_found(&self, members: &[Address]) -> Result<(), Rejection> {
        let name = self.node.name();
        if let Some(identity) = self.data.identity() {
            return Err(Rejection::Refused {
                reason: format!(
                    "{name} was a member of cluster {}, and founds no other one",
                    identity.cluster
                ),
                hint: format!(
                    "bring it back with 'coffeectl boot {name}', or give it an empty data directory"
                ),
            });
        }
        if let Some(peer) = self.waiting_peers.any() {
            return Err(Rejection::Refused {
                reason: format!("{peer} calls {name} as a member of its cluster"),
                hint: format!(
                    "if {name} lost its disk: 'coffeectl boot {name}' with {peer} among the --endpoints"
                ),
            });
        }
        match join::cluster_of(&self.node, members).await {
            None => Ok(()),
            Some((member, cluster)) => Err(Rejection::Refused {
                reason: format!("{name} asks {member} to join, which belongs to cluster {cluster}"),
                hint: "see in its log why it was not admitted yet".to_owned(),
            }),
        }
    }

    async fn found_cluster(&mut self) -> Result<Box<ReplicaRuntime>, StartError> {
        let cluster = ClusterId::random().map_err(|error| StartError::Internal(error.to_string()))?;
        let name = self.config.name.clone();
        let identity = NodeIdentity::joining(cluster, NodeId::FOUNDER, name, Vec::new());
        self.data.adopt(identity.clone())?;
        tracing::info!(%cluster, "founding a cluster");
        self.found(&identity).await
    }

    /// Founds a single-node cluster, or finishes an interrupted attempt.
    async fn found(&mut self, identity: &NodeIdentity) -> Result<Box<ReplicaRuntime>, StartError> {
        let runtime = self.open_replica(identity).await?;
        let raft = runtime.replica.raft();
        let internal = |error: &dyn std::fmt::Display| StartError::Internal(error.to_string());
        if !raft.is_initialized().await.map_err(|error| internal(&error))? {
            let member = Member { name: self.node.name().clone(), address: self.node.address().clone() };
            let members = std::collections::BTreeMap::from([(identity.id, member)]);
            raft.initialize(members).await.map_err(|error| internal(&error))?;
        }
        self.data.set_standing(MemberState::Member)?;
        let leads = runtime.replica.until(|metrics| metrics.state.is_leader());
        if timeout(ELECTED_WITHIN, leads).await.is_err() {
            tracing::warn!("the new cluster has no leader yet");
        }
        self.membership.raise_founded(&runtime.replica, ELECTED_WITHIN).await;
        Ok(runtime)
    }

    async fn live(mut self, mut stage: LifecycleStage) -> Closed {
        loop {
            self.node.set_phase(stage.phase());
            stage = match stage {
                LifecycleStage::Waiting => self.wait().await,
                LifecycleStage::Asking(members) => self.ask(members).await,
                LifecycleStage::CatchingUp(runtime, members) => self.catch_up(runtime, members).await,
                LifecycleStage::Running(runtime) => self.run(runtime).await,
                LifecycleStage::Ending(runtime, how) => return self.end(runtime, how).await,
            };
        }
    }

    async fn wait(&mut self) -> LifecycleStage {
        let name = self.node.name();
        tracing::info!(
            node = %name,
            "belongs to no cluster: 'coffeectl boot {name}' adds it to one, 'coffeectl init {name}' founds a new one"
        );
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return LifecycleStage::stopped(None),
                command = self.commands.recv() => match command {
                    Some(LifecycleCommand::Join { members, .. }) => return LifecycleStage::Asking(members),
                    Some(LifecycleCommand::Found { reply }) => {
                        if let Some(stage) = self.found_new(&[], reply).await {
                            return stage;
                        }
                    }
                    Some(LifecycleCommand::ShutDownRemoved { .. } | LifecycleCommand::LeaveReplaced { .. }) => {}
                    None => return LifecycleStage::stopped(None),
                },
            }
        }
    }

    async fn ask(&mut self, members: Vec<Address>) -> LifecycleStage {
        // A node whose data was set aside rejoins only its own cluster.
        let own = self.data.identity().filter(|identity| !identity.rejoin.is_empty());
        let own = own.map(|identity| identity.cluster);
        let (invitation, asked) = watch::channel(members);
        let end = {
            // Goes on when an invitation arrives: a request on its way may be granted, and another one
            // would be granted too, under a second id.
            let mut asking = pin!(join::ask(&self.node, asked, own));
            loop {
                tokio::select! {
                    () = stopped(&mut self.stopping) => return LifecycleStage::stopped(None),
                    admitted = &mut asking => break Ok(admitted),
                    command = self.commands.recv() => match command {
                        // The member that invites this node knows the current members.
                        Some(LifecycleCommand::Join { members: now, .. }) => {
                            invitation.send_replace(now);
                        }
                        Some(LifecycleCommand::Found { reply }) => break Err(reply),
                        _ => {}
                    },
                }
            }
        };
        match end {
            Err(reply) => {
                let members = invitation.borrow().clone();
                let founded = self.found_new(&members, reply).await;
                founded.unwrap_or(LifecycleStage::Asking(members))
            }
            Ok((cluster, id, asked)) => {
                let members = join::with_recorded(&self.node, asked, cluster).await;
                match self.open_new_replica((cluster, id), members.clone()).await {
                    Ok(runtime) => LifecycleStage::CatchingUp(runtime, members),
                    Err(error) => LifecycleStage::failed(None, error),
                }
            }
        }
    }

    /// Opens a new replica under the id that the cluster gave this node.
    async fn open_new_replica(
        &mut self,
        (cluster, id): (ClusterId, NodeId),
        members: Vec<Address>,
    ) -> Result<Box<ReplicaRuntime>, StartError> {
        let identity = NodeIdentity::joining(cluster, id, self.config.name.clone(), members);
        if let Some(aside) = self.data.adopt(identity.clone())? {
            tracing::info!(folder = %aside.display(), "the former data is set aside until this node is a voter");
        }
        self.open_replica(&identity).await
    }

    async fn run(&mut self, runtime: Box<ReplicaRuntime>) -> LifecycleStage {
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return LifecycleStage::stopped(Some(runtime)),
                how = runtime.failed() => return LifecycleStage::Ending(Some(runtime), how),
                command = self.commands.recv() => match command {
                    Some(LifecycleCommand::ShutDownRemoved { id } | LifecycleCommand::LeaveReplaced { id })
                        if id == runtime.replica.id() =>
                    {
                        return self.shut_down_removed(runtime);
                    }
                    Some(_) => {}
                    None => return LifecycleStage::stopped(Some(runtime)),
                },
            }
        }
    }

    /// Records durably that the node was removed, then stops it.
    fn shut_down_removed(&mut self, runtime: Box<ReplicaRuntime>) -> LifecycleStage {
        tracing::info!(id = %runtime.replica.id(), "removed from the cluster, stopping");
        match self.data.set_standing(MemberState::Shutdown) {
            Ok(()) => LifecycleStage::Ending(Some(runtime), Closed::Removed),
            Err(error) => LifecycleStage::failed(Some(runtime), error),
        }
    }

    async fn leave(&self, runtime: Box<ReplicaRuntime>) {
        self.peers.send_replace(None);
        self.node.set_replica(None);
        runtime.close().await;
    }

    async fn end(mut self, runtime: Option<Box<ReplicaRuntime>>, how: Closed) -> Closed {
        self.node.events().record(NodeEventKind::Stop, "", how.sentence());
        if how == Closed::Stopped && runtime.is_some() {
            shutdown::hand_over(&self.membership).await;
        }
        shutdown::drain(&self.service, &self.listeners).await;
        if let Some(runtime) = runtime {
            self.leave(runtime).await;
        }
        self.listeners.stop("this node is stopping").await;
        if let Some(admin) = &mut self.admin {
            admin.close().await;
        }
        tracing::info!(node = %self.node.name(), ?how, "stopped");
        how
    }
}

/// Waits until the host program stops the node.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the `Server` was dropped: that stops the node too.
    let _ = stopping.wait_for(|stop| *stop).await;
}
