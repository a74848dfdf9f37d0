//! Reads of what is applied.
//!
//! Knows nothing of leaders and quorums: what a reader sees is as new as this
//! node is. Never holds a read transaction longer than a call, or than a
//! [`StateView`] lives.

use std::{io, sync::Arc};

use coffee_common::{
    command::{Entry, NodeRecord},
    id::{NodeName, Revision},
    key::{Key, KeyRange},
};
use tokio::sync::watch;

use super::{marks::Mark, shared::Shared};
use crate::{
    kv::{KvError, Page, View, state_hash},
    storage::state::{Database, read_meta},
    types::LogId,
};

/// Reads what is applied. Cheap to clone.
#[derive(Clone)]
pub struct StateReader {
    shared: Arc<Shared>,
}

impl StateReader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
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
    pub fn mark(&self, upto: Revision) -> Option<Mark> {
        self.shared.mark(upto)
    }

    /// The state as it is now: for many reads of one point in time. To be
    /// dropped soon, since it pins pages.
    pub fn view(&self) -> io::Result<StateView> {
        self.shared.poison().check()?;
        // Taken first: the view sees at least what was applied by then.
        let at = self.applied();
        let database = self.shared.database();
        Ok(StateView { view: database.view()?, database, at })
    }

    /// Reads a key; the revision is one up to which the read saw everything.
    pub fn get(&self, key: &Key) -> io::Result<(Option<Entry>, Revision)> {
        let view = self.view()?;
        Ok((view.get(key)?, view.at()))
    }

    /// Reads a page of a range; see [`View::range`].
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> io::Result<(Page, Revision)> {
        let view = self.view()?;
        Ok((view.range(range, limit, keys_only)?, view.at()))
    }

    /// Reads the record of a node.
    pub fn node(&self, name: &NodeName) -> io::Result<Option<NodeRecord>> {
        self.view()?.node(name)
    }

    /// Reads the records of all nodes, in the order of their names.
    pub fn nodes(&self) -> io::Result<Vec<NodeRecord>> {
        self.view()?.nodes()
    }
}

/// The state at one point in time.
pub struct StateView {
    // Fields are dropped in this order: a transaction before its database.
    view: View,
    database: Arc<Database>,
    at: Revision,
}

impl StateView {
    /// A revision up to which everything is seen.
    pub fn at(&self) -> Revision {
        self.at
    }

    /// Reads a key.
    pub fn get(&self, key: &Key) -> io::Result<Option<Entry>> {
        self.answer(self.view.get(key))
    }

    /// Reads a page of a range; see [`View::range`].
    pub fn range(&self, range: &KeyRange, limit: u32, keys_only: bool) -> io::Result<Page> {
        self.answer(self.view.range(range, limit, keys_only))
    }

    /// Reads the record of a node.
    pub fn node(&self, name: &NodeName) -> io::Result<Option<NodeRecord>> {
        self.answer(self.view.node(name))
    }

    /// Reads the records of all nodes, in the order of their names.
    pub fn nodes(&self) -> io::Result<Vec<NodeRecord>> {
        self.answer(self.view.nodes())
    }

    /// Hashes the whole state: equal on all replicas at the same last applied
    /// entry, which is given too. Reads everything.
    pub fn hash(&self) -> io::Result<(Option<LogId>, u64)> {
        let meta = read_meta(&self.view).map_err(|error| self.database.fail(error))?;
        Ok((meta.last_log_id, self.answer(state_hash(&self.view))?))
    }

    /// A read that fails, or that finds damage, takes the node out: it must
    /// never answer wrong.
    fn answer<T>(&self, read: Result<T, KvError>) -> io::Result<T> {
        read.map_err(|error| self.database.fail(error).into())
    }
}
