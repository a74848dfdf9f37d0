//! Puts the revocation lists of the cluster to use.
//!
//! They are part of the replicated state, and verified here: a list counts if this node trusts its CA.
//! A copy in the data directory is read before the node accepts anyone, since the log may be applied
//! only once there is a quorum. Guards that no list is replaced by an older one of its CA.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use coffee_common::{
    limits::CLUSTER_LISTS_MAX,
    protocol::{NodeEventKind, RevocationListStatus},
    revocation_list::RevocationList,
    tls::read_lists,
};

use super::{Reloading, report};
use crate::{
    node::replica::Replica,
    server::listeners::Listeners,
    storage::disk::{load_revocation_lists, save_revocation_lists},
};

/// The revocation lists of the cluster that this node has.
#[derive(Debug)]
pub(in crate::server) struct ClusterLists {
    lists: Mutex<Vec<RevocationList>>,
    /// The data directory; `None` keeps no copy.
    folder: Option<PathBuf>,
}

impl ClusterLists {
    /// Reads the copy in the data directory.
    pub(in crate::server) fn load(folder: Option<PathBuf>) -> Self {
        let copy = folder.as_deref().map(load_revocation_lists).unwrap_or_default();
        Self { lists: Mutex::new(read_lists(&copy)), folder }
    }

    pub(in crate::server) fn get(&self) -> Vec<RevocationList> {
        self.lock().clone()
    }

    /// Adds the newer ones of these lists. Returns whether there are any.
    fn merge(&self, new: Vec<RevocationList>) -> bool {
        let mut lists = self.lock();
        let before = lists.clone();
        for list in new {
            match lists.iter_mut().find(|known| known.issuer == list.issuer) {
                Some(known) if known.number < list.number => *known = list,
                Some(_) => {}
                None => lists.insert(0, list),
            }
        }
        lists.truncate(CLUSTER_LISTS_MAX);
        *lists != before
    }

    /// Puts the present lists to use. Returns which they are, as an event; `None` if there are none, or
    /// they cannot be used.
    pub(in crate::server) fn put_to_use(&self, listeners: &Listeners) -> Option<String> {
        let lists = self.get();
        if lists.is_empty() {
            return None;
        }
        let mut event = None;
        let credentials = listeners.endpoint.credentials().with_cluster_lists(&lists);
        match listeners.reload(&credentials) {
            Ok(ended) => {
                let list = |list: &RevocationListStatus| format!("{} of {}", list.number, list.ca);
                let lists: Vec<String> = credentials.revocation_lists().iter().map(list).collect();
                let lists = lists.join(", ");
                tracing::info!(lists, ended = report::listed(&ended), "revocation lists in force");
                event = Some(format!("revocation lists in force: {lists}{}", report::with_ended(&ended)));
            }
            Err(error) => tracing::error!(%error, "cannot put revocation lists to use"),
        }
        if credentials.is_revoked() {
            tracing::error!(
                serial = credentials.serial(),
                "the certificate of this node was revoked: other nodes reject it"
            );
        }
        event
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RevocationList>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn save(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let copy: Vec<u8> = self.get().into_iter().flat_map(|list| list.der).collect();
        let saved = tokio::task::spawn_blocking(move || save_revocation_lists(&folder, &copy)).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot keep a copy of the revocation lists"),
            Err(error) => tracing::warn!(%error, "cannot keep a copy of the revocation lists"),
        }
    }
}

impl Reloading {
    /// Puts the lists of a replica's state to use, now and whenever they change.
    pub(in crate::server) async fn follow_lists(self: Arc<Self>, replica: Arc<Replica>) {
        let mut changes = replica.state().watch_revocation_lists();
        loop {
            self.use_lists_of(&replica).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Puts the lists of a replica's state to use: ends the connections of peers that they revoke.
    pub(in crate::server) async fn use_lists_of(&self, replica: &Replica) {
        // A state that cannot be read has poisoned the storage.
        let Ok(lists) = replica.state().revocation_lists() else { return };
        let _one_at_a_time = self.running.lock().await;
        if !self.lists.merge(lists) {
            return;
        }
        let event = self.lists.put_to_use(&self.listeners);
        if let Some((event, node)) = event.zip(self.node.upgrade()) {
            node.events().record(NodeEventKind::Revocation, "", event);
        }
        self.lists.save().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(issuer: &str, number: u64) -> RevocationList {
        RevocationList { issuer: issuer.as_bytes().to_vec(), number, der: vec![0x30, 0] }
    }

    #[test]
    fn a_list_is_replaced_by_a_newer_one_of_its_ca_alone() {
        let lists = ClusterLists::load(None);
        let numbers = || {
            let of =
                |list: &RevocationList| (String::from_utf8_lossy(&list.issuer).into_owned(), list.number);
            let mut numbers: Vec<_> = lists.get().iter().map(of).collect();
            numbers.sort();
            numbers
        };
        let known = |all: &[(&str, u64)]| {
            all.iter().map(|(ca, number)| ((*ca).to_owned(), *number)).collect::<Vec<_>>()
        };
        assert!(lists.merge(vec![list("old", 3), list("new", 1)]));
        for (new, changes) in [(("old", 2), false), (("old", 3), false), (("new", 2), true)] {
            assert_eq!(lists.merge(vec![list(new.0, new.1)]), changes, "{new:?}");
        }
        assert_eq!(numbers(), known(&[("new", 2), ("old", 3)]));
        assert!(!lists.merge(Vec::new()), "a state that lags removes no list");
        let many = (0..20).map(|n| list(&format!("ca {n}"), 1));
        assert!(lists.merge(many.collect()));
        assert_eq!(lists.get().len(), CLUSTER_LISTS_MAX);
    }
}
