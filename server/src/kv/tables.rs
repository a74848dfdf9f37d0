//! The tables of the state, and what applying does to them.
//!
//! All tables map bytes to bytes and are ordered by their keys' bytes, so that
//! whoever copies or compares a whole state can treat them alike.

use std::fmt;

use coffee_common::id::Revision;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::{
    digest::Digest,
    layers::Layers,
    layout::{KvError, open, seal},
    memory::RequestMemory,
};

/// The tables, in the order in which a whole state is copied and compared.
///
/// The numbers are part of the formats on disk and on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Key to entry.
    Keys = 1,
    /// Log indexes (the first of them, big endian) to the requests that they applied.
    Requests = 2,
    /// Name to node record.
    Nodes = 3,
    /// [`MetaKey`] to what it says.
    Meta = 4,
}

/// What is kept of the state as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaKey {
    /// The id of the last applied entry.
    Applied,
    /// The last membership, and the entry that made it so.
    Membership,
    /// The highest revision whose request is no longer remembered.
    Forgotten,
    /// The [`Digest`] of all other tables.
    Digest,
    /// The entry behind which the state was found to differ from the others'.
    Differs,
    /// The version of all of this.
    Format,
}

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
/// A table that is open for writing.
pub type Rows<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

impl Table {
    /// Every table, in order.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Requests, Self::Nodes, Self::Meta];

    /// The table of this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }

    /// Where it stands among [`Table::ALL`].
    pub(super) fn position(self) -> usize {
        self as usize - 1
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Requests => "requests",
            Self::Nodes => "nodes",
            Self::Meta => "meta",
        }
    }

    /// How the database knows it.
    pub fn definition(self) -> Definition {
        TableDefinition::new(self.name())
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl MetaKey {
    pub(super) fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Applied => b"applied",
            Self::Membership => b"membership",
            Self::Forgotten => b"forgotten",
            Self::Digest => b"digest",
            Self::Differs => b"differs",
            Self::Format => b"format",
        }
    }
}

/// The version of the tables as a whole that this build writes and reads.
pub(super) const FORMAT: u32 = 2;

/// Creates the tables that are missing.
pub fn create_tables(txn: &WriteTransaction) -> Result<(), KvError> {
    for table in Table::ALL {
        txn.open_table(table.definition())?;
    }
    Ok(())
}

/// Makes a new database ready, or makes sure that an old one can be used. A
/// transaction that this fails in changes nothing if it is not committed.
pub fn prepare(txn: &WriteTransaction) -> Result<(), KvError> {
    create_tables(txn)?;
    let mut meta = txn.open_table(Table::Meta.definition())?;
    let format = read_meta(&meta, MetaKey::Format)?;
    if format.is_none() && is_empty(txn, &meta)? {
        return insert_meta(&mut meta, MetaKey::Format, &FORMAT.to_le_bytes());
    }
    check_format(format.as_deref())
}

fn is_empty(txn: &WriteTransaction, meta: &Rows<'_>) -> Result<bool, KvError> {
    let mut empty = meta.is_empty()?;
    for table in [Table::Keys, Table::Requests, Table::Nodes] {
        empty &= txn.open_table(table.definition())?.is_empty()?;
    }
    Ok(empty)
}

/// Makes sure that tables with this [`MetaKey::Format`] can be used.
pub fn check_format(format: Option<&[u8]>) -> Result<(), KvError> {
    match format.map(<[u8; 4]>::try_from) {
        Some(Ok(format)) if format == FORMAT.to_le_bytes() => Ok(()),
        Some(Ok(format)) => Err(KvError::Version(u32::from_le_bytes(format))),
        Some(Err(_)) => Err(KvError::damaged(Table::Meta, "the format has a wrong length")),
        None => Err(KvError::damaged(Table::Meta, "the format is missing")),
    }
}

fn read_meta(meta: &Rows<'_>, key: MetaKey) -> Result<Option<Vec<u8>>, KvError> {
    let row = meta.get(key.as_bytes())?;
    row.map(|row| open(Table::Meta, key.as_bytes(), row.value()).map(<[u8]>::to_vec)).transpose()
}

/// Notes something of the state as a whole, in a transaction of its own.
pub fn note_meta(txn: &WriteTransaction, key: MetaKey, payload: &[u8]) -> Result<(), KvError> {
    insert_meta(&mut txn.open_table(Table::Meta.definition())?, key, payload)
}

fn insert_meta(meta: &mut Rows<'_>, key: MetaKey, payload: &[u8]) -> Result<(), KvError> {
    meta.insert(key.as_bytes(), seal(Table::Meta, key.as_bytes(), payload).as_slice())?;
    Ok(())
}

/// The tables as applying changes them, and the memory that goes with them.
pub struct Tables<'state> {
    pub(super) layers: &'state mut Layers,
    pub(super) memory: &'state mut RequestMemory,
    forgotten_before: Revision,
    pub(super) digest: Digest,
    /// Where rows are put together, so that not each of them takes memory anew.
    pub(super) row: Vec<u8>,
}

impl<'state> Tables<'state> {
    /// Opens the tables. `memory` is the one that was loaded from them, and has
    /// seen everything that was applied since.
    pub fn open(layers: &'state mut Layers, memory: &'state mut RequestMemory) -> Result<Self, KvError> {
        let digest = layers.digest()?;
        let forgotten_before = memory.forgotten();
        Ok(Self { layers, memory, forgotten_before, digest, row: Vec::new() })
    }

    /// Notes something of the state as a whole.
    pub fn write_meta(&mut self, key: MetaKey, payload: &[u8]) {
        let row = seal(Table::Meta, key.as_bytes(), payload);
        self.layers.insert(Table::Meta, key.as_bytes(), &row);
    }

    /// The digest of the rows as they are now.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes what was held back until the end of a batch.
    pub fn finish(mut self) {
        let forgotten = self.memory.forgotten();
        if forgotten != self.forgotten_before {
            self.write_meta(MetaKey::Forgotten, &forgotten.0.to_le_bytes());
        }
        // Even if it is what it was: else whether there is a row at all would
        // depend on where a batch ends.
        self.write_meta(MetaKey::Digest, &self.digest.0.to_le_bytes());
    }
}
