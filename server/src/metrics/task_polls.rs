//! How long tasks hold their thread.
//!
//! A poll that computes or copies for long delays heartbeats and every other task
//! of its thread. The processor time of a poll is measured, not the time that
//! passes, so a loaded machine is not blamed on a task. In debug builds only: the
//! clock of a thread costs a system call.

use std::{
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};
#[cfg(debug_assertions)]
use std::{future::poll_fn, pin::pin};

#[cfg(debug_assertions)]
use rustix::time::{ClockId, clock_gettime};

/// The longest poll of a measured task in this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LongestPoll {
    /// Its processor time.
    pub took: Duration,
    /// The type of its task.
    pub task: &'static str,
}

static LONGEST: Mutex<LongestPoll> = Mutex::new(LongestPoll { took: Duration::ZERO, task: "" });

/// Runs a future, and measures its polls.
#[cfg(debug_assertions)]
pub async fn measured<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let began = processor_time();
        let polled = future.as_mut().poll(context);
        note(processor_time().saturating_sub(began), std::any::type_name::<F>());
        polled
    })
    .await
}

/// Returns the future itself: a wrapper would double the memory of each task.
#[cfg(not(debug_assertions))]
pub fn measured<F: Future>(future: F) -> F {
    future
}

/// Returns the longest poll since the process started; zero in a release build.
pub fn longest_poll() -> LongestPoll {
    *LONGEST.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(debug_assertions)]
fn note(took: Duration, task: &'static str) {
    let mut longest = LONGEST.lock().unwrap_or_else(PoisonError::into_inner);
    if took > longest.took {
        *longest = LongestPoll { took, task };
    }
}

#[cfg(debug_assertions)]
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_processor_time_of_a_poll_is_measured() {
        let until = processor_time() + Duration::from_millis(20);
        let busy = async || while processor_time() < until {};
        measured(busy()).await;
        let longest = longest_poll();
        assert!(longest.took >= Duration::from_millis(19), "{longest:?}");
        assert!(!longest.task.is_empty());
    }
}
