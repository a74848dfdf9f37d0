//! What members say to each other, in our own bytes.
//!
//! Mirrors of openraft's messages (see `storage::record`), one to a frame. The
//! frame carries the version; golden bytes hold the layout. No error of
//! openraft travels: a peer that cannot answer ends the stream.

use coffee_common::{
    id::{ClusterId, NodeId},
    limits::APPEND_ENTRIES_MAX,
};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::{
    raft_types::{LogEntry, TypeConfig},
    storage::record::{EntryRecord, LogIdRecord, RecordError, VoteRecord},
};

/// The first frame of each stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's cluster.
    pub cluster: ClusterId,
    /// The sender.
    pub from: NodeId,
    /// Whom it means: a node that was wiped and came back has another id, and
    /// must not answer for the old one.
    pub to: NodeId,
    /// What the stream carries.
    pub purpose: Purpose,
}

/// What a stream carries behind its [`Hello`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Any number of [`Append`], an [`Appended`] for each.
    Append,
    /// One [`Question`], one [`Reply`].
    Ask,
    /// One [`VoteRecord`], then the chunks of a snapshot, raw in their
    /// frames; any number of [`SnapshotProgress`] comes back.
    Snapshot,
}

/// Raft's AppendEntries (Raft paper, figure 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append<'a> {
    /// The leader's vote.
    pub vote: VoteRecord,
    /// The entry before the first of these.
    pub previous: Option<LogIdRecord>,
    /// How far the leader knows the log to be committed.
    pub committed: Option<LogIdRecord>,
    /// What to append; nothing in a heartbeat.
    pub entries: Vec<EntryRecord<'a>>,
}

/// The answer to an [`Append`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Appended {
    /// Durable up to here.
    Upto(Option<LogIdRecord>),
    /// The log does not hold this entry.
    Conflict(LogIdRecord),
    /// Another leader or candidate is ahead.
    HigherVote(VoteRecord),
}

/// What is asked on a stream of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// RequestVote (Raft paper, figure 2).
    Vote(Ballot),
    /// Whether a vote would be granted (Raft dissertation, section 9.6).
    PreVote(Ballot),
    /// Stand for election now (Raft dissertation, section 3.10).
    Transfer {
        /// The vote of the leader that hands over.
        from: VoteRecord,
        /// To whom.
        to: NodeId,
        /// What the new leader has to have.
        last: Option<LogIdRecord>,
    },
}

/// A candidate's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The vote that it asks for.
    pub vote: VoteRecord,
    /// The end of its log.
    pub last: Option<LogIdRecord>,
    /// Whether the leader itself asked it to stand.
    pub transfer: bool,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To a vote or pre-vote.
    Ballot {
        /// The voter's vote.
        vote: VoteRecord,
        /// Whether it is granted.
        granted: bool,
        /// The end of the voter's log.
        last: Option<LogIdRecord>,
    },
    /// To a transfer.
    Transfer(Result<(), NotTaken>),
}

/// Why leadership was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotTaken {
    /// The vote is another one by now.
    VoteChanged {
        /// The one that the leader had.
        expected: VoteRecord,
        /// The one there is.
        actual: VoteRecord,
    },
    /// The log is not there yet.
    LogNotFlushed {
        /// What the leader has.
        expected: Option<LogIdRecord>,
        /// What is there.
        actual: Option<LogIdRecord>,
    },
}

/// How the receiver of a snapshot gets on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotProgress {
    /// At work. Sent now and then, so that the sender knows.
    Taken {
        /// How many rows are here.
        rows: u64,
    },
    /// Installed, or there already, or another vote is ahead: the receiver's.
    Done(VoteRecord),
    /// It cannot be used.
    Refused(String),
}

impl<'a> From<&'a AppendEntriesRequest<TypeConfig>> for Append<'a> {
    fn from(request: &'a AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            previous: request.prev_log_id.as_ref().map(Into::into),
            committed: request.leader_commit.as_ref().map(Into::into),
            entries: request.entries.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<Append<'_>> for AppendEntriesRequest<TypeConfig> {
    type Error = RecordError;
    fn try_from(append: Append<'_>) -> Result<Self, RecordError> {
        // Raft trusts a leader's entries to follow each other; a stranger's bytes are checked.
        let mut next = append.previous.map_or(0, |previous| previous.index.saturating_add(1));
        let mut entries = Vec::with_capacity(append.entries.len().min(APPEND_ENTRIES_MAX));
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

impl From<StreamAppendResult<TypeConfig>> for Appended {
    fn from(result: StreamAppendResult<TypeConfig>) -> Self {
        match result {
            Ok(upto) => Self::Upto(upto.as_ref().map(Into::into)),
            Err(StreamAppendError::Conflict(at)) => Self::Conflict((&at).into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote((&vote).into()),
        }
    }
}

impl From<Appended> for StreamAppendResult<TypeConfig> {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::Upto(upto) => Ok(upto.map(Into::into)),
            Appended::Conflict(at) => Err(StreamAppendError::Conflict(at.into())),
            Appended::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.into())),
        }
    }
}

impl From<&VoteRequest<TypeConfig>> for Ballot {
    fn from(request: &VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            last: request.last_log_id.as_ref().map(Into::into),
            transfer: request.leadership_transfer,
        }
    }
}

impl From<Ballot> for VoteRequest<TypeConfig> {
    fn from(ballot: Ballot) -> Self {
        let mut request = Self::new(ballot.vote.into(), ballot.last.map(Into::into));
        request.leadership_transfer = ballot.transfer;
        request
    }
}

impl From<VoteResponse<TypeConfig>> for Reply {
    fn from(response: VoteResponse<TypeConfig>) -> Self {
        Self::Ballot {
            vote: (&response.vote).into(),
            granted: response.vote_granted,
            last: response.last_log_id.as_ref().map(Into::into),
        }
    }
}

impl From<&TransferLeaderRequest<TypeConfig>> for Question {
    fn from(request: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self::Transfer {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(Into::into),
        }
    }
}

impl From<TransferLeaderResponse<TypeConfig>> for Reply {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        Self::Transfer(response.map_err(|error| match error {
            TransferLeaderError::VoteChanged { expected, actual } => {
                NotTaken::VoteChanged { expected: (&expected).into(), actual: (&actual).into() }
            }
            TransferLeaderError::LogNotFlushed { expected, actual } => NotTaken::LogNotFlushed {
                expected: expected.as_ref().map(Into::into),
                actual: actual.as_ref().map(Into::into),
            },
        }))
    }
}

impl From<NotTaken> for TransferLeaderError<TypeConfig> {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::VoteChanged { expected, actual } => {
                Self::VoteChanged { expected: expected.into(), actual: actual.into() }
            }
            NotTaken::LogNotFlushed { expected, actual } => {
                Self::LogNotFlushed { expected: expected.map(Into::into), actual: actual.map(Into::into) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
