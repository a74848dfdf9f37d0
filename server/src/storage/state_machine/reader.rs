//! Reads of the applied state.
//!
//! Knows nothing of leaders and quorums: a read is as fresh as this node. Each
//! read sees one point in time. The read of a single row, or of a few names of keys, holds the state's lock,
//! and nothing is applied meanwhile; a page of a range holds it only to copy the
//! changes in memory.

mod changes;
mod past;
mod transaction;

use std::{io, sync::Arc};

use coffee_common::{
    command::NodeRecord,
    entry::Entry,
    feature_level::FeatureLevel,
    id::{NodeName, Revision},
    key::{Key, KeyRange},
    protocol::ReplicaDigest,
    revocation_list::RevocationList,
    setting::ClusterSettings,
};
use tokio::sync::watch;

pub use self::{changes::ChangesAfter, transaction::TransactionReads};

use super::shared_state::SharedState;
use crate::{
    kv::{RangePage, Store, content_hash},
    metrics::{RequestMemoryMetrics, StateMetrics},
    raft_types::LogId,
    storage::state::{StateErrorKind, read_meta},
};

/// Reads the applied state. Cheap to clone.
#[derive(Clone)]
pub struct StateReader {
    shared: Arc<SharedState>,
}

impl StateReader {
    pub(super) fn new(shared: Arc<SharedState>) -> Self {
        Self { shared }
    }

    /// The highest applied log index.
    pub fn applied(&self) -> Revision {
        *self.shared.applied().borrow()
    }

    /// Watches the highest applied log index.
    pub fn watch_applied(&self) -> watch::Receiver<Revision> {
        self.shared.applied().subscribe()
    }

    /// Waits until `revision` is applied. That may never happen: add a timeout.
    pub async fn wait_applied(&self, revision: Revision) {
        // The sender is in `self`, so this cannot fail before it succeeds.
        let _ = self.watch_applied().wait_for(|applied| *applied >= revision).await;
    }

    /// The feature level of the cluster, as of the applied state.
    pub fn level(&self) -> FeatureLevel {
        self.shared.watched().level()
    }

    /// The settings of the cluster in force, as of the applied state.
    pub fn settings(&self) -> ClusterSettings {
        self.shared.watched().settings()
    }

    /// The last digest at or before `upto`, if it is still kept. Replicas that
    /// have a digest of the same entry must have the same one.
    pub fn digest_at(&self, upto: Revision) -> Option<ReplicaDigest> {
        self.shared.digest_at(upto)
    }

    /// The size of the request memory.
    pub fn request_memory(&self) -> &RequestMemoryMetrics {
        self.shared.request_memory()
    }

    /// The size of the state.
    pub fn metrics(&self) -> &StateMetrics {
        self.shared.metrics()
    }

    /// Runs a read on the current state. Nothing is applied meanwhile.
    fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T, StateErrorKind>) -> io::Result<(T, Revision)> {
        let database = self.shared.database();
        let store = database.store()?;
        // Under the lock: the published index lags the state while a batch is applied.
        let at = database.as_of(&store);
        self.shared.poison().check()?;
        // A read that fails or finds damage poisons the storage: the node must never return a
        // wrong answer.
        let answer = read(&store).map_err(|error| database.fail(error))?;
        Ok((answer, at))
    }

    /// Reads a key. The read reflects every entry up to the returned revision,
    /// and none after it.
    ///
    /// # Errors
    /// The storage has failed, or the row is damaged.
    pub fn get(&self, key: &Key) -> io::Result<(Option<Entry>, Revision)> {
        self.read(|store| Ok(store.get(key)?))
    }

    /// Reads a page of a range; see [`Store::begin_range`]. Waits for the disk on
    /// another thread, and applying continues meanwhile.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged.
    pub async fn range(
        &self,
        range: &KeyRange,
        limit: u32,
        keys_only: bool,
    ) -> io::Result<(RangePage, Revision)> {
        let permit = self.shared.range_permit().await?;
        // Kept until the page is read: a snapshot may replace the database meanwhile.
        let database = self.shared.database();
        let (begun, at) = {
            let store = database.store()?;
            (store.begin_range(range, limit, keys_only), database.as_of(&store))
        };
        self.shared.poison().check()?;
        let finish = move || {
            let page = begun.finish().map_err(|error| database.fail(error));
            drop(permit);
            Ok(page?)
        };
        Ok((self.shared.offload().run(finish).await?, at))
    }

    /// Reads the record of a node.
    ///
    /// # Errors
    /// The storage has failed, or the row is damaged.
    pub fn node(&self, name: &NodeName) -> io::Result<Option<NodeRecord>> {
        Ok(self.read(|store| Ok(store.node(name)?))?.0)
    }

    /// Reads the records of all nodes, in the order of their names.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged.
    pub fn nodes(&self) -> io::Result<Vec<NodeRecord>> {
        Ok(self.read(|store| Ok(store.nodes()?))?.0)
    }

    /// Reads the revocation lists of the cluster.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged.
    pub fn revocation_lists(&self) -> io::Result<Vec<RevocationList>> {
        Ok(self.read(|store| Ok(store.revocation_lists()?))?.0)
    }

    /// Watches the revocation lists: changes when they may have changed.
    pub fn watch_revocation_lists(&self) -> watch::Receiver<()> {
        self.shared.watched().revocations()
    }

    /// Computes a hash of the whole state, which is equal on all replicas with
    /// the same last applied entry. Returns that entry too. Reads everything, and
    /// blocks applying meanwhile: for tests.
    ///
    /// # Errors
    /// The storage has failed.
    pub fn hash(&self) -> io::Result<(Option<LogId>, u64)> {
        let hash = |store: &Store| Ok((read_meta(store)?.last_log_id, content_hash(store)?));
        Ok(self.read(hash)?.0)
    }
}
