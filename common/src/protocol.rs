//! The client protocol (ALPN `coffee/1`): what may be asked of a node, and
//! what it answers.
//!
//! A connection starts with the node's [`Welcome`], alone on a unidirectional
//! stream: a bidirectional one would have to be opened, and used, by the
//! client first. Then the client sends [`RequestFrame`]s on bidirectional streams
//! of its own, up to
//! [`REQUESTS_IN_FLIGHT_MAX`](crate::limits::REQUESTS_IN_FLIGHT_MAX) at once,
//! and gets one [`ServerMessage`] for each, in any order, matched by `id`: on the
//! same stream, or, where it is large, alone on a unidirectional stream. A
//! large ask travels on a bidirectional stream of its own as well, which the
//! client finishes behind it. A backup is asked for on a stream of its own, and
//! follows the answer there (see [`Request::Backup`]). Nodes speak it to each other too, to forward
//! what only the leader can do.

mod identity;
mod log_level;
mod status;

use serde::{Deserialize, Serialize};

pub use self::{
    identity::{Identity, Role},
    log_level::LogLevel,
    status::{
        CertificateStatus, ClusterView, LifecyclePhase, NodeState, NodeStatus, NodeView, RaftRole,
        RaftStatus, Reload,
    },
};
use crate::{
    command::{Batch, Entry, MemberState, Outcome},
    id::{Address, ClusterId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange},
};

/// The protocol between a client and a node, in TLS's negotiation (RFC 7301).
pub const ALPN_CLIENT: &[u8] = b"coffee/1";

/// The protocol between the members of a cluster.
pub const ALPN_PEER: &[u8] = b"coffee-peer/1";

/// The first message of a node on a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The node that answers.
    pub node: NodeName,
    /// Its version of coffeed.
    pub version: String,
    /// Its cluster, once it belongs to one.
    pub cluster: Option<ClusterId>,
    /// The highest revision that it has applied: what a new [`RequestId`] is based on.
    pub applied: Revision,
    /// The leader that it knows.
    pub leader: Option<Leader>,
    /// Milliseconds without a word for which its cluster goes on to believe in a leader.
    /// It pays nobody to be more patient with a node that shows no signs of life.
    pub lease_ms: u32,
}

/// Where the leader is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Its name.
    pub name: NodeName,
    /// Where it is reached.
    pub address: Address,
}

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFrame {
    /// Matches the answer with it; unique among those in flight on a connection.
    pub id: u64,
    /// How long the client goes on waiting, in milliseconds.
    pub timeout_ms: u32,
    /// For whom a node forwards this. Only a node may fill it in; what is
    /// asked is judged by this identity, not by the node's own.
    pub on_behalf_of: Option<Identity>,
    /// What is asked.
    pub request: Request,
}

/// What is sent to a client: everything but [`Welcome`] answers a [`RequestFrame`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// Sent once, at the start of a connection.
    Welcome(Welcome),
    /// The answer to a [`RequestFrame`].
    Response(ResponseFrame),
}

/// The answer to a [`RequestFrame`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseFrame {
    /// That of the ask.
    pub id: u64,
    /// The leader, as the answering node knows it: where to ask next time.
    pub leader: Option<Leader>,
    /// What came of it.
    pub result: Result<Response, Rejection>,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Consistency {
    /// Sees every write that was acknowledged before the read began (Raft
    /// dissertation, section 6.4: ReadIndex).
    #[default]
    Linearizable,
    /// Whatever the asked node has applied: may be old, works without a quorum.
    Local,
}

