//! Recovers a cluster that has lost its quorum: inspects one node's data, and
//! makes a new cluster of it.
//!
//! It is not known which of the last entries of a log were committed. Any of them
//! may have been acknowledged, so all are kept and count as committed. Guards
//! that an inspection changes no file, and that an interrupted recovery is
//! continued, not begun again: see [`Unfinished`].

use std::path::Path;

use coffee_common::id::NodeName;
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture};
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftStateMachine};

use super::{
    disk::{DataDir, NodeIdentity, OfflineWork, Unfinished},
    new_cluster::{Founded, NewClusterError, Storage},
};
use crate::raft_types::{LogId, Member, Payload, StoredMembership, Vote};

/// The number of entries at the end of the log that are searched for the time of
/// the last write.
const LOOKED_AT: u64 = 512;

/// The data that is left on one node.
#[derive(Debug, Clone)]
pub struct Survivor {
    /// The identity of the node.
    pub identity: NodeIdentity,
    /// Its last vote.
    pub vote: Option<Vote>,
    /// The last entry that it has, applied or in its log.
    pub last: Option<LogId>,
    /// The last entry that is applied to its state.
    pub applied: Option<LogId>,
    /// The last entry that it knows to be committed.
    pub committed: Option<LogId>,
    /// The last membership that it has.
    pub membership: StoredMembership,
    /// When the last write that it has was proposed, by its leader's clock, in
    /// milliseconds since 1970; `None` if unknown.
    pub last_write_ms: Option<u64>,
    /// Whether a recovery was begun here and interrupted.
    pub broke_off: bool,
}

/// Inspects the data of the node `name`. Blocks on the disk.
///
/// # Errors
/// There is no data of this node, or it is damaged or in use.
pub fn inspect<'a>(path: &'a Path, name: &'a NodeName) -> BoxFuture<'a, Result<Survivor, NewClusterError>> {
    Box::pin(inspect_data(path, name))
}

async fn inspect_data(path: &Path, name: &NodeName) -> Result<Survivor, NewClusterError> {
    let (data, left) = DataDir::open_to_inspect(path, name)?;
    let mut storage = check_vote(Storage::open_unchanged(&data)?, left.as_ref())?;
    let survivor = storage.look(&data, left.is_some()).await?;
    storage.log.close().await?;
    Ok(survivor)
}

/// Makes a new cluster of the data of this node, which becomes its only member.
/// Returns also what the data was. Blocks on the disk.
///
/// # Errors
/// There is no data of this node, or it is damaged, in use, or cannot be written.
pub fn recover<'a>(
    path: &'a Path,
    member: &'a Member,
) -> BoxFuture<'a, Result<(Survivor, Founded), NewClusterError>> {
    Box::pin(recover_data(path, member))
}

async fn recover_data(path: &Path, member: &Member) -> Result<(Survivor, Founded), NewClusterError> {
    let (mut data, left) = DataDir::open_to_recover(path, &member.name)?;
    let mut storage = check_vote(Storage::open(&data)?, left.as_ref())?;
    let survivor = storage.look(&data, left.is_some()).await?;
    let plan = match left {
        Some(plan) => plan,
        None => {
            let plan = Unfinished::plan(OfflineWork::Recover, survivor.last)?;
            data.begin(&plan)?;
            plan
        }
    };
    storage.apply_all().await?;
    storage.found(&plan, member, Vec::new()).await?;
    data.finish(plan.identity(member, survivor.identity.level))?;
    Ok((survivor, plan.founded()))
}

fn check_vote(storage: Storage, left: Option<&Unfinished>) -> Result<Storage, NewClusterError> {
    // In an interrupted recovery the state is ahead of the vote.
    if left.is_none() {
        storage.log.check_vote(storage.state.last_applied())?;
    }
    Ok(storage)
}

impl Storage {
    async fn look(&mut self, data: &DataDir, broke_off: bool) -> Result<Survivor, NewClusterError> {
        let identity = data.identity();
        let identity =
            identity.ok_or_else(|| super::disk::DataDirError::Empty { path: data.path().to_owned() })?;
        let (applied, mut membership) = self.state.applied_state().await?;
        let logged = self.log.get_log_state().await?;
        let last = logged.last_log_id.max(applied);
        let next = |id: Option<LogId>| id.map_or(0, |id| id.index + 1);
        let end = next(logged.last_log_id);
        let start = next(applied).min(end.saturating_sub(LOOKED_AT)).max(next(logged.last_purged_log_id));
        let mut last_write_ms = None;
        if start < end {
            let mut entries = Box::pin(self.log.entries_stream(start..end).await);
            while let Some(entry) = entries.try_next().await? {
                match entry.payload {
                    Payload::Normal(proposal) => last_write_ms = Some(proposal.proposed_at_ms),
                    Payload::Membership(found) if Some(entry.log_id) > *membership.log_id() => {
                        membership = StoredMembership::new(Some(entry.log_id), found);
                    }
                    Payload::Membership(_) | Payload::Blank => {}
                }
            }
        }
        let (vote, committed) = (self.log.read_vote().await?, self.log.read_committed().await?);
        Ok(Survivor { identity, vote, last, applied, committed, membership, last_write_ms, broke_off })
    }

    /// Applies everything that is in the log.
    async fn apply_all(&mut self) -> Result<(), NewClusterError> {
        let start = self.state.last_applied().map_or(0, |applied| applied.index + 1);
        let end = self.log.get_log_state().await?.last_log_id.map_or(0, |last| last.index + 1);
        if start < end {
            let entries = self.log.entries_stream(start..end).await;
            let entries = entries.map(|entry| entry.map(|entry| (entry, None)));
            self.state.apply(Box::pin(entries)).await?;
        }
        Ok(())
    }
}
