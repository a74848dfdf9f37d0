//! The serving side: streams from other members.
//!
//! The peer's certificate has the role `node`. Guards that a stream is meant for this node in this
//! cluster, and comes from the member that it names: a node that was removed, or never admitted,
//! has a certificate as well. [`validate`] and [`leader_log`] check its messages.

mod append;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod leader_log;
mod rpc;
mod snapshot;
mod validate;

use std::{
    collections::HashMap,
    fmt,
    mem::{self, Discriminant},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_common::{
    envelope::UnknownKind,
    frame,
    id::{ClusterId, NodeId, NodeName},
    limits::FRAME_BYTES_MAX,
    protocol_versions::{NoCommonVersion, ProtocolVersions},
    quic::{Connection, FrameReceiver, FrameSender, StreamError},
};
use futures_util::future::BoxFuture;
use openraft::{async_runtime::WatchReceiver, type_config::TypeConfigExt};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

pub use self::leader_log::LeaderLog;
use self::validate::MessageSender;
use super::{
    bounds::term_max,
    versions::PeerVersions,
    wire::{Hello, Purpose},
};
use crate::{
    node::{
        audit_log::{Actor, AuditEvent, AuditLog, AuditOutcome},
        event_log::EventLog,
        leader_contact::LastContact,
        raft::Raft,
    },
    ops::confirm_member::Confirmation,
    raft_types::TypeConfig,
    storage::{record::RecordError, snapshot::SnapshotInbox},
};

/// The timeout of a stream's hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest hello, in bytes. Its sender may be a node that is not a member.
const HELLO_BYTES_MAX: usize = 256;

/// How long a frame may take once it has begun: the largest takes 34 s over 1 Mbit/s.
pub(super) const FRAME_TIMEOUT: Duration = Duration::from_secs(60);

/// Tells whether other members say that a node of this name is the member of this id.
pub type ConfirmMember = Arc<dyn Fn(NodeId, NodeName) -> BoxFuture<'static, Confirmation> + Send + Sync>;

/// The context of serving peers. Clones share it.
#[derive(Clone)]
pub struct PeerContext {
    /// This node's consensus.
    pub raft: Raft,
    /// This node's cluster.
    pub cluster: ClusterId,
    /// This node's id.
    pub own: NodeId,
    /// Receives snapshots.
    pub inbox: SnapshotInbox,
    /// The log of the leader that this node follows.
    pub leader_log: LeaderLog,
    /// The last contact with a leader.
    pub last_contact: LastContact,
    /// The streams rejected so far.
    pub refusals: Refusals,
    /// Where the versions that members speak are noted.
    pub versions: PeerVersions,
    /// Says who was denied.
    pub audit_log: AuditLog,
    /// Gets which snapshots were received.
    pub events: EventLog,
    /// Asked about nodes that this node does not know as members.
    pub confirm: ConfirmMember,
}

/// Why a stream ended early. The peer learns only that it ended.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the stream ended early")]
    EndedEarly,
    #[error("no hello in time")]
    HelloTimeout,
    #[error("no request in time")]
    RequestTimeout,
    #[error("the peer belongs to cluster {theirs}, this node to cluster {ours}")]
    OtherCluster { theirs: ClusterId, ours: ClusterId },
    #[error("the stream is for node {meant}; this is node {own}, which may have been wiped since")]
    OtherNode { meant: NodeId, own: NodeId },
    #[error("the peer claims to be node {0}, which has another name")]
    OtherName(NodeId),
    #[error("the peer claims to be node {0}, which is this node")]
    SameNode(NodeId),
    #[error("the peer claims to be node {0}, and a member says that it is not one")]
    NotAMember(NodeId),
    #[error("the peer claims to be node {0}, which cannot be confirmed: no member answers")]
    Unconfirmed(NodeId),
    #[error(transparent)]
    Frame(frame::FrameError),
    #[error(transparent)]
    NoCommonVersion(#[from] NoCommonVersion),
    #[error("the peer runs a newer version: it sent {0}")]
    Newer(UnknownKind),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Forged(#[from] validate::ForgedMessage),
    #[error("snapshot rejected: {0}")]
    SnapshotRejected(String),
    #[error("this node's consensus has stopped: {0}")]
    Stopped(String),
}

impl From<frame::FrameError> for ServeError {
    fn from(error: frame::FrameError) -> Self {
        match error {
            frame::FrameError::Unknown(part) => Self::Newer(part),
            error => Self::Frame(error),
        }
    }
}

impl ServeError {
    fn log(&self, peer: &NodeName, times: u64) {
        match self {
            // This node has returned with a new id, and the peer has not heard of it yet.
            Self::OtherNode { .. } => tracing::info!(%peer, error = %self, times, "peer stream rejected"),
            Self::Unconfirmed(_) => {
                let hint =
                    format!("if it belongs to the cluster: coffeectl boot {peer} --endpoints THIS_NODE");
                tracing::warn!(%peer, error = %self, times, hint, "peer stream rejected");
            }
            _ => tracing::warn!(%peer, error = %self, times, "peer stream rejected"),
        }
    }

    /// Whether the peer claims something that it is not.
    fn is_denial(&self) -> bool {
        matches!(self, Self::OtherName(_) | Self::SameNode(_) | Self::NotAMember(_) | Self::Forged(_))
    }

    fn stopped(error: impl fmt::Display) -> Self {
        Self::Stopped(error.to_string())
    }

    /// Whether the error is expected: the peer disconnected or ended the stream, or this node is
    /// stopping.
    fn is_expected(&self) -> bool {
        match self {
            Self::Stream(error) => !matches!(error, StreamError::Frame(_) | StreamError::Late),
            Self::EndedEarly | Self::Stopped(_) => true,
            _ => false,
        }
    }
}

/// Serves a connection from another member until it ends or this node's consensus stops.
pub async fn serve(connection: Connection, context: PeerContext) {
    let mut stopped = std::pin::pin!(stopped(&context.raft));
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Ok((sender, receiver)) = accepted else { return };
                let (connection, context) = (connection.clone(), context.clone());
                // Detached: it ends with its stream, at the latest with the connection.
                drop(TypeConfig::spawn(async move {
                    match serve_stream(&connection, &context, sender, receiver).await {
                        Err(error) if error.is_denial() => {
                            context.audit_log.bounded(Some(connection.peer()), || AuditEvent {
                                actor: Some(Actor::of(&connection)),
                                verb: "peer stream",
                                object: None,
                                outcome: AuditOutcome::Denied,
                                reason: Some(error.to_string().into()),
                            });
                        }
                        Err(error) if !error.is_expected() => {
                            let peer = &connection.peer().name;
                            if let Some(times) = context.refusals.note(peer, &error) {
                                error.log(peer, times);
                            }
                        }
                        Ok(()) | Err(_) => {}
                    }
                }));
            }
            () = &mut stopped => {
                // This node may return under another id, which needs new connections.
                connection.stop("this node is stopping, or left the cluster");
                return;
            }
        }
    }
}

