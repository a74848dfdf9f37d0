//! Backups: this node's state at one point in time, as the bytes of a file.
//!
//! A backup holds the rows of a snapshot in the format of
//! [`coffee_common::backup`], which adds the origin and a proof of completeness.
//! Reads one chunk at a time, in bounded memory. Knows no client.
//!
//! Guards that a linearizable backup holds every write that was acknowledged
//! before the backup was requested.

use bytes::Bytes;
use coffee_common::{
    backup::{BackupError, BackupHeader, BackupMember, Packer},
    clock,
    id::{NodeName, Revision},
    protocol::{Consistency, Rejection},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    node::{Node, VERSION, replica::Replica},
    ops::reads::Reads,
    raft_types::SnapshotMeta,
    storage::snapshot::{Chunks, SnapshotData, SnapshotError, SnapshotSource},
};

/// An iterator over the pieces of a backup file, in order. Pins the snapshot that
/// it reads until it is dropped.
pub struct BackupStream {
    header: BackupHeader,
    first: Option<Bytes>,
    /// `None` once the end was returned.
    packer: Option<Packer>,
    chunks: Chunks,
}

/// Why a backup failed midway.
#[derive(Debug, thiserror::Error)]
pub enum BackupStreamError {
    /// The state cannot be read. The storage is poisoned.
    #[error(transparent)]
    State(#[from] SnapshotError),
    /// A piece cannot be encoded.
    #[error(transparent)]
    Encode(#[from] BackupError),
}

impl BackupStream {
    /// Begins a backup once the node's state is fresh enough for `consistency`.
    pub async fn begin(
        node: &Node,
        reads: &Reads,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Self, Rejection> {
        let fresh = reads.fresh(consistency, deadline).await?;
        let replica = fresh.replica();
        let unavailable = |why: &dyn std::fmt::Display| Rejection::Unavailable(format!("no backup: {why}"));
        let snapshot = timeout_at(deadline, replica.snapshot()).await;
        let snapshot = snapshot.map_err(|_| unavailable(&"the state was not made durable in time"))?;
        let SnapshotData::Source(source) = snapshot.map_err(|error| unavailable(&error))?.snapshot else {
            return Err(unavailable(&"the state is not this node's own"));
        };
        let header = header(node.name(), replica, &source);
        let header = header.ok_or_else(|| unavailable(&"nothing was applied yet"))?;
        Self::of(header, source).map_err(|error| unavailable(&error))
    }

    fn of(header: BackupHeader, source: SnapshotSource) -> Result<Self, BackupError> {
        let (packer, first) = Packer::begin(&header)?;
        Ok(Self { header, first: Some(first), packer: Some(packer), chunks: source.chunks() })
    }

    /// The header of the file.
    pub fn header(&self) -> &BackupHeader {
        &self.header
    }

    fn piece(&mut self) -> Result<Option<Bytes>, BackupStreamError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(packer) = &mut self.packer else { return Ok(None) };
        match self.chunks.next() {
            Some(chunk) => Ok(Some(packer.data(self.chunks.rows_sent(), &chunk?))),
            None => Ok(self.packer.take().map(|packer| packer.end(self.chunks.keys_sent())).transpose()?),
        }
    }
}

impl Iterator for BackupStream {
    type Item = Result<Bytes, BackupStreamError>;

    /// Reads the database: a few hundred microseconds, longer if it has to wait
    /// for the disk. After an error the iterator ends, without the end of the file.
    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.piece();
        if piece.is_err() {
            self.packer = None;
        }
        piece.transpose()
    }
}

/// Returns the header; `None` if nothing has been applied yet.
fn header(node: &NodeName, replica: &Replica, source: &SnapshotSource) -> Option<BackupHeader> {
    let meta = source.meta();
    let last = meta.last_log_id?;
    Some(BackupHeader {
        cluster: replica.cluster(),
        node: node.clone(),
        node_id: replica.id(),
        revision: Revision(last.index),
        term: last.leader_id.term,
        members: members(meta),
        taken_at_ms: clock::now_ms(),
        version: VERSION.to_owned(),
        rows: source.rows(),
        level: source.level(),
    })
}

fn members(meta: &SnapshotMeta) -> Vec<BackupMember> {
    let membership = meta.last_membership.membership();
    let votes = |id| membership.voter_ids().any(|voter| voter == id);
    let member = |(id, member): (&_, &crate::raft_types::Member)| BackupMember {
        id: *id,
        name: member.name.clone(),
        address: member.address.clone(),
        votes: votes(*id),
    };
    membership.nodes().map(member).collect()
}

#[cfg(test)]
mod tests;
