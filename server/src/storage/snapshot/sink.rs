//! The receiving end: writes a new state database beside the old one.
//!
//! Guards that an incomplete stream is never taken for a snapshot: it verifies
//! each chunk and each row, their order and number, and at the end that the
//! tables match the header. Memory is bounded by one chunk and the database's
//! cache. The file is removed unless it is installed.
//!
//! Synchronous. [`SnapshotSink::push`] normally does not block on the disk.
//! Beginning, finishing and dropping do: call those through
//! [`SnapshotInbox::offload`].

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use redb::{Durability, WriteTransaction};

use super::{
    SnapshotError,
    format::{ChunkKind, ChunkSequence, SnapshotHeader, SnapshotRow, SnapshotTrailer},
    received::{ReceivedSnapshot, Scratch},
};
use crate::{
    kv::{self, Digest, KvError, MetaKey, Store, Table},
    raft_types::SnapshotMeta,
    storage::{
        no_space::lacks_space,
        poison::Poison,
        state::{Offload, StateFiles, StateOptions, read_meta, read_snapshot},
    },
};

/// Receives snapshots. Clones share it.
#[derive(Clone)]
pub struct SnapshotInbox {
    files: Arc<dyn StateFiles>,
    options: StateOptions,
    /// The number of the latest sink.
    latest: Arc<AtomicU64>,
    poison: Poison,
}

impl SnapshotInbox {
    pub(in crate::storage) fn new(files: Arc<dyn StateFiles>, options: StateOptions, poison: Poison) -> Self {
        Self { files, options, latest: Arc::default(), poison }
    }

    /// Where to run work that waits for the disk.
    pub fn offload(&self) -> Offload {
        self.options.offload
    }

    /// Begins to receive a snapshot. It replaces one in progress, whose next
    /// chunk fails with [`SnapshotError::Superseded`].
    ///
    /// # Errors
    /// The new database cannot be created.
    pub fn begin(&self) -> Result<SnapshotSink, SnapshotError> {
        self.open().map_err(|error| poisoning(&self.poison, &self.files.name(), error))
    }

    fn open(&self) -> Result<SnapshotSink, SnapshotError> {
        let number = self.latest.fetch_add(1, Ordering::AcqRel) + 1;
        let scratch = Scratch::new(self.files.clone(), number);
        let database = scratch.create(&self.options.builder()).map_err(KvError::from)?;
        create_tables(&database)?;
        Ok(SnapshotSink {
            database,
            scratch,
            name: self.files.name(),
            poison: self.poison.clone(),
            latest: self.latest.clone(),
            sequence: ChunkSequence::default(),
            header: None,
            last: None,
            rows: 0,
            digest: Digest::default(),
            trailer: None,
        })
    }
}

fn create_tables(database: &redb::Database) -> Result<(), KvError> {
    let txn = begin_write(database)?;
    kv::create_tables(&txn)?;
    Ok(txn.commit()?)
}

/// A snapshot that is being received. Dropping it discards what was received.
pub struct SnapshotSink {
    // Fields are dropped in this order: the database before its file is removed.
    database: redb::Database,
    scratch: Scratch,
    name: String,
    poison: Poison,
    latest: Arc<AtomicU64>,
    sequence: ChunkSequence,
    header: Option<SnapshotHeader>,
    /// The last row: the next one must come after it.
    last: Option<(Table, Vec<u8>)>,
    rows: u64,
    digest: Digest,
    trailer: Option<SnapshotTrailer>,
}

impl SnapshotSink {
    /// The meta of the snapshot, once the first chunk has arrived. Not verified
    /// before [`SnapshotSink::finish`].
    pub fn meta(&self) -> Option<&SnapshotMeta> {
        self.header.as_ref().map(|header| &header.meta)
    }

    /// The number of received rows, and of all rows.
    pub fn progress(&self) -> (u64, u64) {
        (self.rows, self.header.as_ref().map_or(0, |header| header.rows))
    }

