//! Why the tables of the state cannot be used any longer.

use coffee_common::{
    envelope::UnknownKind,
    feature_level::{FeatureLevel, LEVEL_MAX},
};

use super::table::{ROW_FORMAT, TABLES_FORMAT, Table};

/// Why the tables cannot be used any longer.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Box<redb::Error>),
    /// A row does not hold what was written.
    #[error("a row of the table {table:?} is damaged: {what}")]
    Damaged {
        /// The table of the row.
        table: Table,
        /// The check that failed.
        what: &'static str,
    },
    /// A row has a format that this build does not know.
    #[error("a row of the table {table:?} has format {format}; this build knows format {ROW_FORMAT}")]
    Format {
        /// The table of the row.
        table: Table,
        /// The format of the row.
        format: u8,
    },
    /// A row has a part that this build does not know.
    #[error("a row of the table {table:?} was written by a newer version of coffeed: {part}")]
    Newer {
        /// The table of the row.
        table: Table,
        /// The part that is not known.
        part: UnknownKind,
    },
    /// Another version of coffeed wrote the tables.
    #[error("its tables have format {0}; this build knows format {TABLES_FORMAT}")]
    Version(u32),
    /// A newer version of coffeed wrote the state, or an entry of the log.
    #[error("it was written by a newer version of coffeed (level {0}; this build knows {LEVEL_MAX})")]
    Level(FeatureLevel),
    /// A value cannot be encoded.
    #[error("a row cannot be encoded: {0}")]
    Encode(#[source] postcard::Error),
}

/// Implements `From` for every database error that a transaction can return.
macro_rules! database_errors {
    ($($error:ty),*) => {
        $(impl From<$error> for KvError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}
database_errors!(
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::SetDurabilityError,
    redb::CommitError
);

impl KvError {
    /// Whether a newer version of coffeed wrote what this build cannot read.
    pub fn is_newer(&self) -> bool {
        match self {
            Self::Level(_) | Self::Newer { .. } => true,
            Self::Format { format, .. } => *format > ROW_FORMAT,
            Self::Version(format) => *format > TABLES_FORMAT,
            Self::Database(_) | Self::Damaged { .. } | Self::Encode(_) => false,
        }
    }

    pub(super) fn damaged(table: Table, what: &'static str) -> Self {
        Self::Damaged { table, what }
    }
}