async fn stopped(raft: &Raft) {
    let mut changes = raft.server_metrics();
    while changes.changed().await.is_ok() {}
}

/// Counts rejected streams by peer and reason. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<Counts>>);

type Counts = HashMap<(NodeName, Discriminant<ServeError>), u64>;

impl Refusals {
    /// Counts one. Returns the count whenever it has doubled: a peer may retry many times per
    /// second over many connections, and one line per power of two says it all.
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
    receiver.limit(HELLO_BYTES_MAX, HELLO_TIMEOUT);
    let hello: Hello = match timeout(HELLO_TIMEOUT, receive_hello(&mut receiver)).await {
        Ok(hello) => hello?,
        Err(_) => return Err(ServeError::HelloTimeout),
    };
    check(context, &hello)?;
    let version = ProtocolVersions::OWN.to_speak(Some(hello.versions));
    let peer = Arc::new(StreamPeer {
        context: context.clone(),
        id: hello.from,
        name: connection.peer().name.clone(),
        version: version.unwrap_or(frame::FRAME_VERSION),
    });
    peer.check_membership().await?;
    context.versions.note(hello.from, hello.versions);
    version?;
    connection.widen();
    receiver.limit(FRAME_BYTES_MAX, FRAME_TIMEOUT);
    let stopped = sender.stopped();
    match hello.purpose {
        Purpose::Append => until_stopped(stopped, append::serve(peer, sender, receiver)).await,
        Purpose::Rpc => until_stopped(stopped, rpc::serve(&peer, sender, receiver)).await,
        // An installation is not interrupted.
        Purpose::Snapshot => snapshot::serve(&peer, sender, receiver).await,
    }
}

