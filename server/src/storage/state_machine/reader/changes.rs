//! Reads of what changed after a revision, and waits for the next change.

use std::io;

use coffee_common::{id::Revision, key::KeyRange};

use super::StateReader;
use crate::{
    kv::{AtRevision, ChangeFilter, ChangePage, ChangesRead},
    storage::state_machine::change_waiters::ChangeWait,
};

/// The chunks of the history that are read at most for a page: of one that lags, and of one that was
/// waiting.
const CHUNKS_MAX: usize = 256;
const CHUNKS_AT_ONCE_MAX: usize = 2;

/// Changes of a range after a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangesAfter {
    /// The changes.
    pub page: ChangePage,
    /// All changes up to this revision are on the page, or on an earlier one.
    pub upto: Revision,
    /// Whether these are all that there are.
    pub all: bool,
}

impl StateReader {
    /// Begins to wait for a change of a range. Read what has changed so far afterwards, not before.
    pub fn wait_for_change(&self, range: &KeyRange) -> ChangeWait {
        self.shared.waiters().register(range)
    }

    /// Begins to wait until a revision is applied. Ask whether it is afterwards, not before.
    pub fn wait_for_revision(&self, revision: Revision) -> ChangeWait {
        self.shared.waiters().register_for(revision)
    }

    /// Reads changes after a revision that is applied, on another thread. May return none although there
    /// are more.
    ///
    /// # Errors
    /// The storage has failed, or a row is damaged; the cluster keeps no history.
    pub async fn changes(
        &self,
        after: Revision,
        filter: &ChangeFilter,
    ) -> io::Result<AtRevision<ChangesAfter>> {
        let filter = filter.clone();
        self.in_steps(move |reader| reader.read_changes(after, &filter, CHUNKS_MAX)).await
    }

    /// Reads changes just after a revision that is applied: few chunks, on this thread.
    ///
    /// # Errors
    /// As [`StateReader::changes`].
    pub fn next_changes(
        &self,
        after: Revision,
        filter: &ChangeFilter,
    ) -> io::Result<AtRevision<ChangesAfter>> {
        self.read_changes(after, filter, CHUNKS_AT_ONCE_MAX)
    }

    fn read_changes(
        &self,
        after: Revision,
        filter: &ChangeFilter,
        chunks: usize,
    ) -> io::Result<AtRevision<ChangesAfter>> {
        let mut found = ChangesAfter { upto: after, ..ChangesAfter::default() };
        for _ in 0..chunks {
            let upto = found.upto;
            let (read, at) = self.read(|store| Ok(store.read_changes(upto, filter, &mut found.page)?))?;
            match read {
                AtRevision::Compacted(floor) => return Ok(AtRevision::Compacted(floor)),
                AtRevision::Found(ChangesRead::Upto(upto)) => found.upto = upto,
                AtRevision::Found(ChangesRead::Full(upto)) => {
                    found.upto = upto;
                    break;
                }
                AtRevision::Found(ChangesRead::All) => {
                    (found.upto, found.all) = (upto.max(at), true);
                    break;
                }
            }
        }
        Ok(AtRevision::Found(found))
    }
}
