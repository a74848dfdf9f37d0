//! What happened, as one number: two runs that behave alike have the same.
//!
//! Of packets only lengths count, never ciphertext.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::entropy::mix;

#[derive(Debug, Default)]
struct Noted {
    hash: u64,
    counts: BTreeMap<&'static str, u64>,
    tick: u64,
    over: bool,
}

/// A place to note what happens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Noted>>);

impl Trace {
    /// Notes that this happened, now.
    pub(crate) fn note(&self, what: &'static str, value: u64) {
        let mut noted = self.lock();
        let name = what.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte)));
        noted.hash = mix(noted.hash ^ mix(value ^ name) ^ noted.tick);
        *noted.counts.entry(what).or_default() += 1;
    }

    /// Time goes on.
    pub(crate) fn tick(&self) {
        self.lock().tick += 1;
    }

    /// The simulation is over, and about to be taken down.
    pub(crate) fn end(&self) {
        self.lock().over = true;
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// The number.
    pub(crate) fn hash(&self) -> u64 {
        self.lock().hash
    }

    /// How often each thing happened.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.lock().counts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
