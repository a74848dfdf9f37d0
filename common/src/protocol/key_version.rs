//! Versions of a key as clients see them.

use serde::{Deserialize, Serialize};

use crate::{entry::Entry, id::Revision, text};

/// A version of a key, or a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct VersionView {
    /// The revision of the change.
    pub revision: Revision,
    /// The key from then on; `None` if it was deleted. The value is empty if it was omitted.
    pub entry: Option<Entry>,
    /// When it was changed, by the wall clock of the leader of that time, in milliseconds since 1970.
    /// `None` if the history no longer has the change.
    pub at_ms: Option<u64>,
    /// The role and the name of the client that changed it, such as `writer till`; empty if that is not
    /// known.
    #[serde(deserialize_with = "text::word")]
    pub author: String,
}

crate::enveloped!(VersionView);
