//! The connections that live, so that they can be looked through when it
//! changes whom to believe.
//!
//! Keeps none of them alive. Guards that nobody slips through: one whose
//! handshake began under what was believed before, and ends after that has
//! changed, is judged again when it gets here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::connection::Live;

/// All connections of an endpoint that live. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    live: Mutex<BTreeMap<u64, Weak<Live>>>,
    numbers: AtomicU64,
}

/// The place of one of them, until this is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    roster: Roster,
    number: u64,
}

impl Roster {
    /// Enters what `make` makes around its entry.
    pub(super) fn enter(&self, make: impl FnOnce(Entry) -> Live) -> Arc<Live> {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(make(Entry { roster: self.clone(), number }));
        self.live().insert(number, Arc::downgrade(&live));
        live
    }

    /// Those that live now, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        // The last owner of one may go meanwhile: it is dropped by the caller, who holds no lock.
        self.live().values().filter_map(Weak::upgrade).collect()
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u64, Weak<Live>>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roster.live().remove(&self.number);
    }
}
