//! Raft's values in our own encoding, for the disk and for the wire.
//!
//! openraft's layout changes between its versions, so it is never written or
//! sent. The mirror types here are: [`encode`] puts a version byte before a
//! postcard message, and golden bytes pin both. A frame on the wire has a version
//! of its own and carries the mirrors without this byte. Either is a body that
//! later versions may extend (see [`coffee_common::envelope`]).
//!
//! Knows the types of openraft and of the domain; no file and no connection.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use coffee_common::{
    bounded::at_most,
    command::Proposal,
    envelope::{self, DecodeError, UnknownKind},
    id::NodeId,
    limits::NODES_MAX,
};
use openraft::entry::RaftEntry;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::raft_types::{
    CommittedLeaderId, LeaderId, LogEntry, LogId, Member, Membership, Payload, SnapshotMeta,
    StoredMembership, Vote,
};

/// The version that this build writes and reads.
pub const VERSION: u8 = 2;

/// More members than a cluster can have: it keeps a record of each.
const MEMBERS_MAX: usize = 2 * NODES_MAX;

/// The most sets of voters.
const CONFIGURATIONS_MAX: usize = 2;

/// Why bytes cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is no version byte.
    #[error("an empty record")]
    Empty,
    /// Another version of coffeed wrote it.
    #[error("record version {0}; this build knows version {VERSION}")]
    Version(u8),
    /// It does not hold what was written.
    #[error("a malformed record: {0}")]
    Malformed(DecodeError),
    /// It has a part that this build does not know, such as a command: nothing is
    /// wrong with it.
    #[error("written by a newer version of coffeed: {0}")]
    Newer(UnknownKind),
    /// It cannot be encoded.
    #[error("a record cannot be encoded: {0}")]
    Encode(#[from] postcard::Error),
    /// An entry does not follow the one before it.
    #[error("entry {found} instead of entry {expected}")]
    OutOfPlace {
        /// The index of the entry.
        found: u64,
        /// The index that was expected.
        expected: u64,
    },
    /// The membership is not valid: it names voters that are not members.
    #[error("not a valid membership: {0}")]
    Membership(String),
}

impl RecordError {
    /// Whether a newer version of coffeed wrote the record.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Version(version) => *version > VERSION,
            Self::Newer(_) => true,
            _ => false,
        }
    }
}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Unknown(part) => Self::Newer(part),
            error => Self::Malformed(error),
        }
    }
}

/// Mirror of [`LeaderId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// The term.
    pub term: u64,
    /// The node that leads in this term, or is a candidate.
    pub node: NodeId,
}

/// Mirror of [`Vote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRecord {
    /// The candidate or leader.
    pub leader: LeaderRecord,
    /// Whether a quorum granted it.
    pub committed: bool,
}

/// Mirror of [`LogId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdRecord {
    /// The term of the leader that proposed the entry.
    pub term: u64,
    /// The index of the entry in the log.
    pub index: u64,
}

/// Mirror of [`Membership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// The voters; two sets during a joint configuration.
    #[serde(deserialize_with = "voters")]
    pub voters: Vec<BTreeSet<NodeId>>,
    /// All members, including learners.
    #[serde(deserialize_with = "members")]
    pub members: BTreeMap<NodeId, Member>,
}

/// Decodes sets of voters, which another node may have sent.
fn voters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BTreeSet<NodeId>>, D::Error> {
    #[derive(Deserialize)]
    struct Voters(#[serde(deserialize_with = "at_most::<_, _, MEMBERS_MAX>")] Vec<NodeId>);
    let sets: Vec<Voters> = at_most::<_, _, CONFIGURATIONS_MAX>(deserializer)?;
    Ok(sets.into_iter().map(|Voters(ids)| ids.into_iter().collect()).collect())
}

/// Decodes members, which are encoded like a sequence of pairs.
fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<NodeId, Member>, D::Error> {
    Ok(at_most::<_, _, MEMBERS_MAX>(deserializer)?.into_iter().collect())
}

/// Mirror of [`StoredMembership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMembershipRecord {
    /// The id of its entry; `None` before the first.
    pub log_id: Option<LogIdRecord>,
    /// The membership.
    #[serde(with = "envelope")]
    pub membership: MembershipRecord,
}

/// Mirror of [`SnapshotMeta`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMetaRecord {
    /// The last entry that the snapshot contains.
    pub last_log_id: Option<LogIdRecord>,
    /// The membership as of that entry.
    #[serde(with = "envelope")]
    pub membership: StoredMembershipRecord,
}

/// Mirror of [`LogEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord<'a> {
    /// The id of the entry.
    pub log_id: LogIdRecord,
    /// The content of the entry, in an envelope: entries follow each other in a message.
    #[serde(with = "envelope")]
    pub payload: PayloadRecord<'a>,
}

/// Mirror of [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadRecord<'a> {
    /// Nothing: the first entry of a new leader.
    Blank,
    /// A command.
    Normal(Cow<'a, Proposal>),
    /// A new membership.
    Membership(MembershipRecord),
}

