//! The tables in the database: how they are created and checked.

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{
    error::KvError,
    row::format::{open, seal},
    table::{MetaKey, TABLES_FORMAT, Table},
};

/// A table of the database, open for writing.
pub type WritableTable<'txn> = redb::Table<'txn, &'static [u8], &'static [u8]>;

/// Creates the tables that are missing.
///
/// # Errors
/// The database failed.
pub fn create_tables(txn: &WriteTransaction) -> Result<(), KvError> {
    for table in Table::ALL {
        txn.open_table(table.definition())?;
    }
    Ok(())
}

/// Creates the tables of a new database, or checks that this build can use an
/// existing one. Nothing is changed until the caller commits the transaction.
///
/// # Errors
/// Another version of coffeed wrote the tables, or the database failed.
pub fn prepare(txn: &WriteTransaction) -> Result<(), KvError> {
    create_tables(txn)?;
    let mut meta = txn.open_table(Table::Meta.definition())?;
    let format = read_meta(&meta, MetaKey::Format)?;
    if format.is_none() && is_empty(txn, &meta)? {
        return insert_meta(&mut meta, MetaKey::Format, &TABLES_FORMAT.to_le_bytes());
    }
    check_format(format.as_deref())
}

fn is_empty(txn: &WriteTransaction, meta: &WritableTable<'_>) -> Result<bool, KvError> {
    let mut empty = meta.is_empty()?;
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Meta) {
        empty &= txn.open_table(table.definition())?.is_empty()?;
    }
    Ok(empty)
}

/// Checks that this build can use tables with this [`MetaKey::Format`].
///
/// # Errors
/// The format is missing, malformed, or another one.
pub fn check_format(format: Option<&[u8]>) -> Result<(), KvError> {
    match format.map(<[u8; 4]>::try_from) {
        Some(Ok(format)) if format == TABLES_FORMAT.to_le_bytes() => Ok(()),
        Some(Ok(format)) => Err(KvError::Version(u32::from_le_bytes(format))),
        Some(Err(_)) => Err(KvError::damaged(Table::Meta, "the format has a wrong length")),
        None => Err(KvError::damaged(Table::Meta, "the format is missing")),
    }
}

fn read_meta(meta: &WritableTable<'_>, key: MetaKey) -> Result<Option<Vec<u8>>, KvError> {
    let row = meta.get(key.as_bytes())?;
    row.map(|row| open(Table::Meta, key.as_bytes(), row.value()).map(<[u8]>::to_vec)).transpose()
}

/// Writes a value that describes the state as a whole directly to the database.
///
/// # Errors
/// The database failed.
pub fn note_meta(txn: &WriteTransaction, key: MetaKey, payload: &[u8]) -> Result<(), KvError> {
    insert_meta(&mut txn.open_table(Table::Meta.definition())?, key, payload)
}

fn insert_meta(meta: &mut WritableTable<'_>, key: MetaKey, payload: &[u8]) -> Result<(), KvError> {
    meta.insert(key.as_bytes(), seal(Table::Meta, key.as_bytes(), payload).as_slice())?;
    Ok(())
}
