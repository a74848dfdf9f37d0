//! The client protocol (ALPN `coffee/1`): requests to a node and its responses.
//!
//! A connection starts with the node's [`Welcome`], alone on a unidirectional stream, since only
//! the client can open and first use a bidirectional one. The client then sends [`RequestFrame`]s
//! on bidirectional streams, up to
//! [`REQUESTS_IN_FLIGHT_MAX`](crate::limits::REQUESTS_IN_FLIGHT_MAX) in flight. The node answers
//! each with one [`ServerMessage`], matched by `id`, in any order: on the same stream or, if it is
//! large, alone on a unidirectional stream. A large request travels on its own bidirectional
//! stream, which the client finishes after it. A backup is requested on its own stream and follows
//! the response there (see [`Request::Backup`]).
//!
//! Nodes also use this protocol among themselves, to forward requests to the leader.

mod change_view;
mod consistency;
mod identity;
mod key_version;
mod log_level;
mod membership;
mod node_event;
mod pace;
mod rejection;
mod request_envelope;
mod response;
mod response_frame;
mod setting_view;
mod status;
mod status_words;
mod welcome;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    change_view::{ChangeKinds, ChangeView, WatchSpec},
    consistency::Consistency,
    identity::{Identity, Role, SentFrom},
    key_version::VersionView,
    log_level::LogLevel,
    membership::{LastEntry, RaisedLevel, Removal, ReplicaDigest},
    node_event::{NodeEvent, NodeEventKind, NodeEvents},
    pace::{ElectionTimers, NodePace, RoundTrip},
    rejection::{Rejection, rebuild_command},
    request_envelope::{EnvelopeStart, RequestEnvelope, RequestFrame, RequestFrameRef},
    response::Response,
    response_frame::ResponseFrame,
    setting_view::{ChangedSetting, SETTINGS_MAX, SettingView},
    status::{
        CertificateStatus, ClusterView, LeftOut, LifecyclePhase, NodeState, NodeStatus, NodeView, RaftRole,
        RaftStatus, Reload, RevocationListStatus,
    },
    welcome::{Leader, Welcome},
};
use crate::{
    bounded::at_most,
    command::{Batch, MemberState},
    feature_level::FeatureLevel,
    id::{Address, ClusterId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange},
    limits::{NODES_MAX, REVOCATION_LIST_BYTES_MAX},
    text,
    transaction::Transaction,
};

/// The ALPN identifier (RFC 7301) of the protocol between a client and a node.
pub const ALPN_CLIENT: &[u8] = b"coffee/1";

/// The ALPN identifier of the protocol between the members of a cluster.
pub const ALPN_PEER: &[u8] = b"coffee-peer/1";

/// A message to a client: everything but [`Welcome`] answers a [`RequestFrame`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerMessage {
    /// Sent once, at the start of a connection.
    Welcome(Welcome),
    /// The response to a [`RequestFrame`].
    Response(ResponseFrame),
}