/// What may be asked of a node. Any node takes any of these, and forwards it
/// where another one has to do it, unless its comment says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// The asked node's view of itself: [`Response::Status`]. Never forwarded.
    Status,
    /// All nodes, as the asked node can reach them: [`Response::Cluster`]. Works without a quorum.
    List,
    /// Changes keys: [`Response::Written`].
    Write {
        /// Names the write for retries.
        request: RequestId,
        /// What to do.
        batch: Batch,
    },
    /// Reads a key: [`Response::Value`].
    Get {
        /// Which.
        key: Key,
        /// How fresh.
        consistency: Consistency,
    },
    /// Reads a page of keys: [`Response::Page`].
    Range {
        /// Which.
        range: KeyRange,
        /// At most this many; 0 means as many as a page holds.
        limit: u32,
        /// Leaves the values out.
        keys_only: bool,
        /// How fresh.
        consistency: Consistency,
    },
    /// Brings a waiting, new or shut down node in, and waits until it is a
    /// voter: [`Response::Booted`].
    Boot {
        /// Which.
        node: NodeName,
        /// Where it is reached; `None` if the cluster has a record of it.
        address: Option<Address>,
    },
    /// Hands leadership over: [`Response::Transferred`].
    Transfer {
        /// To which node; `None` for the most caught-up one.
        to: Option<NodeName>,
    },
    /// Takes a node out and shuts it down: [`Response::Down`].
    Down {
        /// Which; `None` for the leader.
        node: Option<NodeName>,
        /// Only says what would be done.
        dry_run: bool,
    },
    /// Takes a node that is lost out of the cluster: [`Response::Removed`].
    Remove {
        /// Which.
        node: NodeName,
        /// Only says what would be done.
        dry_run: bool,
    },
    /// Whether a node can be stopped without losing the quorum: [`Response::CanStop`].
    CanStop {
        /// Which.
        node: NodeName,
    },

    /// From a node, to the leader: a revision that a linearizable read has to
    /// wait for: [`Response::ReadIndex`]. Never forwarded.
    ReadIndex,
    /// From a node that has no data: asks to be let in: [`Response::Admitted`].
    Join {
        /// Its name: that of its certificate.
        node: NodeName,
        /// Where it is reached.
        address: Address,
    },
    /// From a learner that has caught up: asks to be made a voter: [`Response::Done`].
    Promote {
        /// Which.
        id: NodeId,
    },
    /// From a node that carries out [`Request::Down`], to the leader: takes a
    /// node out of the membership: [`Response::Done`].
    Expel {
        /// Its name.
        node: NodeName,
        /// Which incarnation of it.
        id: NodeId,
        /// What is remembered of it.
        standing: Option<MemberState>,
    },
    /// From a node, to a waiting one: asks it to join: [`Response::Done`]. Never forwarded.
    Summon {
        /// The cluster that calls.
        cluster: ClusterId,
        /// Its members.
        members: Vec<Address>,
    },
    /// From a node, to one that was taken out: stop, and stay down:
    /// [`Response::Done`]. Never forwarded.
    Retire {
        /// Which incarnation is meant.
        id: NodeId,
    },
    /// Nothing but an answer, which names the leader: [`Response::Done`].
    /// Never forwarded.
    Ping,
    /// From a node, to another: the digest of its state behind an entry that
    /// both may know: [`Response::StateDigest`]. Never forwarded.
    StateDigest {
        /// Of which cluster.
        cluster: ClusterId,
        /// The last entry that the asking node knows the digest of.
        upto: Revision,
    },
    /// The asked node's whole state as a file: [`Response::Backup`], behind
    /// which the file comes on the same stream, in any number of frames that
    /// hold pieces of it as they are (see [`crate::backup`]). Has to be the only
    /// ask on its stream. Never forwarded.
    Backup {
        /// How fresh.
        consistency: Consistency,
    },
    /// Takes up what the asked node's configuration and certificates are by
    /// now: [`Response::Reloaded`]. Never forwarded.
    Reload,
    /// How much the asked node logs, and to change it until it is started
    /// again: [`Response::LogLevel`]. Never forwarded.
    LogLevel {
        /// How much from now on; `None` to leave it as it is.
        level: Option<LogLevel>,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<NodeStatus>),
    /// To [`Request::List`].
    Cluster(Box<ClusterView>),
    /// To [`Request::Write`].
    Written(Outcome),
    /// To [`Request::Get`].
    Value {
        /// The key's entry, if it is there.
        entry: Option<Entry>,
        /// The revision up to which the read saw everything.
        at: Revision,
    },
    /// To [`Request::Range`].
    Page {
        /// The keys in order, with their entries (values empty if left out).
        entries: Vec<(Key, Entry)>,
        /// Whether the range goes on behind the last of these.
        more: bool,
        /// The revision up to which the read saw everything.
        at: Revision,
    },
    /// To [`Request::Boot`].
    Booted {
        /// The node's id.
        id: NodeId,
        /// Whether it was no voter before.
        changed: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// To [`Request::Transfer`].
    Transferred {
        /// Who led.
        from: NodeName,
        /// Who leads.
        to: NodeName,
        /// Since which term.
        term: u64,
        /// Whether leadership moved.
        changed: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// To [`Request::Down`].
    Down(Removal),
    /// To [`Request::Remove`].
    Removed(Removal),
    /// To [`Request::CanStop`].
    CanStop {
        /// Whether it can.
        yes: bool,
        /// Why, or why not.
        reason: String,
    },
    /// To [`Request::ReadIndex`].
    ReadIndex(Revision),
    /// To [`Request::Join`].
    Admitted {
        /// The cluster.
        cluster: ClusterId,
        /// The node's id from now on.
        id: NodeId,
    },
    /// Done, or already so.
    Done {
        /// Whether something changed.
        changed: bool,
    },
    /// To [`Request::StateDigest`]: the last entry up to the one asked for whose
    /// digest is known, and that digest.
    StateDigest(Option<(Revision, u64)>),
    /// To [`Request::Backup`]: the file follows.
    Backup,
    /// To [`Request::Reload`].
    Reloaded(Box<Reload>),
    /// To [`Request::LogLevel`].
    LogLevel {
        /// Which node.
        node: NodeName,
        /// How much it logs.
        level: LogLevel,
        /// Whether it was another level before.
        changed: bool,
    },
}

/// A node taken out, or what taking it out would mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Which.
    pub node: NodeName,
    /// Whether something was (or, in a dry run, would be) changed.
    pub changed: bool,
    /// Voters before.
    pub voters_before: u32,
    /// Voters after.
    pub voters_after: u32,
    /// Who leads afterwards; `None` in a dry run.
    pub leader: Option<NodeName>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// Nothing was done: no leader, no quorum, or the node is starting or stopping. Try again.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was done: too much at once. Try again later.
    #[error("the node has too much to do")]
    Overloaded,
    /// Nothing was done: the request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Nothing was done: the caller may not.
    #[error("{0}")]
    Denied(String),
    /// Nothing was done: no such node.
    #[error("{0}")]
    NotFound(String),
    /// Nothing was done: a safety check stands against it.
    #[error("{reason}")]
    Refused {
        /// What stands against it.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// It may have been done, or may yet be.
    #[error("{0}")]
    Unknown(String),
}

impl Rejection {
    /// Whether the request certainly had no effect and never will.
    pub fn is_not_applied(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }
}
