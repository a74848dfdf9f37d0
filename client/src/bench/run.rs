//! A run: starts its clients and waits for them.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::random::SplitMix64;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Failed, Keys, Measured, OperationKind, Plan, Target, Work,
    measured::{Recorder, per_second},
    pacer::{Pacer, PacerHandle},
};

/// A run in progress. Dropping it stops the load at once.
#[derive(Debug)]
pub struct Run {
    recorder: Arc<Mutex<Recorder>>,
    clients: JoinSet<()>,
    pacer: Option<(Arc<Pacer>, PacerHandle)>,
    start: Instant,
    begin: Instant,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Time since the start.
    pub elapsed: Duration,
    /// Whether it is still warming up, so nothing counts yet.
    pub warming_up: bool,
    /// Successes so far.
    pub successes: u64,
    /// Failures so far.
    pub failures: u64,
    /// Successes per second so far.
    pub rate: f64,
}

impl Run {
    /// Starts the clients, spread over the targets (at least one).
    pub fn start<T: Target>(plan: &Plan, targets: &[T]) -> Self {
        let start = Instant::now();
        let begin = start + plan.warm_up;
        let end = begin + plan.duration;
        let recorder = Arc::new(Mutex::new(Recorder::new(begin, end)));
        let pacer = plan.rate.map(|rate| Pacer::start(rate, start, end));
        let mut clients = JoinSet::new();
        for target in targets.iter().cycle().take(plan.clients) {
            let worker = Worker {
                target: target.clone(),
                keys: plan.keys.clone(),
                work: plan.work,
                chance: SplitMix64::from_entropy(),
                recorder: Arc::clone(&recorder),
            };
            match &pacer {
                Some((pacer, _)) => clients.spawn(worker.open_loop(Arc::clone(pacer))),
                None => clients.spawn(worker.closed_loop(end)),
            };
        }
        Self { recorder, clients, pacer, start, begin }
    }

    /// Returns the progress so far.
    pub fn progress(&self) -> Progress {
        let (successes, failures) = lock(&self.recorder).counts();
        let now = Instant::now();
        let rate = per_second(successes, now.saturating_duration_since(self.begin));
        let warming_up = now < self.begin;
        let elapsed = now - self.start;
        Progress { elapsed, warming_up, successes, failures, rate: if warming_up { 0.0 } else { rate } }
    }

    /// Waits until the time is over and every started operation has ended. Cancel safe.
    pub async fn finish(&mut self) -> Measured {
        while let Some(ended) = self.clients.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        let not_begun = self.pacer.as_ref().map_or(0, |(pacer, _)| pacer.not_begun_since(self.begin));
        lock(&self.recorder).finish(not_begun)
    }
}

/// Writes every key once, with `clients` writes in flight.
///
/// # Errors
/// Returns the first error of a write.
pub async fn fill<T: Target>(keys: &Keys, clients: usize, targets: &[T]) -> Result<(), Failed> {
    let clients = clients.max(1);
    let mut writers = JoinSet::<Result<(), Failed>>::new();
    for (first, target) in targets.iter().cycle().take(clients).enumerate() {
        let (keys, target) = (keys.clone(), target.clone());
        writers.spawn(async move {
            let mut chance = SplitMix64::from_entropy();
            for number in (first as u64..keys.count()).step_by(clients) {
                target.put(keys.key(number), keys.any_value(&mut chance)).await?;
            }
            Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        match ended {
            Ok(result) => result?,
            Err(error) => {
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
    Ok(())
}

/// One client.
struct Worker<T> {
    target: T,
    keys: Keys,
    work: Work,
    chance: SplitMix64,
    recorder: Arc<Mutex<Recorder>>,
}

impl<T: Target> Worker<T> {
    async fn closed_loop(mut self, end: Instant) {
        loop {
            let due = Instant::now();
            if due >= end {
                return;
            }
            self.operate(due).await;
        }
    }

    async fn open_loop(mut self, pacer: Arc<Pacer>) {
        while let Some(due) = pacer.next().await {
            self.operate(due).await;
        }
    }

    async fn operate(&mut self, due: Instant) {
        let key = self.keys.any_key(&mut self.chance);
        let (kind, result) = match self.reads() {
            true => (OperationKind::Get, self.target.get(key).await),
            false => {
                let value = self.keys.any_value(&mut self.chance);
                (OperationKind::Put, self.target.put(key, value).await)
            }
        };
        let failed = result.is_err();
        lock(&self.recorder).note(kind, due, Instant::now(), result);
        if failed {
            // An immediate error would otherwise starve the other tasks.
            tokio::task::yield_now().await;
        }
    }

    fn reads(&mut self) -> bool {
        match self.work {
            Work::Put => false,
            Work::Get => true,
            Work::Mixed { reads_percent } => self.chance.below(100) < u64::from(reads_percent),
        }
    }
}

/// A panic while the lock is held ends the run.
fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
