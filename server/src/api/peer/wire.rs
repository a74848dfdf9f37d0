//! The messages between members, in our own encoding.
//!
//! Mirrors of openraft's messages (see `storage::record`), one per frame. The frame carries the
//! version, and golden bytes guard the layout, which changes by the rule of
//! [`coffee_common::envelope`]. openraft's errors are not sent: a peer that cannot answer ends the
//! stream.

use coffee_common::{
    bounded::at_most,
    id::{ClusterId, NodeId},
    limits::APPEND_ENTRIES_MAX,
    protocol_versions::ProtocolVersions,
    text,
};
use openraft::raft::{
    self, AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::{
    raft_types::{LogEntry, TypeConfig},
    storage::record::{EntryRecord, LogIdRecord, RecordError, VoteRecord},
};

/// openraft's form of an [`AppendRequest`].
pub(super) type RaftAppendRequest = AppendEntriesRequest<TypeConfig>;

/// The first frame of each stream. Every version can read it: its fields are never removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's cluster.
    pub cluster: ClusterId,
    /// The sender.
    pub from: NodeId,
    /// The intended receiver. A node that was wiped and returns has another id, and must not answer
    /// for the old one.
    pub to: NodeId,
    /// The content of the stream.
    pub purpose: Purpose,
    /// The versions of this protocol that the sender speaks. Those of the receiver are in its own
    /// hellos.
    pub versions: ProtocolVersions,
}

/// The content of a stream after its [`Hello`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Any number of [`AppendRequest`]s, each answered by an [`AppendResponse`].
    Append,
    /// One [`RpcRequest`], answered by one [`RpcResponse`].
    Rpc,
    /// One [`VoteRecord`], then the chunks of a snapshot, raw in their frames. Answered by any
    /// number of [`SnapshotProgress`]es.
    Snapshot,
}

/// Raft's AppendEntries (Raft paper, figure 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendRequest<'a> {
    /// The leader's vote.
    pub vote: VoteRecord,
    /// The entry before the first of `entries`.
    pub previous: Option<LogIdRecord>,
    /// The last entry that the leader knows to be committed.
    pub committed: Option<LogIdRecord>,
    /// The entries to append, up to [`APPEND_ENTRIES_MAX`]. Empty in a heartbeat.
    #[serde(deserialize_with = "at_most::<_, _, APPEND_ENTRIES_MAX>")]
    pub entries: Vec<EntryRecord<'a>>,
}

/// The response to an [`AppendRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppendResponse {
    /// The log is durable up to this entry.
    Upto(Option<LogIdRecord>),
    /// The log does not contain this entry.
    Conflict(LogIdRecord),
    /// Another leader or candidate has a higher vote.
    HigherVote(VoteRecord),
}

/// A request on its own stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RpcRequest {
    /// AppendEntries without entries. The response does not wait for the disk.
    Heartbeat {
        /// The leader's vote.
        vote: VoteRecord,
        /// The last entry that the receiver is known to have.
        previous: Option<LogIdRecord>,
        /// The last entry that the leader knows to be committed.
        committed: Option<LogIdRecord>,
    },
    /// RequestVote (Raft paper, figure 2).
    Vote(VoteRequest),
    /// Checks whether a vote would be granted (Raft dissertation, section 9.6).
    PreVote(VoteRequest),
    /// Makes the receiver start an election now (Raft dissertation, section 3.10).
    Transfer {
        /// The vote of the leader that hands over.
        from: VoteRecord,
        /// The new leader.
        to: NodeId,
        /// The last entry that the new leader must have.
        last: Option<LogIdRecord>,
    },
    /// Asks whether the receiver follows this leader (Raft dissertation, section 6.4).
    Follows {
        /// The leader's vote.
        leader: VoteRecord,
    },
}

/// The response to a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeartbeatResponse {
    /// The receiver follows this leader. Says nothing about its log.
    Follows,
    /// The log does not contain the heartbeat's entry.
    Conflict,
    /// Another leader or candidate has a higher vote.
    HigherVote(VoteRecord),
}

/// A candidate's request for a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRequest {
    /// The vote that the candidate requests.
    pub vote: VoteRecord,
    /// The last entry of the candidate's log.
    pub last: Option<LogIdRecord>,
    /// Whether the leader itself started the election.
    pub transfer: bool,
}

/// The response to an [`RpcRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RpcResponse {
    /// To a heartbeat.
    Heartbeat(HeartbeatResponse),
    /// To a vote or pre-vote.
    Vote {
        /// The voter's own vote.
        vote: VoteRecord,
        /// Whether the vote is granted.
        granted: bool,
        /// The last entry of the voter's log.
        last: Option<LogIdRecord>,
    },
    /// To a transfer.
    Transfer(Result<(), TransferError>),
    /// Whether the receiver's vote is for that leader. It can still follow another one later.
    Follows(bool),
    /// The receiver does not know the request: it runs an older version.
    Unsupported,
}

