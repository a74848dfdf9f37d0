//! Why a node did not carry out a request, and what that says about its effect.
//!
//! A rejection travels with its class and its text before its kind. So a client that does not know the
//! kind still learns whether the request was applied, and why not:
//!
//! ```text
//! class 1 | text | length | kind | fields ...
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    bounded::at_most,
    envelope::{self, DecodeError, Enveloped},
    id::{Address, ClusterId, NodeName, Revision},
    limits::NODES_MAX,
    text,
};

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(remote = "Self")]
pub enum Rejection {
    /// Not applied: no leader, no quorum, or the node is starting or stopping. Retry.
    #[error("{0}")]
    Unavailable(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node has too much in flight. Retry later.
    #[error("the node is overloaded")]
    Overloaded,
    /// Not applied: the request is invalid.
    #[error("{0}")]
    Invalid(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the caller lacks permission.
    #[error("{0}")]
    Denied(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node does not exist.
    #[error("{0}")]
    NotFound(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: a safety check failed.
    #[error("{reason}")]
    Refused {
        /// The check that failed.
        #[serde(deserialize_with = "text::message")]
        reason: String,
        /// The next step for the operator.
        #[serde(deserialize_with = "text::message")]
        hint: String,
    },
    /// The request may have been applied, or may still be.
    #[error("{0}")]
    Unknown(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the node belongs to no cluster.
    #[error("{node} belongs to no cluster yet")]
    NoCluster {
        /// The asked node.
        node: NodeName,
        /// Whether it asks to join one, so that a retry may succeed.
        joining: bool,
    },
    /// Not applied: the request is meant for another cluster than the node's.
    #[error("{node} belongs to another cluster: {cluster}")]
    OtherCluster {
        /// The asked node.
        node: NodeName,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// Not applied: the node was left out of a restore or a recovery. Its peers belong to a new
    /// cluster, and its own data is of the old one.
    #[error(
        "{node} was left out of a restore or a recovery: its peers are in cluster {peers}, its data is older"
    )]
    LeftOut {
        /// The asked node.
        node: NodeName,
        /// The cluster of its peers.
        peers: ClusterId,
        /// The address of one of them.
        from: Address,
    },
    /// Not applied: too few voters are in reach of the node to elect a leader.
    #[error("no quorum: {} of {voters} voters are in reach ({})", reached.len(), listed(reached))]
    NoQuorum {
        /// The voters in reach, the node itself among them.
        #[serde(deserialize_with = "at_most::<_, _, NODES_MAX>")]
        reached: Vec<NodeName>,
        /// The number of voters.
        voters: u32,
    },
    /// Not applied: the node does not know the request, or rejects it for a reason of which this
    /// version knows only the text. One of the two is older.
    #[error("{0}")]
    Unsupported(#[serde(deserialize_with = "text::message")] String),
    /// The node has answered, and this version cannot read the response: it may have been applied.
    #[error("{0}")]
    Unreadable(#[serde(deserialize_with = "text::message")] String),
    /// Not applied: the history does not reach back to the revision.
    #[error("the history begins at revision {floor}: what was before cannot be read any more")]
    Compacted {
        /// The first revision at which the state can be read.
        floor: Revision,
    },
}

/// The effect of a request that was rejected. A later version has no other classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RejectionClass {
    /// It may have been applied, or may still be.
    Doubt = 0,
    /// It was not applied.
    NotApplied = 1,
    /// It was not applied, and may be if it is sent again.
    NotYet = 2,
}

fn listed(names: &[NodeName]) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns the command that brings a node with other data into a cluster. `from` is the address of
/// a member.
pub fn rebuild_command(cluster: ClusterId, from: &Address) -> String {
    format!("coffeed --config FILE rebuild --cluster {cluster} --from {from}")
}

impl Rejection {
    /// Returns whether the request certainly had no effect and never will have.
    pub fn is_not_applied(&self) -> bool {
        self.class() != RejectionClass::Doubt
    }

    fn class(&self) -> RejectionClass {
        match self {
            Self::Unknown(_) | Self::Unreadable(_) => RejectionClass::Doubt,
            Self::Unavailable(_) | Self::Overloaded | Self::NoCluster { .. } | Self::NoQuorum { .. } => {
                RejectionClass::NotYet
            }
            Self::Invalid(_)
            | Self::Denied(_)
            | Self::NotFound(_)
            | Self::Refused { .. }
            | Self::OtherCluster { .. }
            | Self::LeftOut { .. }
            | Self::Compacted { .. }
            | Self::Unsupported(_) => RejectionClass::NotApplied,
        }
    }

    /// Returns the rejection of this class that says nothing more.
    fn of_unknown_kind(class: u8, text: String) -> Self {
        match class {
            class if class == RejectionClass::NotApplied as u8 => Self::Unsupported(text),
            class if class == RejectionClass::NotYet as u8 => Self::Unavailable(text),
            _ => Self::Unknown(text),
        }
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Kind<'a>(&'a Rejection);
        impl Serialize for Kind<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Rejection::serialize(self.0, serializer)
            }
        }
        (self.class() as u8, self.to_string(), Enveloped(&Kind(self))).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rejection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct EncodedRejection<'a>(u8, #[serde(deserialize_with = "text::message")] String, &'a [u8]);
        struct Kind(Rejection);
        impl<'de> Deserialize<'de> for Kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Rejection::deserialize(deserializer).map(Self)
            }
        }
        let EncodedRejection(class, text, kind) = EncodedRejection::deserialize(deserializer)?;
        match envelope::decode_body(kind) {
            Ok(Kind(rejection)) => Ok(rejection),
            Err(DecodeError::Unknown(_)) => Ok(Self::of_unknown_kind(class, text)),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    fn received(message: &[u8]) -> Rejection {
        frame::decode(message).expect("decodes")
    }

    #[test]
    fn a_kind_of_a_newer_version_keeps_its_class_and_its_text() {
        let newer = |class: u8| [&[class, 3], b"why".as_slice(), &[4, 99, 1, 2, 3]].concat();
        assert_eq!(received(&newer(1)), Rejection::Unsupported("why".to_owned()));
        assert_eq!(received(&newer(2)), Rejection::Unavailable("why".to_owned()));
        for doubt in [0, 3, 255] {
            assert_eq!(received(&newer(doubt)), Rejection::Unknown("why".to_owned()), "class {doubt}");
        }
    }

    #[test]
    fn a_known_kind_counts_more_than_its_class() {
        let overloaded = [&[0, 1, b'?'], [1, 1].as_slice()].concat();
        assert_eq!(received(&overloaded), Rejection::Overloaded);
        assert!(frame::decode::<Rejection>(&[1, 0, 2, 0, 9]).is_err(), "a text that was cut");
    }

    #[test]
    fn the_text_of_an_unknown_kind_controls_no_terminal() {
        let newer = [&[1, 4], b"\x1b[2J".as_slice(), &[1, 99]].concat();
        assert_eq!(received(&newer), Rejection::Unsupported("\u{fffd}[2J".to_owned()));
    }
}
