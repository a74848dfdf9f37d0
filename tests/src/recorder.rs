//! Clients that write without a pause and record each success and failure: what a fault
//! looks like from outside.
//!
//! Works with any store. Lost and repeated writes are not detected here but by
//! [`crate::load`].

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

/// Upper bound only: [`WriteRecorder::finish`] ends the load.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Writes in flight until [`WriteRecorder::finish`].
#[derive(Debug)]
pub struct WriteRecorder {
    run: Run,
    notes: Arc<Notes>,
    began: Instant,
}

/// A finished recording.
#[derive(Debug, Clone)]
pub struct Recording {
    /// When the recording began.
    pub began: Instant,
    /// When the last write was allowed to begin. Writes in flight may have ended later.
    pub ended: Instant,
    /// The writes that succeeded.
    pub timeline: Timeline,
    /// How many failed, by kind.
    pub failed: BTreeMap<&'static str, u64>,
}

impl Recording {
    /// Number of failed writes.
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

impl WriteRecorder {
    /// Starts `clients` clients, spread over the targets (at least one).
    pub fn start<T: Target>(targets: &[T], keys: &Keys, clients: usize) -> Self {
        let notes = Arc::new(Notes::default());
        let noted = |target: &T| RecordedTarget { target: target.clone(), notes: Arc::clone(&notes) };
        let targets: Vec<RecordedTarget<T>> = targets.iter().map(noted).collect();
        let (warm_up, duration) = (Duration::ZERO, LONGEST);
        let plan = Plan { work: Work::Put, clients, keys: keys.clone(), warm_up, duration, rate: None };
        Self { run: Run::start(&plan, &targets), notes, began: Instant::now() }
    }

    /// Waits until `more` further writes that began after this call have succeeded.
    ///
    /// # Panics
    /// After two minutes: the store is considered lost.
    pub async fn succeeds(&self, more: usize) {
        let from = Instant::now();
        let mut changed = self.notes.changed.subscribe();
        let enough = async {
            while lock(&self.notes.timeline).begun_since(from) < more {
                // The sender lives as long as `self`.
                let _ = changed.changed().await;
            }
        };
        let soon = timeout(PATIENCE, enough).await;
        assert!(soon.is_ok(), "writes do not flow: {:?}", lock(&self.notes.failed));
    }

    /// Begins no further writes, and waits for those in flight.
    pub async fn finish(self) -> Recording {
        self.notes.stopped.store(true, Ordering::SeqCst);
        let ended = Instant::now();
        let mut changed = self.notes.changed.subscribe();
        while self.notes.under_way.load(Ordering::SeqCst) > 0 {
            let _ = changed.changed().await;
        }
        drop(self.run);
        Recording {
            began: self.began,
            ended,
            timeline: std::mem::take(&mut lock(&self.notes.timeline)),
            failed: std::mem::take(&mut lock(&self.notes.failed)),
        }
    }
}

/// A target whose results are recorded.
#[derive(Clone)]
struct RecordedTarget<T> {
    target: T,
    notes: Arc<Notes>,
}

impl<T: Target> Target for RecordedTarget<T> {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        let under_way = InFlightWrite::begin(&self.notes);
        if self.notes.stopped.load(Ordering::SeqCst) {
            drop(under_way);
            // Dropped together with the run.
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

/// Counts a write as in flight until it is dropped.
struct InFlightWrite(Arc<Notes>);

impl InFlightWrite {
    fn begin(notes: &Arc<Notes>) -> Self {
        notes.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(notes))
    }
}

impl Drop for InFlightWrite {
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
        let recorder = WriteRecorder::start(std::slice::from_ref(&moody), &keys, 4);
        recorder.succeeds(40).await;
        let seen = recorder.finish().await;
        let noted = seen.timeline.count() + usize::try_from(seen.failures()).unwrap();
        assert_eq!(
            noted,
            moody.0.load(Ordering::Relaxed),
            "every write that began is recorded, and none began later"
        );
        assert!(seen.failed["mood"] >= 18, "{:?}", seen.failed);
        assert!(seen.timeline.longest_gap_between(seen.began, seen.ended).span > Duration::ZERO);
    }
}
