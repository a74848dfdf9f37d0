//! The connections that live, so that they can be looked through when it
//! changes whom to believe, and what they and those before them have carried.
//!
//! Keeps none of them alive. Guards that nobody slips through: one whose
//! handshake began under what was believed before, and ends after that has
//! changed, is judged again when it gets here. And that no sum ever shrinks:
//! a connection leaves, and what it has carried is kept, in one step.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Protocol,
    connection::Live,
    traffic::{Carried, Survey},
};

/// All connections of an endpoint that live. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<RegistryInner>);

#[derive(Debug, Default)]
struct RegistryInner {
    state: Mutex<RegistryState>,
    numbers: AtomicU64,
}

#[derive(Debug, Default)]
struct RegistryState {
    live: BTreeMap<u64, Registered>,
    /// What those have carried that have ended, and how many there were.
    past: Survey,
}

#[derive(Debug)]
struct Registered {
    live: Weak<Live>,
    protocol: Protocol,
    /// What it has carried, as far as anybody has looked: one that is ending
    /// can no longer be asked, and has not left yet.
    seen: Carried,
}

/// The place of one of them, until this is dropped.
#[derive(Debug)]
pub(super) struct Registration {
    registry: Registry,
    number: u64,
}

impl Registry {
    /// Enters what `make` makes around its entry.
    pub(super) fn enter(&self, protocol: Protocol, make: impl FnOnce(Registration) -> Live) -> Arc<Live> {
        let number = self.0.numbers.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(make(Registration { registry: self.clone(), number }));
        let registered = Registered { live: Arc::downgrade(&live), protocol, seen: Carried::default() };
        let mut state = self.state();
        state.live.insert(number, registered);
        state.past.of_mut(protocol).opened += 1;
        live
    }

    /// Those that live now, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Arc<Live>> {
        // The last owner of one may go meanwhile: it is dropped by the caller, who holds no lock.
        self.state().live.values().filter_map(|registered| registered.live.upgrade()).collect()
    }

    /// What goes over all of them. The lock is not held while they are looked at.
    pub(super) fn survey(&self) -> Survey {
        let all: Vec<(u64, Arc<Live>)> = {
            let state = self.state();
            state
                .live
                .iter()
                .filter_map(|(number, registered)| Some((*number, registered.live.upgrade()?)))
                .collect()
        };
        let looks: Vec<(u64, Carried)> = all.iter().map(|(number, live)| (*number, live.carried())).collect();
        let mut survey = {
            let mut state = self.state();
            for (number, carried) in looks {
                if let Some(registered) = state.live.get_mut(&number) {
                    registered.seen.latest(&carried);
                }
            }
            let mut survey = state.past.clone();
            for registered in state.live.values() {
                survey.of_mut(registered.protocol).carried.add(&registered.seen);
            }
            survey
        };
        for (_, live) in all.iter().filter(|(_, live)| live.is_open()) {
            survey.of_mut(live.protocol()).open += 1;
            if let Some((peer, rtt)) = live.peer_round_trip() {
                let shortest = survey.round_trips.entry(peer.clone()).or_insert(rtt);
                *shortest = rtt.min(*shortest);
            }
        }
        survey
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// Leaves: this is what it has carried to its end.
    pub(super) fn leave(&self, carried: &Carried) {
        let mut state = self.registry.state();
        if let Some(mut registered) = state.live.remove(&self.number) {
            registered.seen.latest(carried);
            state.past.of_mut(registered.protocol).carried.add(&registered.seen);
        }
    }
}
