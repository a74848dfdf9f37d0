//! A node's life, from its start to its end.
//!
//! One task, which alone has the data directory: it waits to be called, joins,
//! takes runtime, and ends, each of these until something else is due.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    command::MemberState,
    id::{Address, ClusterId, NodeId},
    protocol::LifecyclePhase,
    quic::Endpoint,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Closed, StartError,
    join::{self, Promotion},
    mode::{FOUNDER, Mode},
    replica_runtime::ReplicaRuntime,
};
use crate::{
    api::{admin::Listening, client::Api, peer::PeerContext},
    config::Config,
    node::{LifecycleCommand, Node},
    ops::membership::MembershipManager,
    raft_types::Member,
    server::shutdown,
    storage::{
        databases::Databases,
        disk::{DataDir, NodeIdentity},
    },
};

/// A node that has founded a cluster leads it after this long, unless its disk is very slow.
const ELECTED_WITHIN: Duration = Duration::from_secs(5);

/// All that a node consists of.
pub(super) struct Lifecycle {
    pub(super) node: Arc<Node>,
    pub(super) membership: MembershipManager,
    pub(super) api: Api,
    pub(super) endpoint: Endpoint,
    pub(super) data: DataDir,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) config: Config,
    pub(super) peers: watch::Sender<Option<PeerContext>>,
    pub(super) commands: mpsc::Receiver<LifecycleCommand>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Those who watch are answered until the end.
    pub(super) admin: Option<Listening>,
}

/// What a node does until something else is due.
enum LifecycleStage {
    /// It belongs to no cluster, and waits for a call.
    Waiting,
    /// It asks these members to be let in.
    Asking(Vec<Address>),
    /// It was let in, and catches up; these members it asks for its vote.
    CatchingUp(Box<ReplicaRuntime>, Vec<Address>),
    /// It takes runtime.
    Running(Box<ReplicaRuntime>),
    /// It ends like this.
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
}

