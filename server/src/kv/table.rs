//! The names of the tables and of the values that describe the whole state.
//!
//! All tables map bytes to bytes, ordered by their keys' bytes, so a whole
//! state can be copied and compared without knowing what the rows mean.

use std::fmt;

use redb::TableDefinition;

/// A table, in the order in which a whole state is copied and compared.
///
/// The numbers are part of the formats on disk and on the wire. 9 and 10 are reserved for leases and for
/// the keys that are attached to them; they arrive with a feature level, which keeps them from older nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Key to entry.
    Keys = 1,
    /// The first of 256 log indexes (big endian) to the requests that they applied.
    Requests = 2,
    /// Node name to node record.
    Nodes = 3,
    /// [`MetaKey`] to its value.
    Meta = 4,
    /// The name of a CA to its revocation list.
    Revocations = 5,
    /// The name of a setting to its value.
    Settings = 6,
    /// Key and revision to a long value.
    Values = 7,
    /// The first revision of a chunk (big endian) to the changes of these revisions.
    Changes = 8,
}

/// A value that describes the state as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaKey {
    /// The id of the last applied entry.
    Applied,
    /// The last membership and the id of its entry.
    Membership,
    /// The highest revision whose request is no longer remembered.
    Forgotten,
    /// The [`Digest`](super::Digest) of all other tables and of [`MetaKey::Level`].
    Digest,
    /// The entry as of which the state was found to differ from the other nodes'.
    Differs,
    /// The version of all tables.
    Format,
    /// The feature level of the cluster. The digest covers it.
    Level,
    /// The extent of the history.
    History,
}

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The version of the tables as a whole that this build writes and reads.
pub const TABLES_FORMAT: u32 = 5;

/// The version of the row formats that this build writes and reads.
pub(super) const ROW_FORMAT: u8 = 1;

impl Table {
    /// Every table, in order.
    pub const ALL: [Self; 8] = [
        Self::Keys,
        Self::Requests,
        Self::Nodes,
        Self::Meta,
        Self::Revocations,
        Self::Settings,
        Self::Values,
        Self::Changes,
    ];

    /// Returns the table with this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| *table as u8 == number)
    }

    /// Its index in [`Table::ALL`].
    pub(super) fn position(self) -> usize {
        self as usize - 1
    }

    /// Its name in the database and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Requests => "requests",
            Self::Nodes => "nodes",
            Self::Meta => "meta",
            Self::Revocations => "revocations",
            Self::Settings => "settings",
            Self::Values => "values",
            Self::Changes => "changes",
        }
    }

    /// Its definition for redb.
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
            Self::Level => b"level",
            Self::History => b"history",
        }
    }
}
