//! Schedules operations at a fixed rate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

/// Longest sleep between checks whether the thread should end.
const NAP_MAX: Duration = Duration::from_millis(50);

/// Makes operations due, evenly spaced. Uses its own thread because the runtime's
/// timers have a resolution of a millisecond.
#[derive(Debug)]
pub(super) struct Pacer {
    schedule: Schedule,
    total: u64,
    begun: AtomicU64,
    due: Semaphore,
    dropped: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Schedule {
    start: Instant,
    per_second: u32,
}

impl Schedule {
    /// Returns when the operation with this number is due, from 0.
    fn due(self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns how many operations are due before this moment.
    fn due_before(self, moment: Instant) -> u64 {
        let nanos = moment.saturating_duration_since(self.start).as_nanos();
        u64::try_from((nanos * u128::from(self.per_second)).div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
    }
}

/// Ends the thread when dropped.
#[derive(Debug)]
pub(super) struct PacerHandle(Arc<Pacer>);

impl Drop for PacerHandle {
    fn drop(&mut self) {
        self.0.dropped.store(true, Ordering::Relaxed);
    }
}

impl Pacer {
    /// Starts to release operations at this rate (at least one per second) until `end`.
    pub(super) fn start(per_second: u32, start: Instant, end: Instant) -> (Arc<Self>, PacerHandle) {
        let schedule = Schedule { start, per_second: per_second.max(1) };
        let pacer = Arc::new(Self {
            schedule,
            total: schedule.due_before(end),
            begun: AtomicU64::new(0),
            due: Semaphore::new(0),
            dropped: AtomicBool::new(false),
        });
        let thread = Arc::clone(&pacer);
        thread::spawn(move || thread.pace(end));
        (Arc::clone(&pacer), PacerHandle(pacer))
    }

    fn pace(&self, end: Instant) {
        let mut released = 0;
        while released < self.total && !self.dropped.load(Ordering::Relaxed) {
            let now = Instant::now();
            let due = self.schedule.due_before(now).min(self.total);
            // Limited to what the semaphore holds; the rest is released in the next round.
            let more = usize::try_from(due - released).unwrap_or(usize::MAX);
            let more = more.min(Semaphore::MAX_PERMITS - self.due.available_permits());
            self.due.add_permits(more);
            released += more as u64;
            let next = self.schedule.due(released);
            nap(next.saturating_duration_since(Instant::now()));
        }
        while Instant::now() < end && !self.dropped.load(Ordering::Relaxed) {
            nap(end.saturating_duration_since(Instant::now()));
        }
        self.due.close();
    }

    /// Waits for an operation and returns when it was due; `None` at the end.
    pub(super) async fn next(&self) -> Option<Instant> {
        self.due.acquire().await.ok()?.forget();
        Some(self.schedule.due(self.begun.fetch_add(1, Ordering::Relaxed)))
    }

    /// Returns how many operations due since `begin` were never started.
    pub(super) fn not_begun_since(&self, begin: Instant) -> u64 {
        let first_counted = self.schedule.due_before(begin);
        self.total - self.begun.load(Ordering::Relaxed).max(first_counted)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the thread has nothing else to do, and time is what it waits for"
)]
fn nap(time: Duration) {
    thread::sleep(time.min(NAP_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_evenly_spaced() {
        let start = Instant::now();
        let schedule = Schedule { start, per_second: 3 };
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(1), start + Duration::from_nanos(333_333_333));
        assert_eq!(schedule.due(6), start + Duration::from_secs(2));
        assert_eq!(schedule.due_before(start), 0);
        assert_eq!(schedule.due_before(start + Duration::from_nanos(1)), 1);
        assert_eq!(schedule.due_before(start + Duration::from_secs(2)), 6);
    }

    #[tokio::test]
    async fn all_that_is_due_comes_or_is_counted() {
        let start = Instant::now();
        let end = start + Duration::from_millis(50);
        let (pacer, _handle) = Pacer::start(1000, start, end);
        let mut times = Vec::new();
        while let Some(due) = pacer.next().await {
            times.push(due);
        }
        assert!(times.iter().all(|due| (start..end).contains(due)));
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(times.len() as u64 + pacer.not_begun_since(start), 50);
    }

    #[tokio::test]
    async fn a_dropped_pacer_ends() {
        let start = Instant::now();
        let (pacer, handle) = Pacer::start(1, start, start + Duration::from_secs(3600));
        drop(handle);
        while pacer.next().await.is_some() {}
    }
}
