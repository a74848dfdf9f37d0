//! Reads at the requested consistency.
//!
//! A linearizable read gets a read index from the leader (Raft dissertation,
//! section 6.4), waits until this node has applied it, and reads locally. Every
//! node serves reads, and the leader's share of the work is small. Concurrent
//! reads share one round (`rounds`). Knows no client.

mod rounds;

use std::{io, sync::Arc, time::Duration};

use coffee_common::{
    command::NodeRecord,
    feature_level::HISTORY,
    id::{NodeName, Revision},
    key::{Key, KeyRange},
    protocol::{Consistency, Rejection, Response, VersionView},
};
use tokio::time::{Instant, sleep, timeout_at};

use self::rounds::ReadIndexRounds;
use crate::{
    kv::{AtRevision, PastVersion, RangePage},
    node::{Node, propose::needs_level, replica::Replica},
};

/// How long the reads in flight may still take once the node stops.
const STOP_GRACE: Duration = Duration::from_millis(100);

/// Serves reads. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    node: Arc<Node>,
    rounds: ReadIndexRounds,
}

/// State that is as fresh as the caller of [`Reads::fresh`] asked for: the only
/// way to read keys and records.
pub struct FreshState {
    replica: Arc<Replica>,
}

impl Reads {
    /// Serves the reads of a node.
    pub fn new(node: Arc<Node>) -> Self {
        Self { rounds: ReadIndexRounds::start(Arc::downgrade(&node)), node }
    }

    /// Returns the read index that another node's reads wait for. Only the leader has one.
    pub async fn read_index(&self, deadline: Instant) -> Result<Revision, Rejection> {
        if !self.node.serving()?.leads() {
            return Err(Rejection::Unavailable(format!("{} is not the leader", self.node.name())));
        }
        self.rounds.join(deadline).await
    }

    /// Waits until this node's state is fresh enough for `consistency`.
    pub async fn fresh(&self, consistency: Consistency, deadline: Instant) -> Result<FreshState, Rejection> {
        let replica = self.node.serving()?;
        planted!("stale-read", return Ok(FreshState { replica }));
        // A node that was removed gets no more entries: a read may wait for one that never comes.
        let cut_short = async {
            self.node.stopping().await;
            sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            fresh = self.wait_until_fresh(&replica, consistency, deadline) => fresh?,
            () = cut_short => {
                return Err(Rejection::Unavailable(format!("{} is stopping", self.node.name())));
            }
        }
        Ok(FreshState { replica })
    }

    async fn wait_until_fresh(
        &self,
        replica: &Replica,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<(), Rejection> {
        let late = |what: &str| Rejection::Unavailable(format!("{} {what}", self.node.name()));
        match consistency {
            Consistency::Linearizable => {
                let index = self.rounds.join(deadline).await?;
                let applied = timeout_at(deadline, replica.applied(index)).await;
                applied.map_err(|_| late("lags and did not catch up in time"))?;
            }
            Consistency::Local => {
                let recovered = timeout_at(deadline, replica.recovered()).await;
                recovered.map_err(|_| late("has restarted and has not reached a quorum since"))?;
            }
        }
        Ok(())
    }
}

impl FreshState {
    /// Reads a key.
    pub fn get(&self, key: &Key) -> Result<Response, Rejection> {
        let (entry, at) = self.replica.state().get(key).map_err(unreadable)?;
        Ok(Response::Value { entry, at })
    }

    /// Reads a page of a range.
    pub async fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> Result<Response, Rejection> {
        let (page, at) = self.replica.state().range(range, limit, keys_only).await.map_err(unreadable)?;
        let RangePage { entries, upto } = page;
        Ok(Response::Page { entries, more: upto.is_some(), at, upto })
    }

    /// Reads a key as of a revision.
    pub async fn get_at(
        &self,
        key: &Key,
        revision: Revision,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        self.check_past(revision)?;
        let found = self.replica.state().get_at(key, revision, deadline).await.map_err(unreadable)?;
        kept(found).map(|entry| Response::Value { entry, at: revision })
    }

    /// Reads a page of a range as of a revision.
    pub async fn range_at(
        &self,
        range: &KeyRange,
        revision: Revision,
        limit: u32,
        keys_only: bool,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        self.check_past(revision)?;
        let found = self.replica.state().range_at(range, limit, keys_only, revision, deadline).await;
        let page = kept(found.map_err(unreadable)?)?;
        Ok(Response::PastPage { entries: page.entries, upto: page.upto })
    }

    /// Reads versions of a key.
    pub async fn history(
        &self,
        key: &Key,
        before: Option<Revision>,
        limit: u32,
        keys_only: bool,
        deadline: Instant,
    ) -> Result<Response, Rejection> {
        needs_level(HISTORY, self.replica.state().level())?;
        let found = self.replica.state().versions(key, before, limit, keys_only, deadline).await;
        let page = found.map_err(unreadable)?.ok_or_else(|| {
            Rejection::Invalid(format!("the key was not changed at revision {}", before.unwrap_or_default()))
        })?;
        Ok(Response::Versions { versions: page.versions.into_iter().map(view).collect(), more: page.more })
    }

    /// Whether the cluster has a history, and has reached a revision.
    fn check_past(&self, revision: Revision) -> Result<(), Rejection> {
        let state = self.replica.state();
        needs_level(HISTORY, state.level())?;
        is_reached(revision, state.applied())
    }

    /// Reads the cluster's record of a node.
    pub fn record(&self, name: &NodeName) -> Result<Option<NodeRecord>, Rejection> {
        self.replica.state().node(name).map_err(unreadable)
    }

    /// The replica that holds this state.
    pub(super) fn replica(&self) -> &Replica {
        &self.replica
    }
}

/// Rejects a revision that is yet to come.
pub(super) fn is_reached(revision: Revision, applied: Revision) -> Result<(), Rejection> {
    match revision <= applied {
        true => Ok(()),
        false => Err(Rejection::Invalid(format!(
            "revision {revision} has not been reached yet: the last one is {applied}"
        ))),
    }
}

fn kept<T>(found: Option<AtRevision<T>>) -> Result<T, Rejection> {
    match found {
        Some(AtRevision::Found(found)) => Ok(found),
        Some(AtRevision::Compacted(floor)) => Err(Rejection::Compacted { floor }),
        // At the deadline.
        None => Err(Rejection::Overloaded),
    }
}

fn view(version: PastVersion) -> VersionView {
    let PastVersion { revision, change, entry } = version;
    let at_ms = change.as_ref().map(|change| change.at_ms);
    let author = change.map(|change| String::from_utf8_lossy(&change.author).into_owned());
    VersionView { revision, entry, at_ms, author: author.unwrap_or_default() }
}

/// The storage is poisoned: this node is about to stop.
fn unreadable(error: io::Error) -> Rejection {
    Rejection::Unavailable(format!("the state cannot be read: {error}"))
}
