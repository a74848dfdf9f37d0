//! Makes the first data directory of a new cluster from a backup.
//!
//! Guards that nothing is changed before the whole backup was verified, that it
//! is restored into an empty directory only, and that a crash leaves a directory
//! that no node starts with and the next attempt clears. Each row is verified
//! like one from another node.

use std::{
    io::{self, Read, Seek},
    path::Path,
    sync::Arc,
};

use coffee_common::{
    backup::{BackupBlock, BackupHeader, Summary, Unpacker},
    feature_level::LEVEL_MAX,
    revocation_list::RevocationList,
};

use super::{
    disk::{DataDir, NodeIdentity, OfflineWork, Unfinished},
    new_cluster::{Founded, NewClusterError, Storage},
    poison::Poison,
    record::LogIdRecord,
    snapshot::{SnapshotError, SnapshotInbox},
    state::{StateDir, StateOptions},
};
use crate::raft_types::{LogId, Member};

/// How many bytes are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// A backup that was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The content of the backup.
    pub summary: Summary,
    /// The new cluster.
    pub founded: Founded,
    /// The revocation lists that it has and the backup had not.
    pub lists: Vec<RevocationList>,
}

/// Restores a backup into the directory at `path`, as the data of `member`, which
/// becomes the only member of a new cluster. A certificate that was revoked since the
/// backup stays revoked, if `lists` has it: those lists count which are newer than the
/// ones in the backup. Blocks on the disk.
///
/// # Errors
/// The backup is incomplete or damaged, or the directory is not empty or cannot
/// be written.
pub async fn restore(
    path: &Path,
    member: &Member,
    mut backup: impl Read + Seek,
    lists: &[RevocationList],
) -> Result<Restored, NewClusterError> {
    let summary = read_through(&mut backup, |block| match block {
        BackupBlock::Header(header) if header.level > LEVEL_MAX => {
            Err(NewClusterError::NewerBackup { level: header.level, version: header.version })
        }
        _ => Ok(()),
    })?;
    backup.rewind().map_err(NewClusterError::Unreadable)?;
    let mut data = DataDir::open_to_restore(path)?;
    let plan = Unfinished::plan(OfflineWork::Restore, Some(last(&summary.header)))?;
    data.begin(&plan)?;
    match fill(&data, &plan, member, backup, lists).await {
        Ok((identity, lists)) => {
            data.finish(identity)?;
            Ok(Restored { summary, founded: plan.founded(), lists })
        }
        Err(error) => {
            // If this fails too, the next attempt clears it.
            let _ = data.give_up();
            Err(error)
        }
    }
}

fn last(header: &BackupHeader) -> LogId {
    LogIdRecord { term: header.term, index: header.revision.0 }.into()
}

async fn fill(
    data: &DataDir,
    plan: &Unfinished,
    member: &Member,
    mut backup: impl Read,
    lists: &[RevocationList],
) -> Result<(NodeIdentity, Vec<RevocationList>), NewClusterError> {
    let files = Arc::new(StateDir::new(data.state_path()));
    let mut sink = SnapshotInbox::new(files, StateOptions::default(), Poison::new()).begin()?;
    let summary = read_through(&mut backup, |block| match block {
        BackupBlock::Data { chunk, .. } => Ok(sink.push(&chunk)?),
        BackupBlock::Header(_) | BackupBlock::End(_) => Ok(()),
    })?;
    let received = sink.finish()?;
    if received.meta().last_log_id != Some(last(&summary.header)) || received.level() != summary.header.level
    {
        return Err(SnapshotError::Contradiction("its rows and its header disagree").into());
    }
    let level = received.level();
    drop(received.install()?);
    let storage = Storage::open(data)?;
    let newer = storage.newer_lists(lists)?;
    storage.found(plan, member, newer.clone()).await?;
    Ok((plan.identity(member, level), newer))
}

/// Reads a backup to its end, and passes each verified block to `take`.
fn read_through(
    reader: &mut impl Read,
    mut take: impl FnMut(BackupBlock) -> Result<(), NewClusterError>,
) -> Result<Summary, NewClusterError> {
    let mut unpacker = Unpacker::default();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(unpacker.finish()?),
            Ok(read) => unpacker.push(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(NewClusterError::Unreadable(error)),
        }
        while let Some(block) = unpacker.next_block()? {
            take(block)?;
        }
    }
}
