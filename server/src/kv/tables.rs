//! The tables of the state, and the ones of one write transaction.
//!
//! All tables map bytes to bytes and are ordered by their keys' bytes, so that
//! whoever copies or compares a whole state can treat them alike.

use std::fmt;

use coffee_common::id::Revision;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::{
    digest::Digest,
    layout::{KvError, open, seal},
    requests::RequestMemory,
};

/// The tables, in the order in which a whole state is copied and compared.
///
/// The numbers are part of the formats on disk and on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Key to entry.
    Keys = 1,
    /// Log index (big endian) to request id, digest and outcome.
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
    fn as_bytes(self) -> &'static [u8] {
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
pub(super) const FORMAT: u32 = 1;

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

/// Reads and verifies what the table of [`Table::Meta`] says.
pub fn read_meta(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    key: MetaKey,
) -> Result<Option<Vec<u8>>, KvError> {
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

/// The tables of one write transaction, and the memory that goes with them.
pub struct Tables<'txn> {
    txn: &'txn WriteTransaction,
    pub(super) keys: Rows<'txn>,
    pub(super) requests: Rows<'txn>,
    meta: Rows<'txn>,
    pub(super) memory: &'txn mut RequestMemory,
    forgotten_before: Revision,
    pub(super) digest: Digest,
    digest_before: Digest,
    /// Where rows are put together, so that not each of them takes memory anew.
    pub(super) row: Vec<u8>,
}

impl<'txn> Tables<'txn> {
    /// Opens the tables in a transaction. `memory` is the one that was loaded
    /// from them, and has seen everything that was committed since.
    pub fn open(txn: &'txn WriteTransaction, memory: &'txn mut RequestMemory) -> Result<Self, KvError> {
        let meta = txn.open_table(Table::Meta.definition())?;
        let digest = read_digest(&meta)?;
        Ok(Self {
            txn,
            keys: txn.open_table(Table::Keys.definition())?,
            requests: txn.open_table(Table::Requests.definition())?,
            meta,
            forgotten_before: memory.forgotten(),
            memory,
            digest,
            digest_before: digest,
            row: Vec::new(),
        })
    }

    /// The table of nodes; opened where it is needed, which is seldom.
    pub(super) fn nodes(&self) -> Result<Rows<'txn>, KvError> {
        Ok(self.txn.open_table(Table::Nodes.definition())?)
    }

    /// Notes something of the state as a whole.
    pub fn write_meta(&mut self, key: MetaKey, payload: &[u8]) -> Result<(), KvError> {
        insert_meta(&mut self.meta, key, payload)
    }

    /// The digest of the rows as they are now.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Writes what was held back until the end of the transaction.
    pub fn finish(mut self) -> Result<(), KvError> {
        let forgotten = self.memory.forgotten();
        if forgotten != self.forgotten_before {
            self.write_meta(MetaKey::Forgotten, &forgotten.0.to_le_bytes())?;
        }
        if self.digest != self.digest_before {
            self.write_meta(MetaKey::Digest, &self.digest.0.to_le_bytes())?;
        }
        Ok(())
    }
}

/// The digest that a state says it has; of an empty one, where it says nothing.
pub fn read_digest(meta: &impl ReadableTable<&'static [u8], &'static [u8]>) -> Result<Digest, KvError> {
    let Some(digest) = read_meta(meta, MetaKey::Digest)? else { return Ok(Digest::default()) };
    let bytes =
        digest.try_into().map_err(|_| KvError::damaged(Table::Meta, "the digest has a wrong length"))?;
    Ok(Digest(u64::from_le_bytes(bytes)))
}
