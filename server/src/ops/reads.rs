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
    feature_level::{FeatureLevel, HISTORY},
    id::{NodeName, Revision},
    key::{Key, KeyRange},
    protocol::{Consistency, Rejection, Response, VersionView},
    transaction::StepRead,
};
use tokio::time::{Instant, sleep, timeout_at};

use self::rounds::ReadIndexRounds;
pub use crate::storage::state_machine::{ChangeWait, ChangesAfter, TransactionReads};
use crate::{
    kv::{AtRevision, ChangeFilter, PastVersion, RangePage},
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
        self.unless_stopping(self.wait_until_fresh(&replica, consistency, deadline)).await?;
        Ok(FreshState { replica })
    }

    /// Waits until this node has applied a revision.
    pub async fn applied(&self, revision: Revision, deadline: Instant) -> Result<FreshState, Rejection> {
        let replica = self.node.serving()?;
        self.unless_stopping(self.wait_until_applied(&replica, revision, deadline)).await?;
        Ok(FreshState { replica })
    }

    /// Waits no longer than this node serves. One that was removed gets no more entries: a read may wait
    /// for one that never comes.
    async fn unless_stopping(
        &self,
        fresh: impl Future<Output = Result<(), Rejection>>,
    ) -> Result<(), Rejection> {
        let cut_short = async {
            self.node.stopping().await;
            sleep(STOP_GRACE).await;
        };
        tokio::select! {
            biased;
            fresh = fresh => fresh,
            () = cut_short => Err(Rejection::Unavailable(format!("{} is stopping", self.node.name()))),
        }
    }

    async fn wait_until_fresh(
        &self,
        replica: &Replica,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<(), Rejection> {
        match consistency {
            Consistency::Linearizable => {
                let index = self.rounds.join(deadline).await?;
                self.wait_until_applied(replica, index, deadline).await
            }
            Consistency::Local => {
                let recovered = timeout_at(deadline, replica.recovered()).await;
                recovered.map_err(|_| self.late("has restarted and has not reached a quorum since"))
            }
        }
    }

    async fn wait_until_applied(
        &self,
        replica: &Replica,
        revision: Revision,
        deadline: Instant,
    ) -> Result<(), Rejection> {
        let applied = timeout_at(deadline, replica.applied(revision)).await;
        applied.map_err(|_| self.late("lags and did not catch up in time"))
    }

    fn late(&self, what: &str) -> Rejection {
        Rejection::Unavailable(format!("{} {what}", self.node.name()))
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
        self.check_history()?;
        let found = self.replica.state().versions(key, before, limit, keys_only, deadline).await;
        let page = found.map_err(unreadable)?.ok_or_else(|| {
            Rejection::Invalid(format!("the key was not changed at revision {}", before.unwrap_or_default()))
        })?;
        Ok(Response::Versions { versions: page.versions.into_iter().map(view).collect(), more: page.more })
    }

    /// The feature level of the cluster.
    pub fn level(&self) -> FeatureLevel {
        self.replica.state().level()
    }

    /// Rejects the request of a cluster that keeps no history.
    pub fn check_history(&self) -> Result<(), Rejection> {
        needs_level(HISTORY, self.level())
    }

    /// The last revision that this node has applied.
    pub fn applied(&self) -> Revision {
        self.replica.state().applied()
    }

    /// Whether this node heard its leader within this time, or leads and hears a quorum.
    pub fn hears_leader(&self, within: Duration) -> bool {
        self.replica.hears_leader(within)
    }

    /// Begins to wait until this node has applied a revision. Ask whether it has afterwards, not before.
    pub fn wait_for_revision(&self, revision: Revision) -> ChangeWait {
        self.replica.state().wait_for_revision(revision)
    }

    /// Begins to wait for a change of a range. Read what has changed so far afterwards, not before.
    pub fn wait_for_change(&self, range: &KeyRange) -> ChangeWait {
        self.replica.state().wait_for_change(range)
    }

    /// Reads changes after a revision that is applied, on another thread.
    pub async fn changes(&self, after: Revision, filter: &ChangeFilter) -> Result<ChangesAfter, Rejection> {
        kept(Some(self.replica.state().changes(after, filter).await.map_err(unreadable)?))
    }

    /// Reads the next changes after a revision that is applied: few, on this thread.
    pub fn next_changes(&self, after: Revision, filter: &ChangeFilter) -> Result<ChangesAfter, Rejection> {
        kept(Some(self.replica.state().next_changes(after, filter).map_err(unreadable)?))
    }

    /// Reads what the steps of a transaction have read.
    pub async fn transaction(
        &self,
        reads: TransactionReads<'_>,
        deadline: Instant,
    ) -> Result<Vec<StepRead>, Rejection> {
        self.replica.state().transaction(reads, deadline).await.map_err(unreadable)
    }

    /// Whether the cluster has a history, and has reached a revision.
    fn check_past(&self, revision: Revision) -> Result<(), Rejection> {
        let state = self.replica.state();
        self.check_history()?;
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
///
/// # Errors
/// It is later than the last one that is applied.
pub fn is_reached(revision: Revision, applied: Revision) -> Result<(), Rejection> {
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
