//! The response to a request that was carried out.

use serde::{Deserialize, Serialize};

use super::{
    change_view::ChangeView,
    key_version::VersionView,
    log_level::LogLevel,
    membership::{RaisedLevel, Removal, ReplicaDigest},
    node_event::NodeEvents,
    setting_view::{ChangedSetting, SETTINGS_MAX, SettingView},
    status::{ClusterView, NodeStatus, Reload},
};
use crate::{
    bounded::at_most,
    command::Outcome,
    entry::Entry,
    id::{ClusterId, NodeId, NodeName, Revision},
    key::Key,
    limits::{CHANGES_IN_RESPONSE_MAX, RANGE_KEYS_MAX, TRANSACTION_STEPS_MAX, VERSIONS_MAX},
    text,
    transaction::StepRead,
};

/// The response to a request that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub enum Response {
    /// To [`Request::Status`](super::Request::Status).
    Status(Box<NodeStatus>),
    /// To [`Request::List`](super::Request::List).
    Cluster(Box<ClusterView>),
    /// To [`Request::Write`](super::Request::Write).
    Written(Outcome),
    /// To [`Request::Get`](super::Request::Get).
    Value {
        /// The key's entry; `None` if the key does not exist.
        entry: Option<Entry>,
        /// The revision as of which the read was done.
        at: Revision,
    },
    /// To [`Request::Range`](super::Request::Range).
    Page {
        /// The keys in order, with their entries; values are empty if they were omitted.
        #[serde(deserialize_with = "at_most::<_, _, { RANGE_KEYS_MAX as usize }>")]
        entries: Vec<(Key, Entry)>,
        /// Whether the range may continue after what was looked at.
        more: bool,
        /// The revision as of which the read was done.
        at: Revision,
        /// The last key that was looked at, if the range may continue after it; `None` from an older
        /// node, whose pages end with their last key. There may be many deleted keys before it, and no
        /// entry.
        upto: Option<Key>,
    },
    /// To [`Request::Boot`](super::Request::Boot).
    Booted {
        /// The node's id.
        id: NodeId,
        /// Whether it became a voter now.
        changed: bool,
        /// Whether it was a voter, and the cluster now reaches it at another address.
        moved: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// To [`Request::Transfer`](super::Request::Transfer).
    Transferred {
        /// The previous leader.
        from: NodeName,
        /// The present leader.
        to: NodeName,
        /// The term of the present leader.
        term: u64,
        /// Whether leadership moved.
        changed: bool,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// To [`Request::Down`](super::Request::Down).
    Down(Removal),
    /// To [`Request::Remove`](super::Request::Remove).
    Removed(Removal),
    /// To [`Request::CanStop`](super::Request::CanStop).
    CanStop {
        /// Whether the node can be stopped.
        yes: bool,
        /// The reason for the verdict.
        #[serde(deserialize_with = "text::message")]
        reason: String,
    },
    /// To [`Request::ReadIndex`](super::Request::ReadIndex): the revision to wait for.
    ReadIndex(Revision),
    /// To [`Request::Join`](super::Request::Join).
    Admitted {
        /// The cluster that the node joined.
        cluster: ClusterId,
        /// The node's new id.
        id: NodeId,
    },
    /// To requests that only change something: it is done, or was done before.
    Done {
        /// Whether this request changed something.
        changed: bool,
    },
    /// To [`Request::StateDigest`](super::Request::StateDigest); `None` if none is known.
    StateDigest(Option<ReplicaDigest>),
    /// To [`Request::Room`](super::Request::Room).
    Room {
        /// The bytes that the disk can take; `None` if that is unknown.
        bytes: Option<u64>,
        /// Whether the disk has no room, and would have some without the history.
        history_takes_it: bool,
    },
    /// To [`Request::Backup`](super::Request::Backup): the file follows.
    Backup,
    /// To [`Request::Reload`](super::Request::Reload).
    Reloaded(Box<Reload>),
    /// To [`Request::LogLevel`](super::Request::LogLevel).
    LogLevel {
        /// The node that answered.
        node: NodeName,
        /// The node's log level.
        level: LogLevel,
        /// Whether the level was changed.
        changed: bool,
    },
    /// To [`Request::Found`](super::Request::Found).
    Founded {
        /// The cluster.
        cluster: ClusterId,
        /// Whether this request founded it.
        changed: bool,
    },
    /// To [`Request::Revoke`](super::Request::Revoke).
    Revoked {
        /// The number of the list.
        number: u64,
        /// Whether the cluster has it because of this request; otherwise it had the same list before.
        changed: bool,
    },
    /// To [`Request::Boot`](super::Request::Boot): the node is admitted when it asks. Whether this request announced it.
    Announced(bool),
    /// To [`Request::FinishUpgrade`](super::Request::FinishUpgrade).
    LevelRaised(RaisedLevel),
    /// To [`Request::Settings`](super::Request::Settings).
    Settings(#[serde(deserialize_with = "at_most::<_, _, SETTINGS_MAX>")] Vec<SettingView>),
    /// To [`Request::ChangeSetting`](super::Request::ChangeSetting).
    SettingChanged(ChangedSetting),
    /// To [`Request::RangeAt`](super::Request::RangeAt).
    PastPage {
        /// The keys in order, with their entries; values are empty if they were omitted.
        #[serde(deserialize_with = "at_most::<_, _, { RANGE_KEYS_MAX as usize }>")]
        entries: Vec<(Key, Entry)>,
        /// The last key of the range that was looked at, if the range continues after it. There may be
        /// none of that time on this page.
        upto: Option<Key>,
    },
    /// To [`Request::History`](super::Request::History).
    Versions {
        /// The versions, the newest first.
        #[serde(deserialize_with = "at_most::<_, _, VERSIONS_MAX>")]
        versions: Vec<VersionView>,
        /// Whether there are earlier ones.
        more: bool,
    },
    /// To [`Request::CompactHistory`](super::Request::CompactHistory).
    Compacted {
        /// The first revision at which the state can be read.
        floor: Revision,
        /// Whether this request has raised it.
        changed: bool,
    },
    /// To [`Request::Transact`](super::Request::Transact).
    Transacted {
        /// The outcome.
        outcome: Outcome,
        /// One per step that only reads, in order; none if another node forwarded the request, which reads
        /// for itself.
        #[serde(deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
        reads: Vec<StepRead>,
    },
    /// To [`Request::Watch`](super::Request::Watch).
    Changes {
        /// The changes, in the order of their revisions; those of a revision together. None if there was
        /// none in time, or there may be more after `upto`.
        #[serde(deserialize_with = "at_most::<_, _, CHANGES_IN_RESPONSE_MAX>")]
        changes: Vec<ChangeView>,
        /// All changes up to this revision are in this response, or were in an earlier one: the next request
        /// asks for those after it.
        upto: Revision,
    },
    /// To [`Request::Events`](super::Request::Events).
    Events(NodeEvents),
}

crate::enveloped!(Response);
