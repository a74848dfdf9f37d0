//! Changes of keys as clients see them.

use serde::{Deserialize, Serialize};

use crate::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    text,
};

/// The keys and changes that a client watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct WatchSpec {
    /// The keys.
    pub range: KeyRange,
    /// Which changes count.
    pub kinds: ChangeKinds,
    /// Omits the values.
    pub keys_only: bool,
    /// Adds the entries before the changes. Those of a revision are left out as far as they do not fit a
    /// response with its changes.
    pub with_previous: bool,
}

/// Which changes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ChangeKinds {
    /// All.
    #[default]
    All,
    /// Keys that are set.
    Sets,
    /// Keys that are deleted.
    Deletes,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ChangeView {
    /// The revision of the change.
    pub revision: Revision,
    /// The key.
    pub key: Key,
    /// The key from then on; `None` if it was deleted. The value is empty if it was omitted.
    pub entry: Option<Entry>,
    /// The revision of the key before; `None` if it did not exist.
    pub previous: Option<Revision>,
    /// The key before, if that was asked for and existed; `None` also if it was left out.
    pub previous_entry: Option<Entry>,
    /// When it was changed, by the wall clock of the leader of that time, in milliseconds since 1970.
    pub at_ms: u64,
    /// The role and the name of the client that changed it, such as `writer till`; empty if that is not
    /// known.
    #[serde(deserialize_with = "text::word")]
    pub author: String,
}

crate::enveloped!(WatchSpec, ChangeView);
