//! What a node says of itself and of its cluster.

use serde::{Deserialize, Serialize};

use crate::{
    command::NodeRecord,
    id::{Address, ClusterId, NodeId, NodeName, Revision},
    protocol::Identity,
};

/// What a node does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecyclePhase {
    /// Belongs to no cluster, and waits for `boot`.
    Waiting,
    /// Asks to be let in, or catches up.
    Joining,
    /// Takes part.
    Running,
    /// Shuts down.
    Stopping,
}

/// What a node is in its cluster at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaftRole {
    /// Leads.
    Leader,
    /// Follows, and votes.
    Follower,
    /// Stands for election.
    Candidate,
    /// Follows without a vote.
    Learner,
}

/// A node's view of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeName,
    /// Where it says it is reached.
    pub address: Address,
    /// Its version of coffeed.
    pub version: String,
    /// What it does at present.
    pub phase: LifecyclePhase,
    /// For how long it has been up, in milliseconds.
    pub uptime_ms: u64,
    /// What it knows of its cluster, once it belongs to one.
    pub raft: Option<RaftStatus>,
    /// The certificate that it shows.
    pub certificate: CertificateStatus,
    /// When it started, by its own clock, in milliseconds since 1970: what
    /// tells a process from the one before it.
    pub started_at_ms: u64,
    /// The room on its disk when it last looked, in bytes.
    pub disk_free_bytes: Option<u64>,
}

/// What is worth knowing of a certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// Until when it is valid, in seconds since 1970.
    pub valid_until_s: u64,
}

/// A member's view of its cluster. Indexes are those of the log; 0 is before all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaftStatus {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node's id.
    pub id: NodeId,
    /// What it is.
    pub role: RaftRole,
    /// Its term.
    pub term: u64,
    /// Whom it follows.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_log: Revision,
    /// The last entry that it knows to be committed.
    pub committed: Revision,
    /// The last entry that it has applied.
    pub applied: Revision,
    /// The last entry in its latest snapshot.
    pub snapshot: Revision,
    /// The last entry that it has purged.
    pub purged: Revision,
    /// Who votes. Two sets while a change of membership is under way.
    pub voters: Vec<Vec<NodeId>>,
    /// Who follows without a vote.
    pub learners: Vec<NodeId>,
    /// How far each member's log matches, where this node leads.
    pub matched: Vec<(NodeId, Revision)>,
    /// How long ago a quorum was heard, in milliseconds, where this node leads.
    pub quorum_heard_ms: Option<u64>,
    /// What is remembered of each node.
    pub nodes: Vec<NodeRecord>,
}

/// What a node has taken up while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// Which node.
    pub node: NodeName,
    /// The settings that are others now, or whose files are: `tls.cert`.
    pub changed: Vec<String>,
    /// The settings that are others by now and count only after a restart.
    pub needs_restart: Vec<String>,
    /// Whose connections were ended: they would not be let in any more.
    pub ended: Vec<Identity>,
    /// The certificate that it shows.
    pub certificate: CertificateStatus,
}

/// All nodes of a cluster, as one of them can reach the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The cluster, unless the asked node belongs to none.
    pub cluster: Option<ClusterId>,
    /// The asked node.
    pub asked: NodeName,
    /// The leader, if most voters in reach agree on one.
    pub leader: Option<NodeName>,
    /// Its term.
    pub term: u64,
    /// Whether a change of membership is under way (joint consensus).
    pub joint: bool,
    /// How many vote.
    pub voters: u32,
    /// How many of those can be reached.
    pub voters_in_reach: u32,
    /// How many of those in reach may be lost before the quorum is.
    pub may_lose: u32,
    /// The nodes, in the order of their ids.
    pub nodes: Vec<NodeView>,
}

/// One node in a [`ClusterView`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Its id, once it has one.
    pub id: Option<NodeId>,
    /// Where it is reached.
    pub address: Address,
    /// What it is, if it belongs to the cluster.
    pub role: Option<RaftRole>,
    /// How it is.
    pub state: NodeState,
    /// How many entries its log is behind the leader's; `None` where that is not known.
    pub lag: Option<u64>,
    /// The last entry that it has applied.
    pub applied: Option<Revision>,
    /// Its version of coffeed.
    pub version: Option<String>,
    /// Until when its certificate is valid, in seconds since 1970.
    pub certificate_until_s: Option<u64>,
    /// The room on its disk when it last looked, in bytes.
    pub disk_free_bytes: Option<u64>,
}

/// How a node is, seen from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    /// Reached, and takes part.
    Up,
    /// Reached; catches up before it gets a vote.
    Joining,
    /// Reached; waits for `boot`.
    Waiting,
    /// Reached; shuts down.
    Stopping,
    /// Not reached.
    Unreachable,
    /// Taken down by an operator.
    Shutdown,
}