/// The sender of a stream.
struct StreamPeer {
    context: PeerContext,
    /// The id that it claims.
    id: NodeId,
    /// The name in its certificate.
    name: NodeName,
    /// The version in which it is answered.
    version: u8,
}

impl StreamPeer {
    /// Checks that the peer is a member under the id that it claims. A long stream is checked
    /// again with each message.
    async fn check_membership(&self) -> Result<(), ServeError> {
        let metrics = self.context.raft.server_metrics();
        let membership = metrics.borrow_watched().membership_config.clone();
        match membership.get_node(&self.id) {
            Some(member) if member.name == self.name => Ok(()),
            Some(_) => Err(ServeError::OtherName(self.id)),
            // This node may lag.
            None => match (self.context.confirm)(self.id, self.name.clone()).await {
                Confirmation::Member | Confirmation::Assumed => Ok(()),
                Confirmation::NotMember => Err(ServeError::NotAMember(self.id)),
                Confirmation::Unknown => Err(ServeError::Unconfirmed(self.id)),
            },
        }
    }

    /// The bounds of what the peer may say now.
    fn sender(&self) -> MessageSender {
        let metrics = self.context.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let knows_terms = metrics.membership_config.nodes().next().is_some();
        let own = knows_terms.then_some(metrics.vote.leader_id.term);
        MessageSender { id: self.id, term_max: term_max(own) }
    }
}

/// Serves a stream until the peer gives up. A heartbeat is given up after one interval, while its
/// response may wait for the disk for seconds: such streams would use up
/// [`coffee_common::limits::CONNECTION_STREAMS_MAX`], and no further heartbeat would arrive.
async fn until_stopped(
    stopped: impl Future<Output = ()>,
    serving: impl Future<Output = Result<(), ServeError>>,
) -> Result<(), ServeError> {
    tokio::select! {
        served = serving => served,
        () = stopped => Err(ServeError::EndedEarly),
    }
}

fn check(context: &PeerContext, hello: &Hello) -> Result<(), ServeError> {
    let PeerContext { cluster, own, .. } = context;
    if hello.cluster != *cluster {
        return Err(ServeError::OtherCluster { theirs: hello.cluster, ours: *cluster });
    }
    if hello.to != *own {
        return Err(ServeError::OtherNode { meant: hello.to, own: *own });
    }
    if hello.from == *own { Err(ServeError::SameNode(*own)) } else { Ok(()) }
}

/// Receives the message that follows the hello.
async fn receive<T: DeserializeOwned>(receiver: &mut FrameReceiver) -> Result<T, ServeError> {
    let received = timeout(FRAME_TIMEOUT, receiver.receive()).await;
    let message = received.map_err(|_| ServeError::RequestTimeout)??.ok_or(ServeError::EndedEarly)?;
    Ok(frame::decode(&message)?)
}

async fn receive_hello(receiver: &mut FrameReceiver) -> Result<Hello, ServeError> {
    let message = receiver.receive_first().await?.ok_or(ServeError::EndedEarly)?;
    Ok(frame::decode(&message)?)
}
