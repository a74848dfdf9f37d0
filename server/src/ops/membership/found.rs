//! Founds a cluster, on a node that belongs to none.
//!
//! An operator founds a cluster once; a node never does so because of its configuration.
//! Guards, with the lifecycle task, that only an empty data directory becomes the first
//! node of a cluster.

use coffee_common::{
    id::{NodeId, NodeName},
    protocol::{LifecyclePhase, Rejection, Response},
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::MembershipManager;
use crate::node::{LifecycleCommand, replica::Replica};

impl MembershipManager {
    /// Founds a cluster with this node as its only member. Succeeds without effect on a
    /// node that founded its cluster. `name` is the node that the caller means.
    pub async fn found(&self, name: Option<&NodeName>, deadline: Instant) -> Result<Response, Rejection> {
        let own = self.node.name();
        if let Some(other) = name.filter(|name| *name != own) {
            return Err(Rejection::Invalid(format!("this node is {own}, not {other}")));
        }
        if let Some(replica) = self.node.replica() {
            return founded_before(own, &replica);
        }
        if self.node.phase() == LifecyclePhase::Stopping {
            return Err(Rejection::Unavailable(format!("{own} is stopping")));
        }
        let (reply, answer) = oneshot::channel();
        if !self.node.command(LifecycleCommand::Found { reply }) {
            return Err(Rejection::Overloaded);
        }
        match timeout_at(deadline, answer).await {
            Ok(Ok(Ok(cluster))) => Ok(Response::Founded { cluster, changed: true }),
            Ok(Ok(Err(rejection))) => Err(rejection),
            // It joined or founded a cluster before it read the command.
            Ok(Err(_)) => match self.node.replica() {
                Some(replica) => founded_before(own, &replica),
                None => Err(Rejection::Unknown(format!("{own} stopped before it answered"))),
            },
            Err(_) => Err(Rejection::Unknown(format!("{own} has not finished founding a cluster"))),
        }
    }
}

fn founded_before(own: &NodeName, replica: &Replica) -> Result<Response, Rejection> {
    let cluster = replica.cluster();
    if replica.id() == NodeId::FOUNDER {
        return Ok(Response::Founded { cluster, changed: false });
    }
    Err(Rejection::Refused {
        reason: format!("{own} belongs to cluster {cluster} already"),
        hint: "run 'coffeectl list' to see its nodes".to_owned(),
    })
}