/// A request. Unless its comment says otherwise, any node accepts it, and forwards it if only
/// another node can carry it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Request {
    /// Reads the asked node's own status: [`Response::Status`]. Never forwarded.
    Status,
    /// Lists all nodes as the asked node sees them: [`Response::Cluster`]. Works without a quorum.
    List,
    /// Writes keys: [`Response::Written`].
    Write {
        /// Identifies the write, so that retries apply it at most once.
        request: RequestId,
        /// The operations and their conditions.
        #[serde(with = "crate::command::shared")]
        batch: Arc<Batch>,
    },
    /// Reads a key: [`Response::Value`].
    Get {
        /// The key to read.
        key: Key,
        /// How fresh the read must be.
        consistency: Consistency,
    },
    /// Reads a page of keys: [`Response::Page`].
    Range {
        /// The keys to read.
        range: KeyRange,
        /// The maximum number of keys; 0 means as many as fit a page.
        limit: u32,
        /// Omits the values.
        keys_only: bool,
        /// How fresh the read must be.
        consistency: Consistency,
        /// Whether the page may be empty although the range continues. Older clients take such a page
        /// for the last one, so their request is refused instead.
        empty_pages: bool,
    },
    /// Adds a node and waits until it votes: [`Response::Booted`]; or announces it:
    /// [`Response::Announced`].
    Boot {
        /// The node to add.
        node: NodeName,
        /// The node's address; `None` if the cluster has a record of it, or it asks to join.
        address: Option<Address>,
    },
    /// Transfers leadership: [`Response::Transferred`].
    Transfer {
        /// The new leader; `None` for the most up-to-date follower.
        to: Option<NodeName>,
    },
    /// Removes a node and shuts it down: [`Response::Down`].
    Down {
        /// The node to remove; `None` for the leader.
        node: Option<NodeName>,
        /// Only reports what would change.
        dry_run: bool,
    },
    /// Removes a lost node from the cluster: [`Response::Removed`].
    Remove {
        /// The node to remove.
        node: NodeName,
        /// Only reports what would change.
        dry_run: bool,
    },
    /// Asks whether a node can be stopped without losing the quorum: [`Response::CanStop`].
    CanStop {
        /// The node to check.
        node: NodeName,
    },

    /// From a node to the leader: asks for the revision that a linearizable read must wait for:
    /// [`Response::ReadIndex`]. Never forwarded.
    ReadIndex,
    /// From a node without data that is announced or a member: asks to join: [`Response::Admitted`].
    Join {
        /// The node's name, as in its certificate.
        node: NodeName,
        /// The address at which it is reached.
        address: Address,
        /// The highest feature level that it knows.
        level: FeatureLevel,
    },
    /// From a learner that has caught up: asks to become a voter: [`Response::Done`].
    Promote {
        /// The learner's id.
        id: NodeId,
    },
    /// From the node that carries out [`Request::Down`] to the leader: [`Response::Removed`].
    RemoveVoter {
        /// The name of the node to remove.
        node: NodeName,
        /// The incarnation of the node to remove.
        id: NodeId,
        /// The state to record for it; `None` deletes its record.
        standing: Option<MemberState>,
    },
    /// From a node to a waiting one: asks it to join: [`Response::Done`]. Never forwarded.
    Invite {
        /// The cluster to join.
        cluster: ClusterId,
        /// The addresses of the cluster's members.
        #[serde(deserialize_with = "at_most::<_, _, NODES_MAX>")]
        members: Vec<Address>,
    },
    /// From a node to a removed one: stop and stay down: [`Response::Done`]. Never forwarded.
    ShutDownRemoved {
        /// The incarnation that was removed.
        id: NodeId,
    },
    /// Requests nothing but a response, which names the leader: [`Response::Done`]. Never
    /// forwarded.
    Ping,
    /// From a node to another: asks for the digest of its state as of an entry that both may know:
    /// [`Response::StateDigest`]. Never forwarded.
    StateDigest {
        /// The cluster of the asking node.
        cluster: ClusterId,
        /// The last entry for which the asking node knows the digest.
        upto: Revision,
    },
    /// From the leader to another node: asks for how much data its disk has room:
    /// [`Response::Room`]. Never forwarded.
    Room {
        /// The cluster of the asking node.
        cluster: ClusterId,
    },
    /// Asks for the node's whole state as a file: [`Response::Backup`]. The file follows on the
    /// same stream, split over any number of frames (see [`crate::backup`]). Must be the only
    /// request on its stream. Never forwarded.
    Backup {
        /// How fresh the backup must be.
        consistency: Consistency,
    },
    /// Reloads the asked node's configuration and certificates: [`Response::Reloaded`]. Never
    /// forwarded.
    Reload {
        /// Whether to take up a CA file that rejects the certificates of voters in reach.
        force: bool,
    },
    /// Reads the asked node's log level, or changes it until the next restart:
    /// [`Response::LogLevel`]. Never forwarded.
    LogLevel {
        /// The new level; `None` only reads it.
        level: Option<LogLevel>,
    },
    /// To a node without data that belongs to no cluster: founds one: [`Response::Founded`]. Never
    /// forwarded.
    Found {
        /// The name of the asked node.
        node: NodeName,
    },
    /// From a leader that has moved: does it answer there? [`Response::Done`]. Never forwarded.
    Reaches {
        /// The node.
        node: NodeName,
        /// Its incarnation.
        id: NodeId,
        /// The address.
        address: Address,
    },
    /// Makes the cluster reach a node, or the sending node, at another address, where it must
    /// answer: [`Response::Done`].
    Move {
        /// The node.
        node: NodeName,
        /// The new address.
        address: Address,
    },
    /// From a node to another: is this node a member? [`Response::Done`]. Never forwarded.
    ConfirmMember {
        /// The node.
        node: NodeName,
        /// Its incarnation.
        id: NodeId,
        /// The last entry of the asking node's log: the asked one's must be more up to date.
        after: LastEntry,
    },
    /// Gives the cluster a revocation list of a trusted CA, which every node puts to use:
    /// [`Response::Revoked`]. Refused unless its number is higher than that of the cluster's list.
    Revoke {
        /// The signed list, in DER.
        #[serde(deserialize_with = "at_most::<_, _, REVOCATION_LIST_BYTES_MAX>")]
        list: Vec<u8>,
    },
    /// Raises the feature level of the cluster to the highest one that all members know:
    /// [`Response::LevelRaised`]. Refused if a member knows less than another, or does not answer.
    FinishUpgrade {
        /// Only reports what would change.
        dry_run: bool,
    },
    /// Reads all settings of the cluster: [`Response::Settings`].
    Settings,
    /// Changes a setting of the cluster: [`Response::SettingChanged`].
    ChangeSetting {
        /// Its name.
        #[serde(deserialize_with = "text::word")]
        name: String,
        /// Its new value; `None` for the default.
        #[serde(deserialize_with = "text::word_if_any")]
        value: Option<String>,
    },
    /// Reads a key as of a revision: [`Response::Value`]. Needs a history, like the next three.
    GetAt {
        /// The key to read.
        key: Key,
        /// The revision, which the cluster must have reached.
        revision: Revision,
        /// How fresh the read must be.
        consistency: Consistency,
    },
    /// Reads a page of keys as of a revision: [`Response::PastPage`].
    RangeAt {
        /// The keys to read.
        range: KeyRange,
        /// The revision, which the cluster must have reached.
        revision: Revision,
        /// The maximum number of keys; 0 means as many as fit a page.
        limit: u32,
        /// Omits the values.
        keys_only: bool,
        /// How fresh the read must be.
        consistency: Consistency,
    },
    /// Reads versions of a key, the newest first: [`Response::Versions`].
    History {
        /// The key.
        key: Key,
        /// Only versions before the one that was made at this revision; `None` begins with the present one.
        before: Option<Revision>,
        /// The maximum number of versions; 0 means as many as fit a page.
        limit: u32,
        /// Omits the values.
        keys_only: bool,
        /// How fresh the read must be.
        consistency: Consistency,
    },
    /// Drops the history up to a revision, at which the state can still be read:
    /// [`Response::Compacted`].
    CompactHistory {
        /// The revision, which the cluster must have reached.
        upto: Revision,
    },
    /// Reads and writes keys, as conditions choose: [`Response::Transacted`].
    Transact {
        /// Identifies the transaction, so that retries apply it at most once.
        request: RequestId,
        /// The conditions and the steps.
        #[serde(with = "crate::command::shared")]
        transaction: Arc<Transaction>,
    },
    /// Waits for changes of keys: [`Response::Changes`]. Never forwarded: any node knows them.
    Watch {
        /// The keys and changes to watch.
        spec: WatchSpec,
        /// Only changes after this revision; `None` asks for the present one, and is answered at once.
        after: Option<Revision>,
        /// How long to wait for a change, in milliseconds.
        wait_ms: u32,
        /// How fresh the node must be first.
        consistency: Consistency,
    },
    /// Reads the asked node's events: [`Response::Events`]. Never forwarded.
    Events {
        /// Only events with a higher number; 0 for all.
        after: u64,
        /// The maximum number of events, the latest ones; 0 for all.
        limit: u32,
    },
    /// Writes the record of a node again: [`Response::Done`].
    #[cfg(coffee_future)]
    FutureTouch(NodeName),
}

crate::enveloped!(Request);