/// Why a node did not take over leadership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferError {
    /// The vote has changed.
    VoteChanged {
        /// The leader's vote.
        expected: VoteRecord,
        /// The receiver's vote.
        actual: VoteRecord,
    },
    /// The log is not complete yet.
    LogNotFlushed {
        /// The leader's last entry.
        expected: Option<LogIdRecord>,
        /// The receiver's last entry.
        actual: Option<LogIdRecord>,
    },
}

/// The progress of the receiver of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotProgress {
    /// Sent periodically while the receiver writes.
    Taken {
        /// The number of rows received.
        rows: u64,
    },
    /// The snapshot is installed or not needed, or the receiver has a higher vote. Carries the
    /// receiver's vote.
    Done(VoteRecord),
    /// The receiver cannot use the snapshot.
    Refused(#[serde(deserialize_with = "text::message")] String),
    /// Sent periodically once the receiver has all rows, while it makes them durable and installs
    /// them.
    Finishing,
}

impl<'a> From<&'a RaftAppendRequest> for AppendRequest<'a> {
    fn from(request: &'a RaftAppendRequest) -> Self {
        Self {
            vote: (&request.vote).into(),
            previous: request.prev_log_id.as_ref().map(Into::into),
            committed: request.leader_commit.as_ref().map(Into::into),
            entries: request.entries.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<AppendRequest<'_>> for RaftAppendRequest {
    type Error = RecordError;
    fn try_from(append: AppendRequest<'_>) -> Result<Self, RecordError> {
        // Raft trusts a leader's entries to be contiguous, so bytes from the network are checked.
        let mut next = append.previous.map_or(0, |previous| previous.index.saturating_add(1));
        let mut entries = Vec::with_capacity(append.entries.len());
        for entry in append.entries {
            if entry.log_id.index != next {
                return Err(RecordError::OutOfPlace { found: entry.log_id.index, expected: next });
            }
            next = next.saturating_add(1);
            entries.push(LogEntry::try_from(entry)?);
        }
        Ok(Self {
            vote: append.vote.into(),
            prev_log_id: append.previous.map(Into::into),
            leader_commit: append.committed.map(Into::into),
            entries,
        })
    }
}

impl From<StreamAppendResult<TypeConfig>> for AppendResponse {
    fn from(result: StreamAppendResult<TypeConfig>) -> Self {
        match result {
            Ok(upto) => Self::Upto(upto.as_ref().map(Into::into)),
            Err(StreamAppendError::Conflict(at)) => Self::Conflict((&at).into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote((&vote).into()),
        }
    }
}

impl From<&raft::VoteRequest<TypeConfig>> for VoteRequest {
    fn from(request: &raft::VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            last: request.last_log_id.as_ref().map(Into::into),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<VoteRequest> for raft::VoteRequest<TypeConfig> {
    fn from(wire: VoteRequest) -> Self {
        let mut request = Self::new(wire.vote.into(), wire.last.map(Into::into));
        request.leadership_transfer = wire.transfer;
        request
    }
}

impl From<VoteResponse<TypeConfig>> for RpcResponse {
    fn from(response: VoteResponse<TypeConfig>) -> Self {
        Self::Vote {
            vote: (&response.vote).into(),
            granted: response.vote_granted,
            last: response.last_log_id.as_ref().map(Into::into),
        }
    }
}

impl From<&TransferLeaderRequest<TypeConfig>> for RpcRequest {
    fn from(request: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self::Transfer {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(Into::into),
        }
    }
}

impl From<TransferLeaderResponse<TypeConfig>> for RpcResponse {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        Self::Transfer(response.map_err(|error| match error {
            TransferLeaderError::VoteChanged { expected, actual } => {
                TransferError::VoteChanged { expected: (&expected).into(), actual: (&actual).into() }
            }
            TransferLeaderError::LogNotFlushed { expected, actual } => TransferError::LogNotFlushed {
                expected: expected.as_ref().map(Into::into),
                actual: actual.as_ref().map(Into::into),
            },
        }))
    }
}

impl From<TransferError> for TransferLeaderError<TypeConfig> {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::VoteChanged { expected, actual } => {
                Self::VoteChanged { expected: expected.into(), actual: actual.into() }
            }
            TransferError::LogNotFlushed { expected, actual } => {
                Self::LogNotFlushed { expected: expected.map(Into::into), actual: actual.map(Into::into) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
