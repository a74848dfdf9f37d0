//! How operations find a member of etcd: one that is given, or any.
//!
//! As etcd's own client (clientv3) does it: one connection to each member, and
//! the next member where one cannot be reached. What was sent is not sent
//! again, since a write of etcd that is tried twice may be done twice: so
//! whatever was under way when its member died has failed.

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

use crate::etcd_client::{CUT_OFF, Connection, NOT_SENT};

/// What a client does its operations with.
#[derive(Clone)]
pub(crate) enum Etcd {
    /// This connection.
    Only(Connection),
    /// Any member.
    Any(Arc<Preference>),
}

/// Members, and which one is asked.
pub(crate) struct Preference {
    members: Arc<Members>,
    at: AtomicUsize,
}

/// All members, with a connection to those that were asked.
pub(crate) struct Members {
    addresses: Vec<SocketAddr>,
    connections: Vec<Mutex<Option<Connection>>>,
    tls: Arc<ClientConfig>,
}

impl Members {
    pub(crate) fn new(addresses: &[SocketAddr], tls: &Arc<ClientConfig>) -> Arc<Self> {
        let connections = addresses.iter().map(|_| Mutex::new(None)).collect();
        Arc::new(Self { addresses: addresses.to_vec(), connections, tls: Arc::clone(tls) })
    }

    async fn connection(&self, member: usize) -> Result<Connection, Failed> {
        let mut slot = self.connections[member].lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let opened = Connection::open(self.addresses[member], Arc::clone(&self.tls)).await;
        let connection = opened.map_err(|failed| Failed { kind: NOT_SENT, ..failed })?;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn give_up(&self, member: usize, broken: &Connection) {
        let mut slot = self.connections[member].lock().await;
        if slot.as_ref().is_some_and(|connection| connection.is(broken)) {
            *slot = None;
        }
    }
}

impl Etcd {
    /// A client that asks this member alone.
    pub(crate) fn only(connection: Connection) -> Self {
        Self::Only(connection)
    }

    /// A client that asks `first` as long as it answers.
    pub(crate) fn any(members: &Arc<Members>, first: usize) -> Self {
        let at = AtomicUsize::new(first % members.addresses.len());
        Self::Any(Arc::new(Preference { members: Arc::clone(members), at }))
    }

    async fn operate(&self, operation: Operation) -> Result<(), Failed> {
        match self {
            Self::Only(connection) => operation.at(connection).await,
            Self::Any(preference) => preference.operate(operation).await,
        }
    }
}

enum Operation {
    Put(String, Bytes),
    Get(String),
}

impl Operation {
    async fn at(&self, connection: &Connection) -> Result<(), Failed> {
        match self {
            Self::Put(key, value) => connection.put(key, value).await,
            Self::Get(key) => connection.get(key).await,
        }
    }
}

impl Preference {
    async fn operate(&self, operation: Operation) -> Result<(), Failed> {
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
            // Unless another client has gone on already.
            let next = (member + 1) % count;
            let _ = self.at.compare_exchange(member, next, Ordering::Relaxed, Ordering::Relaxed);
            if failed.kind != NOT_SENT {
                return Err(failed);
            }
            last = Some(failed);
        }
        Err(last.unwrap_or(Failed { kind: NOT_SENT, text: "there are no members".into() }))
    }
}

impl Target for Etcd {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        self.operate(Operation::Put(key, value)).await
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        self.operate(Operation::Get(key)).await
    }
}
