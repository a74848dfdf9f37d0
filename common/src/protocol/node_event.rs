//! The events of a node, as nodes report them. Their kinds are text, so that an old client shows
//! those that only newer nodes know.

use serde::{Deserialize, Serialize};

use crate::{bounded::at_most, id::NodeName, limits::EVENTS_MAX, text};

/// The events that a node remembers since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodeEvents {
    /// The node.
    pub node: NodeName,
    /// When it started, by its own clock, in milliseconds since 1970. Numbers begin again with each
    /// start, and this tells one from another.
    pub started_at_ms: u64,
    /// The events in the order of their numbers.
    #[serde(deserialize_with = "at_most::<_, _, EVENTS_MAX>")]
    pub events: Vec<NodeEvent>,
}

/// An event of a node, or several of one kind about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct NodeEvent {
    /// Its place among the events since the node started, from 1. One that is repeated gets the next
    /// number.
    pub number: u64,
    /// When it last happened, by the node's own clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Its kind: a word of [`NodeEventKind`], or of a newer version.
    #[serde(deserialize_with = "text::word")]
    pub kind: String,
    /// The thing that it is about, such as another node; empty for the node itself.
    #[serde(deserialize_with = "text::word")]
    pub subject: String,
    /// The term that it is about.
    pub term: Option<u64>,
    /// A sentence for people, without the node's name.
    #[serde(deserialize_with = "text::message")]
    pub text: String,
    /// How often it happened from `first_ms` to `at_ms`.
    pub count: u64,
    /// When it first happened, by the node's own clock, in milliseconds since 1970.
    pub first_ms: u64,
}

crate::enveloped!(NodeEvents, NodeEvent);

/// Declares the kinds of events, each with its word.
macro_rules! node_event_kinds {
    ($($(#[$comment:meta])* $kind:ident $word:literal,)*) => {
        /// The kind of an event of a node.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum NodeEventKind {
            $($(#[$comment])* $kind,)*
        }

        impl NodeEventKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the word for the kind.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word,)*
                }
            }
        }
    };
}

node_event_kinds! {
    /// The node starts.
    Start "start",
    /// The node stops as planned.
    Stop "stop",
    /// The node opened its data as a member of a cluster, or founds one.
    Open "open",
    /// The node stands for election.
    Election "election",
    /// The node leads.
    Leads "leads",
    /// The node leads no longer.
    LeadsNoLonger "leads-no-longer",
    /// The node follows a leader.
    Follows "follows",
    /// No leader was heard for long.
    NoLeader "no-leader",
    /// The leader is heard again.
    LeaderBack "leader-back",
    /// The node, as the leader, hears no quorum.
    QuorumLost "quorum-lost",
    /// The node, as the leader, hears a quorum again.
    QuorumBack "quorum-back",
    /// The node, as the leader, hands leadership over.
    Transfer "transfer",
    /// A node asks to join and is not announced.
    AsksToJoin "asks-to-join",
    /// A node joined the cluster, or was made a voter.
    Joined "joined",
    /// A node was removed.
    Removed "removed",
    /// A node has another address.
    Moved "moved",
    /// The feature level of the cluster was raised.
    Level "level",
    /// A setting of the cluster was changed.
    Setting "setting",
    /// Certificates or settings were reloaded.
    Reload "reload",
    /// A reload failed, and nothing was changed.
    ReloadFailed "reload-failed",
    /// Revocation lists are in force.
    Revocation "revocation",
    /// The certificate of the node expires soon, or has expired.
    Certificate "certificate",
    /// An act of an admin, or of the program that runs the node.
    Act "act",
    /// A request or a connection was denied.
    Denied "denied",
    /// A peer cannot be reached.
    PeerLost "peer-lost",
    /// A peer has announced its stop.
    PeerStops "peer-stops",
    /// A peer is reachable again.
    PeerBack "peer-back",
    /// The round trip to a peer is long.
    SlowLink "slow-link",
    /// The round trip to a peer is short again.
    LinkRecovered "link-recovered",
    /// The disk took long for a sync.
    SlowDisk "slow-disk",
    /// The disk is fast again.
    DiskRecovered "disk-recovered",
    /// The disk is nearly full.
    DiskFull "disk-full",
    /// The disk has enough space again.
    DiskFree "disk-free",
    /// The process was not scheduled.
    Stall "stall",
    /// Writes that add data are refused.
    WritesRefused "writes-refused",
    /// Writes that add data are accepted again.
    WritesAccepted "writes-accepted",
    /// A snapshot was sent or received.
    Snapshot "snapshot",
    /// A backup was sent.
    Backup "backup",
    /// The node was left out of a restore or a recovery.
    LeftOut "left-out",
    /// The state of the node differs from that of the others.
    Divergence "divergence",
}

impl NodeEventKind {
    /// Whether events of this kind about the same subject are different ones if their texts differ: another
    /// admin, another value, another transfer.
    pub fn differs_by_text(self) -> bool {
        matches!(self, Self::Act | Self::Setting | Self::Snapshot)
    }

    /// Whether it is for admins alone: it may name clients, addresses, keys or files.
    pub fn is_for_admins(self) -> bool {
        matches!(
            self,
            Self::Act | Self::Denied | Self::Backup | Self::Reload | Self::ReloadFailed | Self::Revocation
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = NodeEventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), NodeEventKind::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b == b'-' || b.is_ascii_lowercase())));
    }

    #[test]
    fn an_event_of_an_unknown_kind_is_read() {
        let event = NodeEvent {
            number: 3,
            at_ms: 7,
            kind: "brewed".to_owned(),
            subject: "hong\u{1b}".to_owned(),
            term: None,
            text: "a latte\nerror: forged".to_owned(),
            count: 1,
            first_ms: 7,
        };
        let events =
            NodeEvents { node: "ming".parse().expect("legal"), started_at_ms: 1, events: vec![event] };
        let frame = crate::frame::encode(&events).expect("encodes");
        let read: NodeEvents = crate::frame::decode(&frame[crate::frame::HEADER_BYTES..]).expect("decodes");
        let [event] = &read.events[..] else { panic!("{read:?}") };
        assert_eq!(
            (event.kind.as_str(), event.subject.as_str(), event.text.as_str()),
            ("brewed", "hong\u{fffd}", "a latte error: forged")
        );
    }
}
