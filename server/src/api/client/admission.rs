//! Admission of writes: bounds the bytes of writes that a node has in flight.
//!
//! The bound adapts to what the node commits promptly, up to a configured maximum. A write that
//! exceeds it is rejected at once. That is better for all clients than admitting it and answering
//! after its client has given up.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::{
    command::Batch,
    limits::{COMMAND_BYTES_MAX, PROPOSAL_BYTES_IN_FLIGHT_MAX, PROPOSAL_BYTES_IN_FLIGHT_RANGE},
    protocol::Rejection,
    window::{Sign, Taken, Window},
};
use tokio::time::Instant;

/// The cost of a proposal besides its keys and values: a log entry, its bookkeeping, a response.
const PROPOSAL_BYTES: usize = 2 << 10;

/// The largest batch is admitted if nothing else is in flight.
const _: () = assert!(PROPOSAL_BYTES + COMMAND_BYTES_MAX <= *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());

/// A write that takes no longer was prompt: more may be in flight.
const PROMPT: Duration = Duration::from_secs(1);

/// A write that takes longer was late: too much was in flight before it.
const LATE: Duration = Duration::from_secs(2);

/// The bytes in flight and their bound. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct WriteAdmission(Arc<Mutex<Window>>);

/// The bytes of one admitted write, until this is dropped.
#[derive(Debug)]
pub(super) struct WritePermit {
    admission: WriteAdmission,
    taken: Option<Taken>,
    since: Instant,
}

impl Default for WriteAdmission {
    fn default() -> Self {
        let bounds = *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start()..=PROPOSAL_BYTES_IN_FLIGHT_MAX;
        // The clients' own windows start narrow.
        Self(Arc::new(Mutex::new(Window::new(bounds).opened())))
    }
}

impl WriteAdmission {
    /// Checks a batch and admits it.
    ///
    /// # Errors
    /// The batch breaks a limit, or too much is in flight.
    pub(super) fn admit(&self, batch: &Batch) -> Result<WritePermit, Rejection> {
        batch.check().map_err(|error| Rejection::Invalid(error.to_string()))?;
        self.take(batch).ok_or(Rejection::Overloaded)
    }

    fn take(&self, batch: &Batch) -> Option<WritePermit> {
        let taken = self.window().take(PROPOSAL_BYTES + batch.bytes())?;
        Some(WritePermit { admission: self.clone(), taken: Some(taken), since: Instant::now() })
    }

    /// Sets the maximum of the bound, in bytes.
    pub(super) fn set_max(&self, max: usize) {
        self.window().set_max(max);
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WritePermit {
    /// Merges with another permit, which is released at the same time.
    pub(super) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.admission.0, &other.admission.0), "permits of one node");
        if let (Some(taken), Some(other)) = (&mut self.taken, other.taken.take()) {
            taken.merge(other);
        }
    }
}

impl Drop for WritePermit {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        let sign = match self.since.elapsed() {
            took if took <= PROMPT => Sign::Clear,
            took if took > LATE => Sign::Congested,
            _ => Sign::Silent,
        };
        self.admission.window().give_back(taken, sign);
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
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let mut first = admission.take(&of(4_000)).expect("admitted");
        let second = admission.take(&of(6_000)).expect("to the last byte");
        assert!(admission.take(&of(2_100)).is_none());
        first.merge(second);
        assert!(admission.take(&of(2_100)).is_none(), "merged, they take as much");
        drop(first);
        assert!(admission.take(&of(10_000)).is_some());
        assert!(admission.take(&of(10_001)).is_none());
    }

    #[test]
    fn a_batch_that_breaks_a_limit_is_invalid_and_takes_nothing() {
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let invalid = admission.admit(&Batch::default());
        assert!(matches!(invalid, Err(Rejection::Invalid(_))), "{invalid:?}");
        let admitted = admission.admit(&of(10_000)).expect("admitted");
        let overloaded = admission.admit(&of(2_100));
        assert!(matches!(overloaded, Err(Rejection::Overloaded)), "{overloaded:?}");
        drop(admitted);
    }

    #[test]
    fn room_that_shrinks_and_grows_counts_from_the_next_on() {
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let held = admission.take(&of(8_000)).expect("admitted");
        admission.set_max(5_000);
        assert!(admission.take(&of(2_100)).is_none(), "more is in flight than the new maximum");
        admission.set_max(20_000);
        let more = admission.take(&of(12_000)).expect("admitted");
        drop((held, more));
        admission.set_max(5_000);
        assert!(admission.take(&of(5_000)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_more_room_while_writes_are_prompt_and_less_once_they_are_late() {
        let admission = WriteAdmission::default();
        let limit = || admission.window().limit();
        let round_trip = async |took| {
            let all: Vec<WritePermit> = std::iter::from_fn(|| admission.take(&of(1 << 20))).collect();
            tokio::time::advance(took).await;
            drop(all);
        };
        let widest = limit();
        round_trip(LATE).await;
        assert_eq!(limit(), widest, "not late yet");
        round_trip(LATE + Duration::from_millis(1)).await;
        assert_eq!(limit(), widest / 2);
        round_trip(PROMPT + Duration::from_millis(1)).await;
        assert_eq!(limit(), widest / 2, "neither prompt nor late");
        round_trip(PROMPT).await;
        assert!(limit() > widest / 2);
    }
}