    /// Writes the next chunk to the database, without a sync. Discard the
    /// snapshot after an error.
    ///
    /// # Errors
    /// The chunk is malformed, a later snapshot has begun, or the database
    /// failed.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        self.take(chunk).map_err(|error| poisoning(&self.poison, &self.name, error))
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), SnapshotError> {
        if self.latest.load(Ordering::Acquire) != self.scratch.number() {
            return Err(SnapshotError::Superseded);
        }
        let crc = self.sequence.crc();
        let (kind, body) = self.sequence.open(chunk)?;
        match (kind, &self.header, self.trailer) {
            (ChunkKind::Header, None, None) => {
                self.header = Some(SnapshotHeader::decode(body)?);
                Ok(())
            }
            (ChunkKind::Rows, Some(_), None) => self.write_rows(body),
            (ChunkKind::Trailer, Some(_), None) => {
                let trailer = SnapshotTrailer::decode(body).filter(|trailer| trailer.crc == crc);
                let trailer = trailer.ok_or_else(|| self.sequence.malformed("the trailer does not match"))?;
                self.trailer = Some(trailer);
                Ok(())
            }
            _ => Err(self.sequence.malformed("it is not expected here")),
        }
    }

    fn write_rows(&mut self, mut body: &[u8]) -> Result<(), SnapshotError> {
        let mut txn = begin_write(&self.database)?;
        txn.set_durability(Durability::None).map_err(KvError::from)?;
        let mut tables = open_tables(&txn)?;
        while !body.is_empty() {
            let row =
                SnapshotRow::decode(&mut body).ok_or_else(|| self.sequence.malformed("a row is cut off"))?;
            self.check_order(&row)?;
            kv::check_row(row.table, row.key, row.row)?;
            for (table, rows) in &mut tables {
                if *table == row.table && !(*table == Table::Nodes && planted!("table-left-out")) {
                    rows.insert(row.key, row.row).map_err(KvError::from)?;
                }
            }
            self.rows += 1;
            self.digest.add(row.table, row.key, row.row);
        }
        drop(tables);
        Ok(txn.commit().map_err(KvError::from)?)
    }

    fn check_order(&mut self, row: &SnapshotRow<'_>) -> Result<(), SnapshotError> {
        let in_order = match &self.last {
            None => true,
            Some((table, key)) => (*table, key.as_slice()) < (row.table, row.key),
        };
        if !in_order {
            return Err(self.sequence.malformed("its rows are out of order"));
        }
        let mut key = self.last.take().map(|(_, key)| key).unwrap_or_default();
        key.clear();
        key.extend_from_slice(row.key);
        self.last = Some((row.table, key));
        Ok(())
    }

    /// Ends the snapshot after the last chunk: verifies that it is complete, and
    /// makes it durable. Blocks on the disk.
    ///
    /// # Errors
    /// The snapshot is incomplete, its parts contradict each other, or the
    /// database failed.
    pub fn finish(self) -> Result<ReceivedSnapshot, SnapshotError> {
        let (poison, name) = (self.poison.clone(), self.name.clone());
        self.close().map_err(|error| poisoning(&poison, &name, error))
    }

    fn close(self) -> Result<ReceivedSnapshot, SnapshotError> {
        let Self { database, scratch, header: Some(header), trailer: Some(trailer), rows, digest, .. } = self
        else {
            return Err(SnapshotError::Truncated);
        };
        if rows != header.rows || rows != trailer.rows {
            return Err(SnapshotError::Contradiction("its number of rows is wrong"));
        }
        let state = Store::over(read_snapshot(&database)?);
        if read_meta(&state)? != header.meta || state.level()? != header.level {
            return Err(SnapshotError::Contradiction("its rows and its header disagree"));
        }
        if state.digest()? != digest {
            return Err(SnapshotError::Contradiction("its digest is not the sender's"));
        }
        kv::check_format(state.meta(MetaKey::Format)?.as_deref())?;
        drop(state);
        let mut txn = begin_write(&database)?;
        txn.set_quick_repair(true);
        txn.commit().map_err(KvError::from)?;
        Ok(ReceivedSnapshot::new(database, scratch, header))
    }
}

/// Poisons the storage if this node's own disk failed, so the node says so and
/// ends. A full disk does not: the state in use is intact, and there may be space
/// later. Any other error is the sender's.
fn poisoning(poison: &Poison, name: &str, error: SnapshotError) -> SnapshotError {
    let full = |cause: &redb::Error| matches!(cause, redb::Error::Io(io) if lacks_space(io.kind()));
    if let SnapshotError::Received(KvError::Database(cause)) = &error
        && !full(cause)
    {
        poison.set(format!("a snapshot cannot be written beside {name}: {cause}"));
    }
    error
}

fn open_tables(txn: &WriteTransaction) -> Result<Vec<(Table, kv::WritableTable<'_>)>, KvError> {
    Table::ALL.into_iter().map(|table| Ok((table, txn.open_table(table.definition())?))).collect()
}

fn begin_write(database: &redb::Database) -> Result<WriteTransaction, KvError> {
    Ok(database.begin_write()?)
}
