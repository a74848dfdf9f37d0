//! Reads of what is applied.
//!
//! Knows nothing of leaders and quorums: what a reader sees is as new as this
//! node is. Nothing is applied while something is read, so that a read is of
//! one point in time; and it is short, and waits for nothing.

use std::{io, sync::Arc};

use coffee_common::{
    command::{Entry, NodeRecord},
    id::{NodeName, Revision},
    key::{Key, KeyRange},
};
use tokio::sync::watch;

use super::{digest_history::StateDigest, shared_state::SharedState};
use crate::{
    kv::{Digest, RangePage, Store},
    metrics::RequestMemoryMetrics,
    raft_types::LogId,
    storage::state::{StateErrorKind, read_meta},
};

/// Reads what is applied. Cheap to clone.
#[derive(Clone)]
pub struct StateReader {
    shared: Arc<SharedState>,
}

impl StateReader {
    pub(super) fn new(shared: Arc<SharedState>) -> Self {
        Self { shared }
    }

    /// The highest log index that is applied.
    pub fn applied(&self) -> Revision {
        *self.shared.applied().borrow()
    }

    /// The highest log index that is applied, as it changes.
    pub fn watch_applied(&self) -> watch::Receiver<Revision> {
        self.shared.applied().subscribe()
    }

    /// Waits until `revision` is applied. That may be never: bound it in time.
    pub async fn wait_applied(&self, revision: Revision) {
        // The sender is in `self`, so this cannot fail before it succeeds.
        let _ = self.watch_applied().wait_for(|applied| *applied >= revision).await;
    }

    /// What the state was at the last mark at or before `upto`: replicas that
    /// have a mark at the same entry are to have the same digest there.
    pub fn digest_at(&self, upto: Revision) -> Option<StateDigest> {
        self.shared.digest_at(upto)
    }

    /// How much is remembered of requests.
    pub fn request_memory(&self) -> &RequestMemoryMetrics {
        self.shared.request_memory()
    }

    /// Reads the state as it is now. Nothing is applied meanwhile.
    fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, StateErrorKind>) -> io::Result<(T, Revision)> {
        // Taken first: the read sees at least what was applied by then.
        let at = self.applied();
        let database = self.shared.database();
        let store = database.store()?;
        self.shared.poison().check()?;
        // A read that fails, or that finds damage, takes the node out: it must never answer wrong.
        let answer = read(&store).map_err(|error| database.fail(error))?;
        Ok((answer, at))
    }

    /// Reads a key; the revision is one up to which the read saw everything.
    pub fn get(&self, key: &Key) -> io::Result<(Option<Entry>, Revision)> {
        self.read(|store| Ok(store.get(key)?))
    }

    /// Reads a page of a range; see [`Store::range`].
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> io::Result<(RangePage, Revision)> {
        self.read(|store| Ok(store.range(range, limit, keys_only)?))
    }

    /// Reads the record of a node.
    pub fn node(&self, name: &NodeName) -> io::Result<Option<NodeRecord>> {
        Ok(self.read(|store| Ok(store.node(name)?))?.0)
    }

    /// Reads the records of all nodes, in the order of their names.
    pub fn nodes(&self) -> io::Result<Vec<NodeRecord>> {
        Ok(self.read(|store| Ok(store.nodes()?))?.0)
    }

    /// Hashes the whole state: equal on all replicas at the same last applied
    /// entry, which is given too. Reads everything, and holds up applying meanwhile.
    pub fn hash(&self) -> io::Result<(Option<LogId>, u64)> {
        let hash = |store: &Store| Ok((read_meta(store)?.last_log_id, Digest::of_all(store)?.0));
        Ok(self.read(hash)?.0)
    }
}
