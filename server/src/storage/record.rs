//! Raft's own values in our own bytes, for the disk and for the wire.
//!
//! openraft's layout changes between its versions, so none of it is ever
//! written or sent. The mirrors here are what is: [`encode`] puts a version
//! byte before a postcard message, golden bytes hold both. A frame on the wire
//! has a version of its own and carries the mirrors as they are.
//!
//! Knows the types of openraft and of the domain; no file and no connection.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use coffee_common::{command::Proposal, id::NodeId};
use openraft::entry::RaftEntry;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::raft_types::{
    CommittedLeaderId, LeaderId, LogEntry, LogId, Member, Membership, Payload, SnapshotMeta,
    StoredMembership, Vote,
};

/// The version that this build writes and reads.
const VERSION: u8 = 1;

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There is not even a version.
    #[error("an empty record")]
    Empty,
    /// Another version of coffeed wrote it.
    #[error("record version {0}; this build knows version {VERSION}")]
    Version(u8),
    /// It is not what was written, or cannot be put into bytes.
    #[error("a malformed record: {0}")]
    Malformed(#[from] postcard::Error),
    /// Bytes are left behind it.
    #[error("{0} bytes behind a record")]
    Trailing(usize),
    /// An entry does not follow the one before it.
    #[error("entry {found} where entry {expected} belongs")]
    OutOfPlace {
        /// Its index.
        found: u64,
        /// The index of the place.
        expected: u64,
    },
    /// It names voters that it says nothing of.
    #[error("a membership that is none: {0}")]
    Membership(String),
}

/// Mirror of [`LeaderId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// Its term.
    pub term: u64,
    /// Which node.
    pub node: NodeId,
}

/// Mirror of [`Vote`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRecord {
    /// For whom.
    pub leader: LeaderRecord,
    /// Whether a quorum granted it.
    pub committed: bool,
}

/// Mirror of [`LogId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogIdRecord {
    /// The term of the leader that proposed the entry.
    pub term: u64,
    /// Where it is in the log.
    pub index: u64,
}

/// Mirror of [`Membership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipRecord {
    /// Who votes; two sets while it changes.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// All members, learners too.
    pub members: BTreeMap<NodeId, Member>,
}

/// Mirror of [`StoredMembership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMembershipRecord {
    /// The entry that made it so; `None` before the first.
    pub log_id: Option<LogIdRecord>,
    /// What it says.
    pub membership: MembershipRecord,
}

/// Mirror of [`SnapshotMeta`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMetaRecord {
    /// The last entry that the snapshot contains.
    pub last_log_id: Option<LogIdRecord>,
    /// The membership as of that entry.
    pub membership: StoredMembershipRecord,
}

/// Mirror of [`LogEntry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord<'a> {
    /// Names it.
    pub log_id: LogIdRecord,
    /// What it carries.
    pub payload: PayloadRecord<'a>,
}

/// Mirror of [`Payload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PayloadRecord<'a> {
    /// Nothing: a new leader's first entry.
    Blank,
    /// A command.
    Normal(Cow<'a, Proposal>),
    /// A new membership.
    Membership(MembershipRecord),
}

/// Encodes a mirror for the disk, behind a version byte.
pub fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, RecordError> {
    encode_behind(Vec::new(), record)
}

/// Does what [`encode`] does, behind what is in `bytes` already.
pub fn encode_behind<T: Serialize>(mut bytes: Vec<u8>, record: &T) -> Result<Vec<u8>, RecordError> {
    bytes.push(VERSION);
    Ok(postcard::to_extend(record, bytes)?)
}

/// Decodes what [`encode`] made.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    match bytes.split_first() {
        None => Err(RecordError::Empty),
        Some((&VERSION, message)) => match postcard::take_from_bytes(message)? {
            (record, []) => Ok(record),
            (_, rest) => Err(RecordError::Trailing(rest.len())),
        },
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
