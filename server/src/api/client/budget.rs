//! How many bytes of writes a node has in flight.
//!
//! As many as it commits promptly, within what it may have at most. Whoever
//! finds no room is turned away at once, which is better for all than to be
//! taken on and answered when nobody waits any more.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::{
    command::Batch,
    limits::{COMMAND_BYTES_MAX, PROPOSAL_BYTES_IN_FLIGHT_MAX, PROPOSAL_BYTES_IN_FLIGHT_RANGE},
    window::{Sign, Taken, Window},
};
use tokio::time::Instant;

/// What every proposal costs besides its bytes: an entry of the log, a task, an answer.
const PROPOSAL_BYTES: usize = 2 << 10;

/// The largest batch finds room where nothing is in flight.
const _: () = assert!(PROPOSAL_BYTES + COMMAND_BYTES_MAX <= *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());

/// What takes no longer than this was prompt: there may be more of it.
const PROMPT: Duration = Duration::from_secs(1);

/// What takes longer than this was late: there was too much in front of it.
const LATE: Duration = Duration::from_secs(2);

/// What may be in flight, and what is. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Mutex<Window>>);

/// A share of it, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    taken: Option<Taken>,
    since: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        let bounds = *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start()..=PROPOSAL_BYTES_IN_FLIGHT_MAX;
        // Those who ask begin with little.
        Self(Arc::new(Mutex::new(Window::new(bounds).opened())))
    }
}

impl Budget {
    /// Takes a batch's share; `None` where there is no room for it.
    pub(super) fn take(&self, batch: &Batch) -> Option<Share> {
        let taken = self.window().take(PROPOSAL_BYTES + batch.bytes())?;
        Some(Share { budget: self.clone(), taken: Some(taken), since: Instant::now() })
    }

    /// Has room for so many bytes at most from now on.
    pub(super) fn set_max(&self, max: usize) {
        self.window().set_max(max);
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Makes one of two, of the same budget, as old as the first.
    pub(super) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.budget.0, &other.budget.0), "shares of one budget");
        if let (Some(taken), Some(other)) = (&mut self.taken, other.taken.take()) {
            taken.merge(other);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        let sign = match self.since.elapsed() {
            took if took <= PROMPT => Sign::Clear,
            took if took > LATE => Sign::Congested,
            _ => Sign::Silent,
        };
        self.budget.window().give_back(taken, sign);
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::Operation,
        key::{Key, Value},
    };

    use super::*;

    fn of(bytes: usize) -> Batch {
        let key = Key::new("k").expect("legal");
        let value = Value::new(vec![0; bytes - PROPOSAL_BYTES - 1]).expect("legal");
        Batch { conditions: Vec::new(), operations: vec![Operation::Set(key, value)] }
    }

    #[test]
    fn it_gives_what_there_is_and_takes_it_back() {
        let budget = Budget::default();
        budget.set_max(10_000);
        let mut first = budget.take(&of(4_000)).expect("room");
        let second = budget.take(&of(6_000)).expect("to the last byte");
        assert!(budget.take(&of(2_100)).is_none());
        first.merge(second);
        assert!(budget.take(&of(2_100)).is_none(), "merged, they take as much");
        drop(first);
        assert!(budget.take(&of(10_000)).is_some());
        assert!(budget.take(&of(10_001)).is_none());
    }

    #[test]
    fn room_that_shrinks_and_grows_counts_from_the_next_on() {
        let budget = Budget::default();
        budget.set_max(10_000);
        let held = budget.take(&of(8_000)).expect("room");
        budget.set_max(5_000);
        assert!(budget.take(&of(2_100)).is_none(), "more is taken than there is room for");
        budget.set_max(20_000);
        let more = budget.take(&of(12_000)).expect("room");
        drop((held, more));
        budget.set_max(5_000);
        assert!(budget.take(&of(5_000)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_more_room_while_writes_are_prompt_and_less_once_they_are_late() {
        let budget = Budget::default();
        let room = || budget.window().limit();
        let round_trip = async |took| {
            let all: Vec<Share> = std::iter::from_fn(|| budget.take(&of(1 << 20))).collect();
            tokio::time::advance(took).await;
            drop(all);
        };
        let widest = room();
        round_trip(LATE).await;
        assert_eq!(room(), widest, "not late yet");
        round_trip(LATE + Duration::from_millis(1)).await;
        assert_eq!(room(), widest / 2);
        round_trip(PROMPT + Duration::from_millis(1)).await;
        assert_eq!(room(), widest / 2, "neither prompt nor late");
        round_trip(PROMPT).await;
        assert!(room() > widest / 2);
    }
}
