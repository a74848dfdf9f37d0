//! Reads, as fresh as they are asked to be.
//!
//! A linearizable read asks the leader for a read index (Raft dissertation,
//! section 6.4), waits until this node has applied it, and reads here: so
//! every node serves reads, and the leader's part in them is small. Many reads
//! share one round (`rounds`). Knows no client.

mod rounds;

use std::{io, sync::Arc};

use coffee_common::{
    id::Revision,
    key::{Key, KeyRange},
    protocol::{Consistency, Rejection, Response},
};
use tokio::time::{Instant, timeout_at};

use self::rounds::ReadIndexRounds;
use crate::node::{Node, replica::Replica};

/// Serves reads. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    node: Arc<Node>,
    rounds: ReadIndexRounds,
}

impl Reads {
    /// Serves the reads of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { rounds: ReadIndexRounds::start(Arc::downgrade(&node)), node }
    }

    /// Reads a key, of a replica that is fresh enough.
    pub fn get(replica: &Replica, key: &Key) -> Result<Response, Rejection> {
        let (entry, at) = replica.state().get(key).map_err(unreadable)?;
        Ok(Response::Value { entry, at })
    }

    /// Reads a page of a range, of a replica that is fresh enough.
    pub fn range(
        replica: &Replica,
        range: &KeyRange,
        limit: u32,
        keys_only: bool,
    ) -> Result<Response, Rejection> {
        let (page, at) = replica.state().range(range, limit, keys_only).map_err(unreadable)?;
        Ok(Response::Page { entries: page.entries, more: page.more, at })
    }

    /// The read index, where this node leads: what another node's reads wait for.
    pub async fn read_index(&self, deadline: Instant) -> Result<Revision, Rejection> {
        if !self.node.serving()?.leads() {
            return Err(Rejection::Unavailable(format!("{} does not lead", self.node.name())));
        }
        self.rounds.join(deadline).await
    }

    /// This node's replica, once it is as fresh as it has to be.
    pub async fn fresh(
        &self,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Arc<Replica>, Rejection> {
        let replica = self.node.serving()?;
        planted!("stale-read", return Ok(replica));
        let late = |what: &str| Rejection::Unavailable(format!("{} {what}", self.node.name()));
        match consistency {
            Consistency::Linearizable => {
                let index = self.rounds.join(deadline).await?;
                let applied = timeout_at(deadline, replica.applied(index)).await;
                applied.map_err(|_| late("is behind, and did not catch up in time"))?;
            }
            Consistency::Local => {
                let recovered = timeout_at(deadline, replica.recovered()).await;
                recovered.map_err(|_| late("has restarted, and has not reached a quorum since"))?;
            }
        }
        Ok(replica)
    }
}

/// The storage is poisoned by now: this node stops.
fn unreadable(error: io::Error) -> Rejection {
    Rejection::Unavailable(format!("the state cannot be read: {error}"))
}
