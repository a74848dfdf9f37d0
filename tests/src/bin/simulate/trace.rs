//! A hash of everything that happened: two runs that behave alike have the same hash.
//!
//! For packets it includes lengths, never ciphertext.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::entropy::mix;

#[derive(Debug, Default)]
struct TraceState {
    hash: u64,
    counts: BTreeMap<&'static str, u64>,
    tick: u64,
    over: bool,
}

/// Collects events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<TraceState>>);

impl Trace {
    /// Records an event at the current time.
    pub(crate) fn note(&self, what: &'static str, value: u64) {
        let mut noted = self.lock();
        let name = what.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
        noted.hash = mix(noted.hash ^ mix(value ^ name) ^ noted.tick);
        *noted.counts.entry(what).or_default() += 1;
    }

    /// Advances the time.
    pub(crate) fn tick(&self) {
        self.lock().tick += 1;
    }

    /// The simulated milliseconds so far.
    pub(crate) fn now(&self) -> u64 {
        self.lock().tick
    }

    /// Marks the end of the simulation, before its teardown.
    pub(crate) fn end(&self) {
        self.lock().over = true;
    }

    /// Whether the simulation has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// The hash.
    pub(crate) fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// Number of events of each kind.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, TraceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
