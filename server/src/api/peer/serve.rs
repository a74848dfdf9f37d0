//! The serving side: what other members send to this one.
//!
//! Whoever gets here has a certificate of the role `node`. Guards that a
//! stream means this node, in this cluster, and comes from the node that it
//! says; [`judge`] looks at what it carries.

mod append;
mod ask;
mod judge;
mod snapshot;

use std::{
    collections::HashMap,
    fmt,
    mem::{self, Discriminant},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{
    frame,
    id::{ClusterId, NodeId, NodeName},
    quic::{Connection, FrameReceiver, FrameSender, StreamError},
};
use openraft::{async_runtime::WatchReceiver, type_config::TypeConfigExt};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::wire::{Hello, Purpose};
use crate::{
    node::{leader_contact::LastContact, raft::Raft},
    raft_types::{Membership, TypeConfig},
    storage::{record::RecordError, snapshot::SnapshotInbox},
};

/// A stream has to say this soon what it is for.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// What serving a peer takes. Clones share it.
#[derive(Clone)]
pub struct PeerContext {
    /// The consensus that is served.
    pub raft: Raft,
    /// The cluster that this node belongs to.
    pub cluster: ClusterId,
    /// This node.
    pub own: NodeId,
    /// Where snapshots come in.
    pub inbox: SnapshotInbox,
    /// When a leader was heard last.
    pub last_contact: LastContact,
    /// What was refused so far.
    pub refusals: Refusals,
}

/// Why a stream is given up. The peer learns no more than that it ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("it ended early")]
    Early,
    #[error("it did not say in time what it is for")]
    Late,
    #[error("it belongs to cluster {theirs}, this node to {ours}")]
    OtherCluster { theirs: ClusterId, ours: ClusterId },
    #[error("it means node {meant}; this is node {own}, which may have been wiped since")]
    OtherNode { meant: NodeId, own: NodeId },
    #[error("it says that it is node {0}, which has another name")]
    OtherName(NodeId),
    #[error("it says that it is node {0}, as is this one")]
    SameNode(NodeId),
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Forged(#[from] judge::Forged),
    #[error("a snapshot is refused: {0}")]
    Unusable(String),
    #[error("this node's consensus has stopped: {0}")]
    Stopped(String),
}

impl ServeError {
    fn stopped(error: impl fmt::Display) -> Self {
        Self::Stopped(error.to_string())
    }

    /// Whether it is all in a day's work: a peer that goes away or loses
    /// interest, or this node about to stop.
    fn is_ordinary(&self) -> bool {
        match self {
            Self::Stream(error) => !matches!(error, StreamError::Frame(_)),
            Self::Early | Self::Stopped(_) => true,
            _ => false,
        }
    }
}

/// Serves one connection of another member until it ends, or this node's
/// consensus stops.
pub async fn serve(connection: Connection, context: PeerContext) {
    let mut stopped = std::pin::pin!(stopped(&context.raft));
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Ok((sender, receiver)) = accepted else { return };
                let (connection, context) = (connection.clone(), context.clone());
                // Ends with its stream, hence with the connection at the latest.
                drop(TypeConfig::spawn(async move {
                    match serve_stream(&connection, &context, sender, receiver).await {
                        Err(error) if !error.is_ordinary() => {
                            let peer = &connection.peer().name;
                            if let Some(times) = context.refusals.note(peer, &error) {
                                tracing::warn!(%peer, %error, times, "a stream of a peer is refused");
                            }
                        }
                        Ok(()) | Err(_) => {}
                    }
                }));
            }
            () = &mut stopped => {
                // It may come back under another id, which means other connections.
                connection.close("this node takes part no more");
                return;
            }
        }
    }
}

async fn stopped(raft: &Raft) {
    let mut changes = raft.server_metrics();
    while changes.changed().await.is_ok() {}
}

/// How often streams of each peer were given up, and for what. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Counts>>);

type Counts = HashMap<(NodeName, Discriminant<ServeError>), u64>;

impl Refusals {
    /// Counts one. How often it came, whenever that has doubled: a peer may
    /// try many times a second, over many connections, and the first of many
    /// alike tells it all.
    fn note(&self, peer: &NodeName, error: &ServeError) -> Option<u64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = counts.entry((peer.clone(), mem::discriminant(error))).or_default();
        *times += 1;
        times.is_power_of_two().then_some(*times)
    }
}

async fn serve_stream(
    connection: &Connection,
    context: &PeerContext,
    sender: FrameSender,
    mut receiver: FrameReceiver,
) -> Result<(), ServeError> {
    let hello: Hello = match timeout(HELLO_WITHIN, receive(&mut receiver)).await {
        Ok(hello) => hello?,
        Err(_) => return Err(ServeError::Late),
    };
    check(connection, context, &hello)?;
    let from = hello.from;
    match hello.purpose {
        Purpose::Append => append::serve(context, from, sender, receiver).await,
        Purpose::Ask => ask::serve(context, from, sender, receiver).await,
        Purpose::Snapshot => snapshot::serve(context, from, sender, receiver).await,
    }
}

fn check(connection: &Connection, context: &PeerContext, hello: &Hello) -> Result<(), ServeError> {
    let PeerContext { cluster, own, raft, .. } = context;
    if hello.cluster != *cluster {
        return Err(ServeError::OtherCluster { theirs: hello.cluster, ours: *cluster });
    }
    if hello.to != *own {
        return Err(ServeError::OtherNode { meant: hello.to, own: *own });
    }
    if hello.from == *own {
        return Err(ServeError::SameNode(*own));
    }
    let metrics = raft.server_metrics();
    let stored = metrics.borrow_watched().membership_config.clone();
    let membership: &Membership = stored.membership();
    match membership.get_node(&hello.from) {
        Some(member) if member.name != connection.peer().name => Err(ServeError::OtherName(hello.from)),
        // Or a member that this node has not heard of yet.
        _ => Ok(()),
    }
}

async fn receive<T: DeserializeOwned>(receiver: &mut FrameReceiver) -> Result<T, ServeError> {
    let message = receiver.receive().await?.ok_or(ServeError::Early)?;
    Ok(frame::decode(&message)?)
}
