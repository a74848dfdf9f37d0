//! A node's life, from its start to its end.
//!
//! One task, which alone has the data directory: it waits to be called, joins,
//! takes part, and ends, each of these until something else is due.

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
    part::Part,
};
use crate::{
    api::{admin::Listening, client::Api, peer::PeerContext},
    config::Config,
    node::{Node, Order},
    ops::membership::Membership,
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
pub(super) struct Life {
    pub(super) node: Arc<Node>,
    pub(super) membership: Membership,
    pub(super) api: Api,
    pub(super) endpoint: Endpoint,
    pub(super) data: DataDir,
    pub(super) databases: Option<Arc<dyn Databases>>,
    pub(super) config: Config,
    pub(super) peers: watch::Sender<Option<PeerContext>>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) stopping: watch::Receiver<bool>,
    /// Those who watch are answered until the end.
    pub(super) admin: Option<Listening>,
}

/// What is left of it for others to see.
pub(super) struct Ends {
    pub(super) closed: watch::Receiver<Option<Closed>>,
}

/// What a node does until something else is due.
enum Stage {
    /// It belongs to no cluster, and waits for a call.
    Waiting,
    /// It asks these members to be let in.
    Asking(Vec<Address>),
    /// It was let in, and catches up; these members it asks for its vote.
    CatchingUp(Box<Part>, Vec<Address>),
    /// It takes part.
    Running(Box<Part>),
    /// It ends like this.
    Ending(Option<Box<Part>>, Closed),
}

impl Stage {
    fn phase(&self) -> LifecyclePhase {
        match self {
            Self::Waiting => LifecyclePhase::Waiting,
            Self::Asking(_) | Self::CatchingUp(..) => LifecyclePhase::Joining,
            Self::Running(_) => LifecyclePhase::Running,
            Self::Ending(..) => LifecyclePhase::Stopping,
        }
    }
}

impl Life {
    /// Does what can fail of the start, then goes on by itself.
    pub(super) async fn begin(mut self, mode: Mode) -> Result<Ends, StartError> {
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
        Ok(Ends { closed })
    }

    async fn first_stage(&mut self, mode: Mode) -> Result<Stage, StartError> {
        match mode {
            Mode::Resume(identity) => Ok(Stage::Running(self.take_part(&identity).await?)),
            Mode::ResumeJoining(identity) => {
                let part = self.take_part(&identity).await?;
                Ok(Stage::CatchingUp(part, self.config.join.clone()))
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
                Ok(Stage::Running(self.found(&identity).await?))
            }
            Mode::ResumeFounding(identity) => Ok(Stage::Running(self.found(&identity).await?)),
            Mode::Join(members) => Ok(Stage::Asking(members)),
            Mode::Wait => Ok(Stage::Waiting),
        }
    }

    /// Opens the node's part in a cluster, and lets it serve.
    async fn take_part(&mut self, identity: &NodeIdentity) -> Result<Box<Part>, StartError> {
        let mut part =
            Part::open(&self.data, self.databases.clone(), identity, &self.endpoint, &self.config).await?;
        part.take_part(&self.node, &self.membership);
        self.peers.send_replace(Some(part.peers.clone()));
        tracing::info!(cluster = %identity.cluster, id = %identity.id, "taking part");
        Ok(Box::new(part))
    }

    /// Founds a cluster of one, or finishes that.
    async fn found(&mut self, identity: &NodeIdentity) -> Result<Box<Part>, StartError> {
        let part = self.take_part(identity).await?;
        let raft = part.replica.raft();
        let internal = |error: &dyn std::fmt::Display| StartError::Internal(error.to_string());
        if !raft.is_initialized().await.map_err(|error| internal(&error))? {
            let member = Member { name: self.node.name().clone(), address: self.node.address().clone() };
            let members = std::collections::BTreeMap::from([(identity.id, member)]);
            raft.initialize(members).await.map_err(|error| internal(&error))?;
        }
        self.data.set_standing(MemberState::Member)?;
        let leads = part.replica.until(|metrics| metrics.state.is_leader());
        if timeout(ELECTED_WITHIN, leads).await.is_err() {
            tracing::warn!("the new cluster has no leader yet");
        }
        Ok(part)
    }

    async fn live(mut self, mut stage: Stage) -> Closed {
        loop {
            self.node.set_phase(stage.phase());
            stage = match stage {
                Stage::Waiting => self.wait().await,
                Stage::Asking(members) => self.ask(members).await,
                Stage::CatchingUp(part, members) => self.catch_up(part, members).await,
                Stage::Running(part) => self.run(part).await,
                Stage::Ending(part, how) => return self.end(part, how).await,
            };
        }
    }

