//! Clients that write without a pause, and note each success and failure:
//! what a fault looks like from outside.
//!
//! Any store can be written to. Whether writes are lost or done twice is not
//! seen here; [`crate::load`] sees it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use coffee_client::bench::{Failed, Keys, Plan, Run, Target, Work};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::timeline::{Success, Timeline};

/// Longer than any fault that ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// The load ends when it is told to.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Writes that are under way until [`Witness::finish`].
#[derive(Debug)]
pub struct Witness {
    run: Run,
    notes: Arc<Notes>,
    began: Instant,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it began.
    pub began: Instant,
    /// When nothing more was begun. A write that was under way may have ended later.
    pub ended: Instant,
    /// The writes that succeeded.
    pub timeline: Timeline,
    /// How many failed, by kind.
    pub failed: BTreeMap<&'static str, u64>,
}

impl Seen {
    /// How many writes failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

#[derive(Debug, Default)]
struct Notes {
    timeline: Mutex<Timeline>,
    failed: Mutex<BTreeMap<&'static str, u64>>,
    under_way: AtomicUsize,
    stopped: AtomicBool,
    changed: watch::Sender<()>,
}

impl Witness {
    /// Starts so many clients, spread over the targets (at least one).
    pub fn start<T: Target>(targets: &[T], keys: &Keys, clients: usize) -> Self {
        let notes = Arc::new(Notes::default());
        let noted = |target: &T| Noted { target: target.clone(), notes: Arc::clone(&notes) };
        let targets: Vec<Noted<T>> = targets.iter().map(noted).collect();
        let (warm_up, duration) = (Duration::ZERO, LONGEST);
        let plan = Plan { work: Work::Put, clients, keys: keys.clone(), warm_up, duration, rate: None };
        Self { run: Run::start(&plan, &targets), notes, began: Instant::now() }
    }

    /// Waits until so many more writes have succeeded that began after this call.
    ///
    /// # Panics
    /// It takes two minutes: the store is lost.
    pub async fn succeeds(&self, more: usize) {
        let from = Instant::now();
        let mut changed = self.notes.changed.subscribe();
        let enough = async {
            while lock(&self.notes.timeline).begun_since(from) < more {
                // Its sender lives as long as we do.
                let _ = changed.changed().await;
            }
        };
        let soon = timeout(PATIENCE, enough).await;
        assert!(soon.is_ok(), "writes do not flow: {:?}", lock(&self.notes.failed));
    }

    /// Begins nothing more, and waits for what is under way.
    pub async fn finish(self) -> Seen {
        self.notes.stopped.store(true, Ordering::SeqCst);
        let ended = Instant::now();
        let mut changed = self.notes.changed.subscribe();
        while self.notes.under_way.load(Ordering::SeqCst) > 0 {
            let _ = changed.changed().await;
        }
        drop(self.run);
        Seen {
            began: self.began,
            ended,
            timeline: std::mem::take(&mut lock(&self.notes.timeline)),
            failed: std::mem::take(&mut lock(&self.notes.failed)),
        }
    }
}

/// A target of which notes are taken.
#[derive(Clone)]
struct Noted<T> {
    target: T,
    notes: Arc<Notes>,
}

impl<T: Target> Target for Noted<T> {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        let under_way = UnderWay::begin(&self.notes);
        if self.notes.stopped.load(Ordering::SeqCst) {
            drop(under_way);
            // The run is dropped with it.
            std::future::pending::<()>().await;
        }
        let begun = Instant::now();
        let result = self.target.put(key, value).await;
        match &result {
            Ok(()) => lock(&self.notes.timeline).push(Success { begun, ended: Instant::now() }),
            Err(failed) => *lock(&self.notes.failed).entry(failed.kind).or_default() += 1,
        }
        result
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        self.target.get(key).await
    }
}

/// A write that counts as under way until this is dropped.
struct UnderWay(Arc<Notes>);

impl UnderWay {
    fn begin(notes: &Arc<Notes>) -> Self {
        notes.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(notes))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.send_replace(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails every third write.
    #[derive(Clone, Default)]
    struct Moody(Arc<AtomicUsize>);

    impl Target for Moody {
        async fn put(&self, _: String, _: Bytes) -> Result<(), Failed> {
            tokio::time::sleep(Duration::from_millis(1)).await;
            match self.0.fetch_add(1, Ordering::Relaxed) % 3 {
                2 => Err(Failed { kind: "mood", text: "not now".into() }),
                _ => Ok(()),
            }
        }

        async fn get(&self, _: String) -> Result<(), Failed> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn everything_is_noted() {
        let (keys, moody) = (Keys::new("k/".into(), 10, 8, 1).unwrap(), Moody::default());
        let witness = Witness::start(std::slice::from_ref(&moody), &keys, 4);
        witness.succeeds(40).await;
        let seen = witness.finish().await;
        let noted = seen.timeline.count() + usize::try_from(seen.failures()).unwrap();
        assert_eq!(noted, moody.0.load(Ordering::Relaxed), "what began is noted, and nothing began later");
        assert!(seen.failed["mood"] >= 18, "{:?}", seen.failed);
        assert!(seen.timeline.longest_gap_between(seen.began, seen.ended).span > Duration::ZERO);
    }
}