impl Lifecycle {
    /// Does what can fail of the start, then goes on by itself.
    pub(super) async fn begin(mut self, mode: Mode) -> Result<watch::Receiver<Option<Closed>>, StartError> {
        let stage = match self.first_stage(mode).await {
            Ok(stage) => stage,
            Err(error) => {
                // Whoever was let in meanwhile is told.
                self.endpoint.close("this node could not start").await;
                return Err(error);
            }
        };
        // Whoever asks right after the start is told what it does.
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
            Mode::Resume(identity) => Ok(LifecycleStage::Running(self.take_part(&identity).await?)),
            Mode::ResumeJoining(identity) => {
                let runtime = self.take_part(&identity).await?;
                Ok(LifecycleStage::CatchingUp(runtime, self.config.join.clone()))
            }
            Mode::Found => {
                let cluster = ClusterId::random().map_err(|error| StartError::Internal(error.to_string()))?;
                let name = self.config.name.clone();
                let identity = NodeIdentity {
                    cluster,
                    id: FOUNDER,
                    name,
                    standing: MemberState::Joining,
                    rejoin: Vec::new(),
                };
                self.data.adopt(identity.clone())?;
                tracing::info!(%cluster, "founding a cluster");
                Ok(LifecycleStage::Running(self.found(&identity).await?))
            }
            Mode::ResumeFounding(identity) => Ok(LifecycleStage::Running(self.found(&identity).await?)),
            Mode::Join(members) => Ok(LifecycleStage::Asking(members)),
            Mode::Wait => Ok(LifecycleStage::Waiting),
        }
    }

    /// Opens the node's runtime in a cluster, and lets it serve.
    async fn take_part(&mut self, identity: &NodeIdentity) -> Result<Box<ReplicaRuntime>, StartError> {
        let mut runtime =
            ReplicaRuntime::open(&self.data, self.databases.clone(), identity, &self.endpoint, &self.config)
                .await?;
        runtime.take_part(&self.node, &self.membership);
        self.peers.send_replace(Some(runtime.peers.clone()));
        tracing::info!(cluster = %identity.cluster, id = %identity.id, "taking runtime");
        Ok(Box::new(runtime))
    }

    /// Founds a cluster of one, or finishes that.
    async fn found(&mut self, identity: &NodeIdentity) -> Result<Box<ReplicaRuntime>, StartError> {
        let runtime = self.take_part(identity).await?;
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
        tracing::info!(node = %self.node.name(), "waiting to be booted: coffeectl boot {}", self.node.name());
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return LifecycleStage::Ending(None, Closed::Stopped),
                command = self.commands.recv() => match command {
                    Some(LifecycleCommand::Join { members, .. }) => return LifecycleStage::Asking(members),
                    Some(LifecycleCommand::ShutDownRemoved { .. }) => {}
                    None => return LifecycleStage::Ending(None, Closed::Stopped),
                },
            }
        }
    }

    async fn ask(&mut self, members: Vec<Address>) -> LifecycleStage {
        // A node whose data was set aside goes back to its own cluster, and to no other.
        let own = self.data.identity().filter(|identity| !identity.rejoin.is_empty());
        let own = own.map(|identity| identity.cluster);
        let admitted = tokio::select! {
            () = stopped(&mut self.stopping) => return LifecycleStage::Ending(None, Closed::Stopped),
            admitted = join::ask(&self.node, &members, own) => admitted,
            command = self.commands.recv() => return match command {
                // Somebody called: he knows who is there.
                Some(LifecycleCommand::Join { members: now, .. }) => LifecycleStage::Asking(now),
                _ => LifecycleStage::Asking(members),
            },
        };
        match self.enter(admitted).await {
            Ok(runtime) => LifecycleStage::CatchingUp(runtime, members),
            Err(error) => LifecycleStage::Ending(None, Closed::Failed(error.to_string().into())),
        }
    }

    /// Starts a new life in a cluster.
    async fn enter(&mut self, (cluster, id): (ClusterId, NodeId)) -> Result<Box<ReplicaRuntime>, StartError> {
        let identity = NodeIdentity {
            cluster,
            id,
            name: self.config.name.clone(),
            standing: MemberState::Joining,
            rejoin: Vec::new(),
        };
        self.data.adopt(identity.clone())?;
        self.take_part(&identity).await
    }

    async fn catch_up(&mut self, runtime: Box<ReplicaRuntime>, mut members: Vec<Address>) -> LifecycleStage {
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return LifecycleStage::Ending(Some(runtime), Closed::Stopped),
                cause = runtime.failed() => return LifecycleStage::Ending(Some(runtime), Closed::Failed(cause)),
                command = self.commands.recv() => match command {
                    Some(LifecycleCommand::Join { members: now, .. }) => members = now,
                    Some(LifecycleCommand::ShutDownRemoved { id }) if id == runtime.replica.id() => return self.shut_down_removed(runtime),
                    _ => {}
                },
                promotion = join::promote(&self.node, &runtime.replica, &members) => match promotion {
                    Promotion::Voter => return match self.data.set_standing(MemberState::Member) {
                        Ok(()) => LifecycleStage::Running(runtime),
                        Err(error) => LifecycleStage::Ending(Some(runtime), Closed::Failed(error.to_string().into())),
                    },
                    Promotion::Unknown => return self.start_over(runtime, members).await,
                },
            }
        }
    }

    /// The id that this node got is good for nothing any more.
    async fn start_over(&mut self, runtime: Box<ReplicaRuntime>, members: Vec<Address>) -> LifecycleStage {
        tracing::warn!(id = %runtime.replica.id(), "the cluster does not know this node any more: joining anew");
        self.leave(runtime).await;
        if let Err(error) = self.data.set_standing(MemberState::Shutdown) {
            return LifecycleStage::Ending(None, Closed::Failed(error.to_string().into()));
        }
        LifecycleStage::Asking(members)
    }

    async fn run(&mut self, runtime: Box<ReplicaRuntime>) -> LifecycleStage {
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return LifecycleStage::Ending(Some(runtime), Closed::Stopped),
                cause = runtime.failed() => return LifecycleStage::Ending(Some(runtime), Closed::Failed(cause)),
                command = self.commands.recv() => match command {
                    Some(LifecycleCommand::ShutDownRemoved { id }) if id == runtime.replica.id() => return self.shut_down_removed(runtime),
                    Some(_) => {}
                    None => return LifecycleStage::Ending(Some(runtime), Closed::Stopped),
                },
            }
        }
    }

    /// Notes durably that it was taken out, before it goes.
    fn shut_down_removed(&mut self, runtime: Box<ReplicaRuntime>) -> LifecycleStage {
        tracing::info!(id = %runtime.replica.id(), "taken out of the cluster: stopping for good");
        match self.data.set_standing(MemberState::Shutdown) {
            Ok(()) => LifecycleStage::Ending(Some(runtime), Closed::Removed),
            Err(error) => LifecycleStage::Ending(Some(runtime), Closed::Failed(error.to_string().into())),
        }
    }

    async fn leave(&self, runtime: Box<ReplicaRuntime>) {
        self.peers.send_replace(None);
        self.node.set_replica(None);
        runtime.close().await;
    }

    async fn end(mut self, runtime: Option<Box<ReplicaRuntime>>, how: Closed) -> Closed {
        if how == Closed::Stopped && runtime.is_some() {
            shutdown::hand_over(&self.membership).await;
        }
        shutdown::drain(&self.api, &self.endpoint).await;
        if let Some(runtime) = runtime {
            self.leave(runtime).await;
        }
        self.endpoint.close("this node is stopping").await;
        if let Some(admin) = &mut self.admin {
            admin.close().await;
        }
        tracing::info!(node = %self.node.name(), ?how, "stopped");
        how
    }
}

/// Waits until the host program wants the node to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Where the other end is gone, nobody wants the node any more.
    let _ = stopping.wait_for(|stop| *stop).await;
}
