//! A new cluster on an existing state, with this node as its only member: the
//! last step of a restore and of a recovery.
//!
//! The first entries of the new cluster are applied to the state like any others:
//! the node is admitted, becomes the only member, and is recorded as such. The
//! log of the new cluster begins after them. Guards that
//!
//! - no node joins the new cluster because of what was said in the old one: records
//!   of nodes that were announced or admitted, and had not joined, are dropped;
//! - no revision and no node id is used again: the new entries are
//!   [`REVISIONS_AHEAD`] of the last known one, since the old cluster may have
//!   continued after it. Node ids are indexes of entries, so they are new as
//!   well;
//! - after a crash at any point it can be repeated, with the same result.

use std::{borrow::Cow, collections::BTreeMap, io, path::Path, sync::Arc};

use coffee_common::{
    backup::BackupError,
    clock,
    command::{Command, MemberState, NodeRecord, Proposal},
    feature_level::{FeatureLevel, LEVEL_MAX},
    id::{ClusterId, NodeId, Revision},
    limits::TERM_MAX,
    revocation_list::RevocationList,
};
use futures_util::stream;
use openraft::{
    entry::RaftEntry,
    storage::{RaftLogReader, RaftLogStorage, RaftStateMachine},
};

use super::{
    disk::{DataDir, DataDirError, NodeIdentity, OfflineWork, Unfinished},
    durable_index::DurableIndex,
    log::{LogError, LogStore},
    poison::Poison,
    record::{LeaderRecord, LogIdRecord, VoteRecord},
    snapshot::SnapshotError,
    state::{StateDir, StateError, StateFiles, StateOptions, UnchangedState},
    state_machine::StateMachine,
};
use crate::raft_types::{LogEntry, LogId, Member, Membership, Payload, Vote};

/// The distance between the last known entry and the first entry of the new
/// cluster: more than the old cluster can have written since.
pub const REVISIONS_AHEAD: u64 = 1_000_000_000;

/// The number of entries that a new cluster begins with.
const ENTRIES: u64 = 3;

/// A new cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Founded {
    /// Its id.
    pub cluster: ClusterId,
    /// The id of its only member.
    pub id: NodeId,
    /// Its last entry.
    pub revision: Revision,
}

/// Why no new cluster was made.
#[derive(Debug, thiserror::Error)]
pub enum NewClusterError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The file is not a backup, or is incomplete or damaged.
    #[error("the backup cannot be used: {0}")]
    Backup(#[from] BackupError),
    /// A newer version of coffeed wrote the backup.
    #[error(
        "the backup was written by a newer version of coffeed (level {level}; this build knows {LEVEL_MAX})"
    )]
    NewerBackup {
        /// The level of its content.
        level: FeatureLevel,
        /// The version that wrote it, as the backup says.
        version: String,
    },
    /// The backup cannot be read.
    #[error("the backup cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The content of the backup cannot be used.
    #[error("the backup cannot be used: {0}")]
    Snapshot(#[from] SnapshotError),
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file cannot be written.
    #[error("the data directory cannot be written: {0}")]
    Io(#[from] io::Error),
    /// There are too many node records to add this node's.
    #[error("the backup has no record of this node, and as many node records as a cluster keeps")]
    TooManyNodes,
    /// The system has no random number for the id of the new cluster.
    #[error("no random numbers: {0}")]
    Random(String),
}

impl NewClusterError {
    /// The next step for the operator.
    pub fn hint(&self) -> Cow<'static, str> {
        let hint = match self {
            Self::DataDir(error) => return error.hint(),
            Self::NewerBackup { version, .. } => {
                return format!(
                    "nothing was restored: use coffeed {version}, which wrote the backup, or a newer one"
                )
                .into();
            }
            Self::Backup(_) => "check it with `coffeectl backup verify`, or use another backup",
            Self::Unreadable(_) => "name a backup that exists and that coffeed's user may read",
            Self::Snapshot(_) => {
                "nothing was restored: use the version of coffeed that made the backup, or another backup"
            }
            Self::State(error) => error.hint(),
            Self::Log(error) => error.hint(),
            Self::Io(_) => "free some space or check the permissions, and run it again",
            Self::TooManyNodes => "set name to the name of a node in the backup",
            Self::Random(_) => "run it again",
        };
        hint.into()
    }

    /// Whether running it again cannot help.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Backup(_)
            | Self::NewerBackup { .. }
            | Self::Unreadable(_)
            | Self::Snapshot(_)
            | Self::TooManyNodes => true,
            Self::State(error) => error.is_damage() || error.is_newer(),
            Self::Log(error) => error.is_damage() || error.is_newer(),
            Self::DataDir(_) | Self::Io(_) | Self::Random(_) => false,
        }
    }
}

impl Unfinished {
    /// Plans a new cluster on a state and a log that end with `last`. Votes of the old cluster do
    /// not count, since none was given in this one: its first term follows that of `last`, or is 1
    /// if no election could follow otherwise.
    pub(super) fn plan(work: OfflineWork, last: Option<LogId>) -> Result<Self, NewClusterError> {
        let cluster = ClusterId::random().map_err(|error| NewClusterError::Random(error.to_string()))?;
        let known = last.map_or(0, |last| last.index);
        let term = last.map_or(0, |last| last.leader_id.term);
        Ok(Self {
            work,
            cluster,
            first: known.saturating_add(REVISIONS_AHEAD),
            term: if term < TERM_MAX { term + 1 } else { 1 },
        })
    }

    /// The new cluster.
    pub(super) fn founded(&self) -> Founded {
        Founded {
            cluster: self.cluster,
            id: NodeId(self.first),
            revision: Revision(self.first.saturating_add(ENTRIES - 1)),
        }
    }