/// Encodes a mirror for the disk, after a version byte.
///
/// # Errors
/// The value cannot be encoded.
pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, RecordError> {
    encode_to(Vec::new(), record)
}

/// As [`encode`], but appends to `bytes`.
///
/// # Errors
/// The value cannot be encoded.
pub fn encode_to<T: Serialize>(mut bytes: Vec<u8>, record: &T) -> Result<Vec<u8>, RecordError> {
    bytes.push(VERSION);
    envelope::encode_to(&mut bytes, record)?;
    Ok(bytes)
}

/// Decodes what [`encode`] has encoded. Skips fields that a newer version has added.
///
/// # Errors
/// The bytes are of another version, malformed, or have a part that this build does
/// not know.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    Ok(envelope::decode_body(message(bytes)?)?)
}

/// Decodes the first field of what [`encode`] has encoded, and returns the bytes of
/// the others.
///
/// # Errors
/// The bytes are of another version, or malformed.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), RecordError> {
    Ok(envelope::decode_first(message(bytes)?)?)
}

fn message(bytes: &[u8]) -> Result<&[u8], RecordError> {
    match bytes.split_first() {
        None => Err(RecordError::Empty),
        Some((&VERSION, message)) => Ok(message),
        Some((&version, _)) => Err(RecordError::Version(version)),
    }
}

impl From<&LeaderId> for LeaderRecord {
    fn from(id: &LeaderId) -> Self {
        Self { term: id.term, node: id.voted_for }
    }
}

impl From<LeaderRecord> for LeaderId {
    fn from(record: LeaderRecord) -> Self {
        Self { term: record.term, voted_for: record.node }
    }
}

impl From<&Vote> for VoteRecord {
    fn from(vote: &Vote) -> Self {
        Self { leader: vote.leader_id().into(), committed: vote.is_committed() }
    }
}

impl From<VoteRecord> for Vote {
    fn from(record: VoteRecord) -> Self {
        Self { leader_id: record.leader.into(), committed: record.committed }
    }
}

impl From<&LogId> for LogIdRecord {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, index: id.index }
    }
}

impl From<LogIdRecord> for LogId {
    fn from(record: LogIdRecord) -> Self {
        Self::new(CommittedLeaderId::new(record.term), record.index)
    }
}

impl From<&Membership> for MembershipRecord {
    fn from(membership: &Membership) -> Self {
        Self {
            voters: membership.get_joint_config().clone(),
            members: membership.nodes().map(|(id, member)| (*id, member.clone())).collect(),
        }
    }
}

impl TryFrom<MembershipRecord> for Membership {
    type Error = RecordError;
    fn try_from(record: MembershipRecord) -> Result<Self, RecordError> {
        if record.voters.is_empty() && record.members.is_empty() {
            return Ok(Self::default());
        }
        Self::new(record.voters, record.members).map_err(|error| RecordError::Membership(error.to_string()))
    }
}

impl From<&StoredMembership> for StoredMembershipRecord {
    fn from(stored: &StoredMembership) -> Self {
        Self { log_id: stored.log_id().as_ref().map(Into::into), membership: stored.membership().into() }
    }
}

impl TryFrom<StoredMembershipRecord> for StoredMembership {
    type Error = RecordError;
    fn try_from(record: StoredMembershipRecord) -> Result<Self, RecordError> {
        Ok(Self::new(record.log_id.map(Into::into), record.membership.try_into()?))
    }
}

impl From<&SnapshotMeta> for SnapshotMetaRecord {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last_log_id: meta.last_log_id.as_ref().map(Into::into),
            membership: (&meta.last_membership).into(),
        }
    }
}

impl TryFrom<SnapshotMetaRecord> for SnapshotMeta {
    type Error = RecordError;
    fn try_from(record: SnapshotMetaRecord) -> Result<Self, RecordError> {
        Ok(Self {
            last_log_id: record.last_log_id.map(Into::into),
            last_membership: record.membership.try_into()?,
        })
    }
}

impl<'a> From<&'a LogEntry> for EntryRecord<'a> {
    fn from(entry: &'a LogEntry) -> Self {
        let payload = match &entry.payload {
            Payload::Blank => PayloadRecord::Blank,
            Payload::Normal(proposal) => PayloadRecord::Normal(Cow::Borrowed(proposal)),
            Payload::Membership(membership) => PayloadRecord::Membership(membership.into()),
        };
        Self { log_id: (&entry.log_id).into(), payload }
    }
}

impl TryFrom<EntryRecord<'_>> for LogEntry {
    type Error = RecordError;
    fn try_from(record: EntryRecord<'_>) -> Result<Self, RecordError> {
        let payload = match record.payload {
            PayloadRecord::Blank => Payload::Blank,
            PayloadRecord::Normal(proposal) => Payload::Normal(proposal.into_owned()),
            PayloadRecord::Membership(membership) => Payload::Membership(membership.try_into()?),
        };
        Ok(Self::new(record.log_id.into(), payload))
    }
}

#[cfg(test)]
mod tests;
