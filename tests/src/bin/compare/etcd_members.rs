//! How operations choose a member of etcd: a given one, or any.
//!
//! Follows etcd's own client (clientv3): one connection to each member, and the next
//! member if one is unreachable. A request that was sent is not retried, since a repeated
//! write may be applied twice. So requests in flight fail when their member dies.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use coffee_client::bench::{Failed, Target};
use rustls::ClientConfig;
use tokio::sync::Mutex;

use crate::etcd_client::{CUT_OFF, EtcdConnection, NOT_SENT};

/// A client's target.
#[derive(Clone)]
pub(crate) enum Etcd {
    /// This connection.
    Only(EtcdConnection),
    /// Any member.
    Any(Arc<Preference>),
}

/// The members, and the currently preferred one.
pub(crate) struct Preference {
    members: Arc<Members>,
    at: AtomicUsize,
}

/// All members, with connections to those used so far.
pub(crate) struct Members {
    addresses: Vec<SocketAddr>,
    connections: Vec<Mutex<Option<EtcdConnection>>>,
    tls: Arc<ClientConfig>,
}

impl Members {
    pub(crate) fn new(addresses: &[SocketAddr], tls: &Arc<ClientConfig>) -> Arc<Self> {
        let connections = addresses.iter().map(|_| Mutex::new(None)).collect();
        Arc::new(Self { addresses: addresses.to_vec(), connections, tls: Arc::clone(tls) })
    }

    async fn connection(&self, member: usize) -> Result<EtcdConnection, Failed> {
        let mut slot = self.connections[member].lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let opened = EtcdConnection::open(self.addresses[member], Arc::clone(&self.tls)).await;
        let connection = opened.map_err(|failed| Failed { kind: NOT_SENT, ..failed })?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn give_up(&self, member: usize, broken: &EtcdConnection) {
        let mut slot = self.connections[member].lock().await;
        if slot.as_ref().is_some_and(|connection| connection.is(broken)) {
            *slot = None;
        }
    }
}

impl Etcd {
    /// A client of this member only.
    pub(crate) fn only(connection: EtcdConnection) -> Self {
        Self::Only(connection)
    }

    /// A client that prefers `first` as long as it answers.
    pub(crate) fn any(members: &Arc<Members>, first: usize) -> Self {
        let at = AtomicUsize::new(first % members.addresses.len());
        Self::Any(Arc::new(Preference { members: Arc::clone(members), at }))
    }

    async fn operate(&self, operation: EtcdOperation) -> Result<(), Failed> {
        match self {
            Self::Only(connection) => operation.at(connection).await,
            Self::Any(preference) => preference.operate(operation).await,
        }
    }
}

enum EtcdOperation {
    Put(String, Bytes),
    Get(String),
}

impl EtcdOperation {
    async fn at(&self, connection: &EtcdConnection) -> Result<(), Failed> {
        match self {
            Self::Put(key, value) => connection.put(key, value).await,
            Self::Get(key) => connection.get(key).await,
        }
    }
}

impl Preference {
    async fn operate(&self, operation: EtcdOperation) -> Result<(), Failed> {
        let count = self.members.addresses.len();
        let mut last = None;
        for _ in 0..count {
            let member = self.at.load(Ordering::Relaxed);
            let failed = match self.members.connection(member).await {
                Err(failed) => failed,
                Ok(connection) => match operation.at(&connection).await {
                    Err(failed) if [NOT_SENT, CUT_OFF].contains(&failed.kind) => {
                        self.members.give_up(member, &connection).await;
                        failed
                    }
                    answered => return answered,
                },
            };
            // Unless another client has moved on already.
            let next = (member + 1) % count;
            let _ = self.at.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
            if failed.kind != NOT_SENT {
                return Err(failed);
            }
            last = Some(failed);
        }
        Err(last.unwrap_or(Failed { kind: NOT_SENT, text: "the cluster has no members".into() }))
    }
}

impl Target for Etcd {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        self.operate(EtcdOperation::Put(key, value)).await
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        self.operate(EtcdOperation::Get(key)).await
    }
}
