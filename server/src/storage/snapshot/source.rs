//! The sending end: a state at one point in time, cut into chunks.
//!
//! It is the database as of the last flush; entries after that are in the
//! sender's log.
//!
//! Holds a read transaction throughout, which pins every page that is replaced
//! meanwhile, so the state's file grows by what is written. Hold it for one
//! transfer, and drop it when the transfer fails.

use std::sync::Arc;

use super::{
    SnapshotError,
    format::{CHUNK_BYTES, ChunkKind, ChunkSequence, SnapshotHeader, SnapshotRow, SnapshotTrailer},
};
use crate::{
    kv::{self, DbSnapshot, KvError, RowIter, Store, Table},
    raft_types::SnapshotMeta,
    storage::state::{Database, StateError, StateErrorKind, read_meta},
};
use bytes::Bytes;
use coffee_common::feature_level::FeatureLevel;

/// While one is held, the log after the snapshot being sent is kept. Otherwise
/// the receiver would find that the next entries are purged, and would need
/// another snapshot, again and again.
pub type Claim = Arc<()>;

/// A state at one point in time.
pub struct SnapshotSource {
    // Fields are dropped in this order: a transaction before its database.
    tables: Arc<DbSnapshot>,
    database: Arc<Database>,
    meta: SnapshotMeta,
    level: FeatureLevel,
    rows: u64,
    claim: Option<Claim>,
}

impl SnapshotSource {
    /// Opens the state as of the last flush.
    pub(in crate::storage) fn open(database: Arc<Database>) -> Result<Self, StateError> {
        let tables = database.store()?.snapshot().clone();
        let state = Store::over(tables.clone());
        let describe = || Ok((read_meta(&state)?, state.level()?, tables.count_rows()?));
        let (meta, level, rows) = describe().map_err(|error: StateErrorKind| database.fail(error))?;
        Ok(Self { tables, database, meta, level, rows, claim: None })
    }

    /// Attaches a claim, for a snapshot that is sent.
    pub(in crate::storage) fn claimed(self, claim: &Claim) -> Self {
        Self { claim: Some(Arc::clone(claim)), ..self }
    }

    /// The claim of a snapshot that is sent. Hold it until the receiver has the
    /// snapshot.
    pub fn claim(&self) -> Option<Claim> {
        self.claim.clone()
    }

    /// The last entry and the membership of the snapshot.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// The feature level of the snapshot.
    pub fn level(&self) -> FeatureLevel {
        self.level
    }

    /// The number of rows: the measure of progress.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    fn header(&self) -> SnapshotHeader {
        SnapshotHeader { level: self.level, rows: self.rows, meta: self.meta.clone() }
    }

    /// Cuts the snapshot into chunks on demand. Each step reads the database: a
    /// few hundred microseconds, more if the disk is read.
    pub fn chunks(self) -> Chunks {
        Chunks {
            rows_left: None,
            tables: Table::ALL.iter(),
            source: self,
            stage: StreamStage::Header,
            sequence: ChunkSequence::default(),
            rows_sent: 0,
            keys_sent: 0,
        }
    }
}

enum StreamStage {
    Header,
    Rows,
    Trailer,
    Done,
}

/// The chunks of a snapshot. There are none after an error.
pub struct Chunks {
    rows_left: Option<(Table, RowIter)>,
    tables: std::slice::Iter<'static, Table>,
    source: SnapshotSource,
    stage: StreamStage,
    sequence: ChunkSequence,
    rows_sent: u64,
    keys_sent: u64,
}

impl Chunks {
    /// The number of rows sent, of [`SnapshotSource::rows`].
    pub fn rows_sent(&self) -> u64 {
        self.rows_sent
    }

    /// The number of keys among these rows; those that are deleted do not count.
    pub fn keys_sent(&self) -> u64 {
        self.keys_sent
    }

    /// The next chunk of rows; `None` after the last row.
    fn rows(&mut self) -> Result<Option<Vec<u8>>, KvError> {
        let mut chunk = vec![ChunkKind::Rows as u8];
        while chunk.len() < CHUNK_BYTES && self.row(&mut chunk)? {}
        Ok((chunk.len() > 1).then_some(chunk))
    }

    /// Appends the next row to a chunk; returns `false` after the last row.
    fn row(&mut self, chunk: &mut Vec<u8>) -> Result<bool, KvError> {
        loop {
            let Some((table, range)) = &mut self.rows_left else {
                let Some(table) = self.tables.next() else { return Ok(false) };
                self.rows_left = Some((*table, self.source.tables.rows(*table)?));
                continue;
            };
            let Some(row) = range.next() else {
                self.rows_left = None;
                continue;
            };
            let (key, row) = row?;
            kv::check_row(*table, key.value(), row.value())?;
            SnapshotRow { table: *table, key: key.value(), row: row.value() }.encode(chunk);
            self.rows_sent += 1;
            self.keys_sent += u64::from(kv::is_live_key(*table, row.value()));
            return Ok(true);
        }
    }

    fn step(&mut self) -> Result<Option<Bytes>, StateErrorKind> {
        if let StreamStage::Header = self.stage {
            self.stage = StreamStage::Rows;
            return Ok(Some(self.sequence.seal(self.source.header().encode()?)));
        }
        if let StreamStage::Rows = self.stage {
            match self.rows()? {
                Some(chunk) => return Ok(Some(self.sequence.seal(chunk))),
                None => self.stage = StreamStage::Trailer,
            }
        }
        if let StreamStage::Done = self.stage {
            return Ok(None);
        }
        self.stage = StreamStage::Done;
        let trailer = SnapshotTrailer { rows: self.rows_sent, crc: self.sequence.crc() };
        Ok(Some(self.sequence.seal(trailer.encode())))
    }
}

impl Iterator for Chunks {
    type Item = Result<Bytes, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        step.map_err(|error| {
            self.stage = StreamStage::Done;
            self.source.database.fail(error).into()
        })
        .transpose()
    }
}
