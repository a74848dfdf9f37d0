//! A node that has joined asks to become a voter while it catches up.

use std::pin::pin;

use coffee_common::{command::MemberState, id::Address};
use tokio::sync::watch;

use super::{Lifecycle, LifecycleStage, stopped};
use crate::{
    node::LifecycleCommand,
    server::{
        Closed,
        join::{self, Promotion},
        replica_runtime::ReplicaRuntime,
    },
};

/// How a node that catches up ends to do so.
enum CatchUpEnd {
    /// The node is to stop.
    Stopped,
    /// Its storage or consensus has failed.
    Failed(Closed),
    /// The cluster says so.
    Judged(Promotion),
}

impl Lifecycle {
    pub(super) async fn catch_up(
        &mut self,
        runtime: Box<ReplicaRuntime>,
        members: Vec<Address>,
    ) -> LifecycleStage {
        let (invitation, invited_by) = watch::channel(Vec::new());
        let end = {
            // Goes on whatever arrives: operators may invite the node more often than it can ask all.
            let mut promotion = pin!(join::promote(&self.node, &runtime.replica, &members, invited_by));
            loop {
                tokio::select! {
                    () = stopped(&mut self.stopping) => break CatchUpEnd::Stopped,
                    how = runtime.failed() => break CatchUpEnd::Failed(how),
                    command = self.commands.recv() => match command {
                        Some(LifecycleCommand::Join { members: now, .. }) => {
                            invitation.send_replace(now);
                        }
                        Some(LifecycleCommand::ShutDownRemoved { id }) if id == runtime.replica.id() => {
                            break CatchUpEnd::Judged(Promotion::Removed);
                        }
                        Some(LifecycleCommand::LeaveReplaced { id }) if id == runtime.replica.id() => {
                            break CatchUpEnd::Judged(Promotion::Unknown);
                        }
                        _ => {}
                    },
                    promotion = &mut promotion => break CatchUpEnd::Judged(promotion),
                }
            }
        };
        match end {
            CatchUpEnd::Stopped => LifecycleStage::stopped(Some(runtime)),
            CatchUpEnd::Failed(how) => LifecycleStage::Ending(Some(runtime), how),
            CatchUpEnd::Judged(Promotion::Voter) => match self.data.set_standing(MemberState::Member) {
                Ok(()) => LifecycleStage::Running(runtime),
                Err(error) => LifecycleStage::failed(Some(runtime), error),
            },
            CatchUpEnd::Judged(Promotion::Unknown) => self.start_over(runtime, members).await,
            CatchUpEnd::Judged(Promotion::Removed) => self.shut_down_removed(runtime),
        }
    }

    /// Joins again under a new id: the cluster has given this node's name another one.
    async fn start_over(&mut self, runtime: Box<ReplicaRuntime>, members: Vec<Address>) -> LifecycleStage {
        tracing::warn!(id = %runtime.replica.id(), "the cluster no longer knows this node's id, joining again");
        self.leave(runtime).await;
        if let Err(error) = self.data.set_standing(MemberState::Shutdown) {
            return LifecycleStage::failed(None, error);
        }
        LifecycleStage::Asking(members)
    }
}