    async fn wait(&mut self) -> Stage {
        tracing::info!(node = %self.node.name(), "waiting to be booted: coffeectl boot {}", self.node.name());
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return Stage::Ending(None, Closed::Stopped),
                order = self.orders.recv() => match order {
                    Some(Order::Join { members, .. }) => return Stage::Asking(members),
                    Some(Order::Retire { .. }) => {}
                    None => return Stage::Ending(None, Closed::Stopped),
                },
            }
        }
    }

    async fn ask(&mut self, members: Vec<Address>) -> Stage {
        // A node whose data was set aside goes back to its own cluster, and to no other.
        let own = self.data.identity().filter(|identity| !identity.rejoin.is_empty());
        let own = own.map(|identity| identity.cluster);
        let admitted = tokio::select! {
            () = stopped(&mut self.stopping) => return Stage::Ending(None, Closed::Stopped),
            admitted = join::ask(&self.node, &members, own) => admitted,
            order = self.orders.recv() => return match order {
                // Somebody called: he knows who is there.
                Some(Order::Join { members: now, .. }) => Stage::Asking(now),
                _ => Stage::Asking(members),
            },
        };
        match self.enter(admitted).await {
            Ok(part) => Stage::CatchingUp(part, members),
            Err(error) => Stage::Ending(None, Closed::Failed(error.to_string().into())),
        }
    }

    /// Starts a new life in a cluster.
    async fn enter(&mut self, (cluster, id): (ClusterId, NodeId)) -> Result<Box<Part>, StartError> {
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

    async fn catch_up(&mut self, part: Box<Part>, mut members: Vec<Address>) -> Stage {
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return Stage::Ending(Some(part), Closed::Stopped),
                cause = part.failed() => return Stage::Ending(Some(part), Closed::Failed(cause)),
                order = self.orders.recv() => match order {
                    Some(Order::Join { members: now, .. }) => members = now,
                    Some(Order::Retire { id }) if id == part.replica.id() => return self.retire(part),
                    _ => {}
                },
                promotion = join::promote(&self.node, &part.replica, &members) => match promotion {
                    Promotion::Voter => return match self.data.set_standing(MemberState::Member) {
                        Ok(()) => Stage::Running(part),
                        Err(error) => Stage::Ending(Some(part), Closed::Failed(error.to_string().into())),
                    },
                    Promotion::Unknown => return self.start_over(part, members).await,
                },
            }
        }
    }

    /// The id that this node got is good for nothing any more.
    async fn start_over(&mut self, part: Box<Part>, members: Vec<Address>) -> Stage {
        tracing::warn!(id = %part.replica.id(), "the cluster does not know this node any more: joining anew");
        self.leave(part).await;
        if let Err(error) = self.data.set_standing(MemberState::Shutdown) {
            return Stage::Ending(None, Closed::Failed(error.to_string().into()));
        }
        Stage::Asking(members)
    }

    async fn run(&mut self, part: Box<Part>) -> Stage {
        loop {
            tokio::select! {
                () = stopped(&mut self.stopping) => return Stage::Ending(Some(part), Closed::Stopped),
                cause = part.failed() => return Stage::Ending(Some(part), Closed::Failed(cause)),
                order = self.orders.recv() => match order {
                    Some(Order::Retire { id }) if id == part.replica.id() => return self.retire(part),
                    Some(_) => {}
                    None => return Stage::Ending(Some(part), Closed::Stopped),
                },
            }
        }
    }

    /// Notes durably that it was taken out, before it goes.
    fn retire(&mut self, part: Box<Part>) -> Stage {
        tracing::info!(id = %part.replica.id(), "taken out of the cluster: stopping for good");
        match self.data.set_standing(MemberState::Shutdown) {
            Ok(()) => Stage::Ending(Some(part), Closed::Retired),
            Err(error) => Stage::Ending(Some(part), Closed::Failed(error.to_string().into())),
        }
    }

    async fn leave(&self, part: Box<Part>) {
        self.peers.send_replace(None);
        self.node.set_replica(None);
        part.close().await;
    }

    async fn end(mut self, part: Option<Box<Part>>, how: Closed) -> Closed {
        if how == Closed::Stopped && part.is_some() {
            shutdown::hand_over(&self.membership).await;
        }
        shutdown::drain(&self.api, &self.endpoint).await;
        if let Some(part) = part {
            self.leave(part).await;
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