    /// The identity of its only member, whose data is of this level.
    pub(super) fn identity(&self, member: &Member, level: FeatureLevel) -> NodeIdentity {
        let Founded { cluster, id, .. } = self.founded();
        NodeIdentity {
            cluster,
            id,
            name: member.name.clone(),
            standing: MemberState::Member,
            rejoin: Vec::new(),
            level,
        }
    }

    fn last(&self) -> LogId {
        LogIdRecord { term: self.term, index: self.founded().revision.0 }.into()
    }

    /// The first entries, after commands that change what is taken over from the old cluster.
    fn entries(&self, member: &Member, changes: Vec<Command>) -> Result<Vec<LogEntry>, NewClusterError> {
        let id = self.founded().id;
        let Member { name, address } = member.clone();
        let alone = Membership::new(vec![[id].into()], BTreeMap::from([(id, member.clone())]));
        let alone = alone.map_err(|error| NewClusterError::Io(io::Error::other(error)))?;
        let command = |command| {
            Payload::Normal(Proposal {
                request: None,
                proposed_at_ms: clock::now_ms(),
                command,
                author: String::new(),
            })
        };
        // Before the first index: that is the id of the node. There is room for `REVISIONS_AHEAD`.
        let start = self.first.saturating_sub(changes.len() as u64);
        let payloads = [
            command(Command::AdmitNode { name: name.clone(), address }),
            Payload::Membership(alone),
            command(Command::SetNodeState { name, id, standing: Some(MemberState::Member) }),
        ];
        let entry = |(index, payload)| LogEntry::new(LogIdRecord { term: self.term, index }.into(), payload);
        Ok((start..).zip(changes.into_iter().map(command).chain(payloads)).map(entry).collect())
    }
}

/// The storage of a node that is not running.
pub(super) struct Storage {
    pub(super) state: StateMachine,
    pub(super) log: LogStore,
}

impl Storage {
    /// Opens both; creates an empty log if there is none.
    pub(super) fn open(data: &DataDir) -> Result<Self, NewClusterError> {
        Self::start(Arc::new(StateDir::new(data.state_path())), LogStore::open, data)
    }

    /// Opens both as they are: changes stay in memory.
    pub(super) fn open_unchanged(data: &DataDir) -> Result<Self, NewClusterError> {
        Self::start(Arc::new(UnchangedState::new(data.state_path())), LogStore::open_unchanged, data)
    }

    fn start(
        state: Arc<dyn StateFiles>,
        open_log: fn(&Path, DurableIndex, Poison) -> Result<LogStore, LogError>,
        data: &DataDir,
    ) -> Result<Self, NewClusterError> {
        let (durable_index, poison) = (DurableIndex::new(), Poison::new());
        let state =
            StateMachine::open(state, StateOptions::default(), durable_index.clone(), poison.clone())?;
        let log = open_log(&data.log_path(), durable_index, poison)?;
        state.check_reaches(log.purged())?;
        Ok(Self { state, log })
    }

    /// Returns those of these revocation lists that are newer than the one of their CA in the state.
    pub(super) fn newer_lists(
        &self,
        lists: &[RevocationList],
    ) -> Result<Vec<RevocationList>, NewClusterError> {
        let known = self.state.reader().revocation_lists()?;
        let is_newer = |list: &&RevocationList| {
            !known.iter().any(|known| known.issuer == list.issuer && known.number >= list.number)
        };
        Ok(lists.iter().filter(is_newer).cloned().collect())
    }

    /// Returns the commands that drop the records of nodes that had not joined, and set these lists.
    fn changes(&self, lists: Vec<RevocationList>) -> Result<Vec<Command>, NewClusterError> {
        let had_joined =
            |record: &NodeRecord| matches!(record.standing, MemberState::Member | MemberState::Shutdown);
        let nodes = self.state.reader().nodes()?.into_iter().filter(|record| !had_joined(record));
        let forgotten =
            nodes.map(|NodeRecord { name, id, .. }| Command::SetNodeState { name, id, standing: None });
        Ok(forgotten.chain(lists.into_iter().map(Command::SetRevocationList)).collect())
    }

    /// Makes a cluster of the applied state and these revocation lists, with this node as its only
    /// member. Skips the steps that an earlier run has done.
    pub(super) async fn found(
        mut self,
        plan: &Unfinished,
        member: &Member,
        lists: Vec<RevocationList>,
    ) -> Result<(), NewClusterError> {
        let last = plan.last();
        let lags = |index: Option<u64>| index < Some(last.index);
        if lags(self.state.last_applied().map(|applied| applied.index)) {
            let entries =
                plan.entries(member, self.changes(lists)?)?.into_iter().map(|entry| Ok((entry, None)));
            self.state.apply(stream::iter(entries)).await?;
        }
        let record = self.state.reader().node(&member.name)?;
        if record.is_none_or(|record| record.id != plan.founded().id) {
            return Err(NewClusterError::TooManyNodes);
        }
        self.state.checkpointer().checkpoint().await?;
        let leader = LeaderRecord { term: plan.term, node: plan.founded().id };
        let vote = Vote::from(VoteRecord { leader, committed: false });
        // At each point the vote must be as late as the entries: see `LogStore::check_vote`.
        let is_earlier = self.log.read_vote().await?.is_some_and(|old| old.leader_id().term > plan.term);
        if !is_earlier {
            self.log.save_vote(&vote).await?;
        }
        if lags(self.log.purged().map(|purged| purged.index)) {
            self.log.purge(last).await?;
        }
        if is_earlier {
            self.log.save_vote(&vote).await?;
        }
        Ok(self.log.close().await?)
    }
}

#[cfg(test)]
mod tests;
