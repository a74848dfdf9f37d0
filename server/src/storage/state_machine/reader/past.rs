//! Reads of earlier revisions: on another thread, in steps between which entries are applied.
//!
//! Guards that such a read ends with its request: it may take a processor for long.

use std::io;

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, RANGE_KEYS_MAX, VERSIONS_MAX},
};

use super::StateReader;
use tokio::time::Instant;

use crate::kv::{AtRevision, PastRead, PastVersion, Store, VersionCursor, VersionRoom};

/// How many names of keys are read under the state's lock at once.
const NAMES_AT_ONCE: usize = 64;

/// A page ends after this many steps, each of which reads a chunk of the history, or a key.
pub(super) const STEPS_MAX: usize = 8192;

/// The steps that a read may still take.
pub(super) struct Steps {
    pub(super) left: usize,
    pub(super) deadline: Instant,
}

/// A page of a range, as of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RevisionPage {
    /// The keys in order, with their entries.
    pub entries: Vec<(Key, Entry)>,
    /// The last key that was looked at, if the range continues after it.
    pub upto: Option<Key>,
}

/// Versions of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionPage {
    /// The versions, the newest first.
    pub versions: Vec<PastVersion>,
    /// Whether there are earlier ones.
    pub more: bool,
}

impl StateReader {
    /// Reads a key as of a revision that is applied. Returns `None` at the deadline.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged; the cluster keeps no history.
    pub async fn get_at(
        &self,
        key: &Key,
        at: Revision,
        deadline: Instant,
    ) -> io::Result<Option<AtRevision<Option<Entry>>>> {
        let (key, mut steps) = (key.clone(), Steps { left: usize::MAX, deadline });
        let read = PastRead::new(at, true);
        self.in_steps(move |reader| reader.read_past(&key, read, &mut steps)).await
    }

    /// Reads a page of a range as of a revision that is applied: at most `limit` keys (0: no limit of the
    /// caller's). Returns `None` at the deadline.
    ///
    /// # Errors
    /// As [`StateReader::get_at`].
    pub async fn range_at(
        &self,
        range: &KeyRange,
        limit: u32,
        keys_only: bool,
        at: Revision,
        deadline: Instant,
    ) -> io::Result<Option<AtRevision<RevisionPage>>> {
        let range = range.clone();
        let limit = if limit == 0 { RANGE_KEYS_MAX } else { limit.min(RANGE_KEYS_MAX) };
        let read = PastRead::new(at, !keys_only);
        let mut steps = Steps { left: STEPS_MAX, deadline };
        self.in_steps(move |reader| reader.read_past_page(range, limit as usize, read, &mut steps)).await
    }

    /// Reads versions of a key, the newest first, from those before the change at `before` on: at most
    /// `limit` (0: no limit of the caller's). Returns `None` if there is no such change above the floor.
    ///
    /// # Errors
    /// As [`StateReader::get_at`].
    pub async fn versions(
        &self,
        key: &Key,
        before: Option<Revision>,
        limit: u32,
        keys_only: bool,
        deadline: Instant,
    ) -> io::Result<Option<VersionPage>> {
        let key = key.clone();
        let limit = if limit == 0 { VERSIONS_MAX } else { VERSIONS_MAX.min(limit as usize) };
        let mut room = VersionRoom { versions: limit, bytes: RANGE_BYTES_MAX, with_values: !keys_only };
        let cursor = before.map_or(VersionCursor::Present, VersionCursor::Before);
        let read = move |reader: &Self| {
            let mut page = VersionPage::default();
            let is_version = |store: &Store, at| Ok(at <= store.floor()? || store.has_change(&key, at)?);
            if let Some(at) = before
                && !reader.read(|store| is_version(store, at))?.0
            {
                return Ok(None);
            }
            let mut next = Some(cursor);
            while let Some(cursor) = next.filter(|_| !room.is_full() && Instant::now() < deadline) {
                let step =
                    |store: &Store| Ok(store.read_versions(&key, cursor, &mut room, &mut page.versions)?);
                next = reader.read(step)?.0;
            }
            page.more = next.is_some();
            Ok(Some(page))
        };
        self.in_steps(read).await
    }

    /// Runs a read on another thread. Few run at once: each takes processor time.
    pub(super) async fn in_steps<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let permit = self.shared.range_permit().await?;
        let reader = self.clone();
        let read = move || {
            let result = read(&reader);
            drop(permit);
            result
        };
        self.shared.offload().run(read).await
    }

    /// Reads a key, and counts the steps down. Returns `None` at the deadline.
    pub(super) fn read_past(
        &self,
        key: &Key,
        mut read: PastRead,
        steps: &mut Steps,
    ) -> io::Result<Option<AtRevision<Option<Entry>>>> {
        while Instant::now() < steps.deadline {
            steps.left = steps.left.saturating_sub(1);
            let found = self.read(|store| Ok(store.read_past(key, &mut read)?))?.0;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    pub(super) fn read_past_page(
        &self,
        mut range: KeyRange,
        limit: usize,
        read: PastRead,
        steps: &mut Steps,
    ) -> io::Result<Option<AtRevision<RevisionPage>>> {
        let (mut page, mut bytes) = (RevisionPage::default(), 0);
        loop {
            let (names, _) = self.read(|store| Ok(store.keys_ever(&range, NAMES_AT_ONCE.min(limit))?))?;
            let Some(last) = names.last() else { break };
            range = range.after(last);
            for key in names {
                let found = match self.read_past(&key, read, steps)? {
                    Some(AtRevision::Found(found)) => found,
                    Some(AtRevision::Compacted(floor)) => return Ok(Some(AtRevision::Compacted(floor))),
                    None => return Ok(None),
                };
                if let Some(entry) = found {
                    let needed = key.as_bytes().len() + entry.value.as_bytes().len();
                    if !page.entries.is_empty() && bytes + needed > RANGE_BYTES_MAX {
                        return self.unless_dropped(page, read);
                    }
                    bytes += needed;
                    page.entries.push((key.clone(), entry));
                }
                page.upto = Some(key);
                if page.entries.len() == limit || steps.left == 0 {
                    return self.unless_dropped(page, read);
                }
            }
        }
        page.upto = None;
        self.unless_dropped(page, read)
    }

    /// A page that was read while nothing of its time was dropped: otherwise a key may be missing.
    fn unless_dropped(
        &self,
        page: RevisionPage,
        read: PastRead,
    ) -> io::Result<Option<AtRevision<RevisionPage>>> {
        let (floor, _) = self.read(|store| Ok(store.floor()?))?;
        Ok(Some(match read.at() < floor {
            true => AtRevision::Compacted(floor),
            false => AtRevision::Found(page),
        }))
    }
}
