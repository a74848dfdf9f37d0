//! Calls that read earlier revisions, from the feature level on at which a cluster keeps a history.

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    protocol::{Consistency, Request, Response, VersionView},
};

use super::{Client, GetResult, PageOptions};
use crate::error::Error;

/// A page of a range, as of an earlier revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPage {
    /// The keys in order, with their entries; values are empty with [`PageOptions::keys_only`]. There
    /// may be none, although the range continues.
    pub entries: Vec<(Key, Entry)>,
    /// The last key that was looked at, if the range continues after it: [`KeyRange::after`] returns the
    /// rest.
    pub upto: Option<Key>,
}

/// Options for reading the history of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HistoryOptions {
    /// Only versions before that of this revision: the last one of the page before. `None` begins with
    /// the present version.
    pub before: Option<Revision>,
    /// Maximum number of versions; 0 for as many as fit on a page (up to 1000, and 1 MiB of values).
    pub limit: u32,
    /// Leaves the values out.
    pub without_values: bool,
    /// Whether the read is linearizable (the default) or local to one node.
    pub consistency: Consistency,
}

/// Versions of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHistory {
    /// The versions and deletions, the newest first.
    pub versions: Vec<VersionView>,
    /// Whether there are earlier ones.
    pub more: bool,
}

impl Client {
    /// Reads a key as it was at a revision.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the history does not reach back so far, [`Error::Invalid`] if the cluster
    /// has not reached the revision, [`Error::Refused`] or [`Error::Unsupported`] if it keeps no history
    /// yet; otherwise as [`Client::get`].
    pub async fn get_at(
        &self,
        key: impl AsRef<[u8]>,
        revision: Revision,
        consistency: Consistency,
    ) -> Result<GetResult, Error> {
        match self.ask(Request::GetAt { key: Key::new(key)?, revision, consistency }).await? {
            Response::Value { entry, at } => Ok(GetResult { entry, at }),
            _ => Err(Error::misfit()),
        }
    }

    /// Reads one page of a range of keys as it was at a revision: that of another page, for instance, so
    /// that all are of one moment.
    ///
    /// # Errors
    /// As [`Client::get_at`]; [`Error::Invalid`] if a bound is longer than any key.
    pub async fn range_at(
        &self,
        range: KeyRange,
        revision: Revision,
        options: PageOptions,
    ) -> Result<PastPage, Error> {
        range.check()?;
        let PageOptions { limit, keys_only, consistency } = options;
        match self.ask(Request::RangeAt { range, revision, limit, keys_only, consistency }).await? {
            Response::PastPage { entries, upto } => Ok(PastPage { entries, upto }),
            _ => Err(Error::misfit()),
        }
    }

    /// Reads the versions of a key: when it was changed, by whom, and what it was.
    ///
    /// # Errors
    /// As [`Client::get_at`], but never [`Error::Compacted`]: the history ends where it was compacted.
    pub async fn history(&self, key: impl AsRef<[u8]>, options: HistoryOptions) -> Result<KeyHistory, Error> {
        let HistoryOptions { before, limit, without_values: keys_only, consistency } = options;
        let request = Request::History { key: Key::new(key)?, before, limit, keys_only, consistency };
        match self.ask(request).await? {
            Response::Versions { versions, more } => Ok(KeyHistory { versions, more }),
            _ => Err(Error::misfit()),
        }
    }

    /// Drops the history up to a revision, at which the state can still be read, and returns the first
    /// revision at which it can be. Idempotent. Requires the role `admin`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the cluster has not reached the revision, [`Error::Refused`] if it keeps no
    /// history yet, [`Error::Denied`] if the role does not allow it; otherwise as [`Client::boot`].
    pub async fn compact(&self, upto: Revision) -> Result<Revision, Error> {
        match self.ask(Request::CompactHistory { upto }).await? {
            Response::Compacted { floor, .. } => Ok(floor),
            _ => Err(Error::misfit()),
        }
    }
}
