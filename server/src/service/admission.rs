//! Admission of writes: bounds the bytes of writes that a node has in flight.
//!
//! The bound adapts to what the node commits promptly, up to a configured maximum. A write that
//! exceeds it is rejected at once. That is better for all clients than admitting it and answering
//! after its client has given up.
//!
//! A client may have up to three times as much in flight as is free then (a dynamic threshold:
//! Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", IEEE/ACM
//! Transactions on Networking 6(2), 1998). Alone it gets three quarters of the bound, so that the next
//! one finds room at once; several that want all get equal parts, and leave less.
//!
//! Writes are committed in order, so each waits for all bytes that were admitted before it. While
//! others write, a client may therefore have no more in flight than the disk and the links take to be
//! busy, whatever is free.

use std::{
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use coffee_common::{
    limits::{
        COMMAND_BYTES_MAX, DELETED_BYTES, KEY_BYTES_MAX, PLAIN_VALUE_BYTES_MAX, PROPOSAL_BYTES_IN_FLIGHT_MAX,
        PROPOSAL_BYTES_IN_FLIGHT_RANGE,
    },
    protocol::Rejection,
    window::{Sign, Taken, Window},
};
use tokio::time::Instant;

use super::{client_write::ClientWrite, clients::ClientShare};

/// The cost of a proposal besides its keys and values: a log entry, its bookkeeping, a response.
const PROPOSAL_BYTES: usize = 2 << 10;

/// The largest batch is admitted if nothing else is in flight.
const _: () =
    assert!(PROPOSAL_BYTES + COMMAND_BYTES_MAX + DELETED_BYTES <= *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());

/// A write that takes no longer was prompt: more may be in flight.
const PROMPT: Duration = Duration::from_secs(1);

/// A write that takes longer was late: too much was in flight before it.
const LATE: Duration = Duration::from_secs(2);

/// How many times as much as is free a client may have in flight.
const TIMES_FREE: usize = 3;

/// The most bytes that a client may have in flight while others write: two values of 1 MiB, so
/// that one is sent while the other is synced. Larger ones go out less densely. Over a round trip of 100 ms that is 20 MiB/s.
const BESIDE_OTHERS_MAX: usize = 2 * (PROPOSAL_BYTES + KEY_BYTES_MAX + PLAIN_VALUE_BYTES_MAX);

/// The bytes in flight and their bound. Clones share them. The lock guards
/// [`ClientShare::write_bytes`] too.
#[derive(Debug, Clone)]
pub(crate) struct WriteAdmission(Arc<Mutex<BytesInFlight>>);

#[derive(Debug)]
struct BytesInFlight {
    window: Window,
    /// When each of the last two clients that wrote did so last, the latest first. A client is the
    /// address of its share: one that takes the place of another is not told from it for a moment.
    latest: [Option<(usize, Instant)>; 2],
}

/// The bytes of admitted writes, until this is dropped.
#[derive(Debug)]
pub(crate) struct WritePermit {
    admission: WriteAdmission,
    admitted: Option<AdmittedBytes>,
    since: Instant,
}

/// The bytes of admitted writes, and of which clients they are.
#[derive(Debug)]
struct AdmittedBytes {
    taken: Taken,
    client: Arc<ClientShare>,
    bytes: usize,
    others: Vec<(Arc<ClientShare>, usize)>,
}

impl Default for WriteAdmission {
    fn default() -> Self {
        let bounds = *PROPOSAL_BYTES_IN_FLIGHT_RANGE.start()..=PROPOSAL_BYTES_IN_FLIGHT_MAX;
        // The clients' own windows start narrow.
        let window = Window::new(bounds).opened();
        Self(Arc::new(Mutex::new(BytesInFlight { window, latest: [None; 2] })))
    }
}

impl WriteAdmission {
    /// Checks a client's write and admits it.
    ///
    /// # Errors
    /// The write breaks a limit, or too much is in flight.
    pub(crate) fn admit(
        &self,
        client: Arc<ClientShare>,
        write: &ClientWrite,
    ) -> Result<WritePermit, Rejection> {
        write.check()?;
        self.take(client, write).ok_or(Rejection::Overloaded)
    }

    fn take(&self, client: Arc<ClientShare>, write: &ClientWrite) -> Option<WritePermit> {
        let bytes = PROPOSAL_BYTES + write.cost();
        let since = Instant::now();
        let taken = self.lock().take(&client, bytes, since)?;
        let admitted = AdmittedBytes { taken, client, bytes, others: Vec::new() };
        Some(WritePermit { admission: self.clone(), admitted: Some(admitted), since })
    }

    /// Sets the maximum of the bound, in bytes.
    pub(crate) fn set_max(&self, max: usize) {
        self.lock().window.set_max(max);
    }

    fn lock(&self) -> MutexGuard<'_, BytesInFlight> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BytesInFlight {
    fn take(&mut self, client: &ClientShare, bytes: usize, now: Instant) -> Option<Taken> {
        let is_alone = self.note(client, now);
        let own = client.write_bytes.load(Ordering::Relaxed);
        // A client with nothing in flight is admitted if its write fits at all.
        if own > 0 {
            let free = self.window.free().checked_sub(bytes)?;
            let most = if is_alone { usize::MAX } else { BESIDE_OTHERS_MAX };
            if own + bytes > free.saturating_mul(TIMES_FREE).min(most) {
                return None;
            }
        }
        let taken = self.window.take(bytes)?;
        client.write_bytes.store(own + bytes, Ordering::Relaxed);
        Some(taken)
    }

    /// Notes that a client writes. Returns whether no other one has written for a while.
    fn note(&mut self, client: &ClientShare, now: Instant) -> bool {
        let client = ptr::from_ref(client).addr();
        match &mut self.latest[0] {
            Some((latest, at)) if *latest == client => *at = now,
            latest => self.latest[1] = latest.replace((client, now)),
        }
        self.latest[1].is_none_or(|(_, at)| now.duration_since(at) > PROMPT)
    }
}

impl AdmittedBytes {
    fn merge(&mut self, other: Self) {
        self.taken.merge(other.taken);
        self.add(other.client, other.bytes);
        for (client, bytes) in other.others {
            self.add(client, bytes);
        }
    }

    fn add(&mut self, client: Arc<ClientShare>, bytes: usize) {
        if Arc::ptr_eq(&self.client, &client) {
            self.bytes += bytes;
        } else if let Some((_, own)) = self.others.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &client)) {
            *own += bytes;
        } else {
            self.others.push((client, bytes));
        }
    }

    fn give_back(self, window: &mut Window, sign: Sign) {
        window.give_back(self.taken, sign);
        self.client.write_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        for (client, bytes) in self.others {
            client.write_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl WritePermit {
    /// Merges with another permit, which is released at the same time.
    pub(crate) fn merge(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.admission.0, &other.admission.0), "permits of one node");
        if let (Some(admitted), Some(more)) = (&mut self.admitted, other.admitted.take()) {
            admitted.merge(more);
        }
    }
}

impl Drop for WritePermit {
    fn drop(&mut self) {
        let Some(admitted) = self.admitted.take() else { return };
        let sign = match self.since.elapsed() {
            took if took <= PROMPT => Sign::Clear,
            took if took > LATE => Sign::Congested,
            _ => Sign::Silent,
        };
        admitted.give_back(&mut self.admission.lock().window, sign);
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::{Batch, Operation},
        key::{Key, Value},
        protocol::{Identity, Role},
    };

    use super::*;
    use crate::service::clients::Clients;

    /// Returns another client each time.
    fn client() -> Arc<ClientShare> {
        Clients::default().share_of(&Identity::new(Role::Writer, "till".parse().expect("legal")))
    }

    /// Admits a batch of a client that has nothing in flight.
    fn take(admission: &WriteAdmission, write: &ClientWrite) -> Option<WritePermit> {
        admission.take(client(), write)
    }

    fn of(bytes: usize) -> ClientWrite {
        let key = Key::new("k").expect("legal");
        let value = Value::new(vec![0; bytes - PROPOSAL_BYTES - 1]).expect("legal");
        ClientWrite::Batch(Batch::of(Operation::Set(key, value)).into())
    }

    #[test]
    fn it_gives_what_there_is_and_takes_it_back() {
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let mut first = take(&admission, &of(4_000)).expect("admitted");
        let second = take(&admission, &of(6_000)).expect("to the last byte");
        assert!(take(&admission, &of(2_100)).is_none());
        first.merge(second);
        assert!(take(&admission, &of(2_100)).is_none(), "merged, they take as much");
        drop(first);
        assert!(take(&admission, &of(10_000)).is_some());
        assert!(take(&admission, &of(10_001)).is_none());
    }

    #[test]
    fn a_batch_that_breaks_a_limit_is_invalid_and_takes_nothing() {
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let invalid = admission.admit(client(), &ClientWrite::Batch(Batch::default().into()));
        assert!(matches!(invalid, Err(Rejection::Invalid(_))), "{invalid:?}");
        let admitted = admission.admit(client(), &of(10_000)).expect("admitted");
        let overloaded = admission.admit(client(), &of(2_100));
        assert!(matches!(overloaded, Err(Rejection::Overloaded)), "{overloaded:?}");
        drop(admitted);
    }

    #[test]
    fn room_that_shrinks_and_grows_counts_from_the_next_on() {
        let admission = WriteAdmission::default();
        admission.set_max(10_000);
        let held = take(&admission, &of(8_000)).expect("admitted");
        admission.set_max(5_000);
        assert!(take(&admission, &of(2_100)).is_none(), "more is in flight than the new maximum");
        admission.set_max(20_000);
        let more = take(&admission, &of(12_000)).expect("admitted");
        drop((held, more));
        admission.set_max(5_000);
        assert!(take(&admission, &of(5_000)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_more_room_while_writes_are_prompt_and_less_once_they_are_late() {
        let admission = WriteAdmission::default();
        let limit = || admission.lock().window.limit();
        let round_trip = async |took| {
            let all: Vec<WritePermit> = std::iter::from_fn(|| take(&admission, &of(1 << 20))).collect();
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

    /// Takes all that a client gets, in writes of this size.
    fn take_all(admission: &WriteAdmission, client: &Arc<ClientShare>, bytes: usize) -> Vec<WritePermit> {
        std::iter::from_fn(|| admission.take(Arc::clone(client), &of(bytes))).collect()
    }

    #[test]
    fn one_client_leaves_room_for_others() {
        let admission = WriteAdmission::default();
        admission.set_max(1 << 20);
        let (greedy, other) = (client(), client());
        let held = take_all(&admission, &greedy, 4 << 10);
        assert_eq!(held.len(), 3 * 64, "three quarters");
        let more = take_all(&admission, &other, 4 << 10);
        assert!(more.len() >= 40, "{}", more.len());
        assert!(take(&admission, &of(4 << 10)).is_some());
        // Given back in any order and grouping.
        let mut mixed = more.into_iter().zip(held).flat_map(|(more, held)| [more, held]);
        let mut merged = mixed.next().expect("there are some");
        mixed.by_ref().step_by(3).for_each(|permit| merged.merge(permit));
        drop((mixed, merged));
        for client in [&greedy, &other] {
            assert_eq!(client.write_bytes.load(Ordering::Relaxed), 0);
            assert_eq!(take_all(&admission, client, 4 << 10).len(), 3 * 64, "all of it was given back");
        }
    }

    #[test]
    fn greedy_clients_get_equal_parts() {
        let admission = WriteAdmission::default();
        admission.set_max(1 << 20);
        let mut clients = [(); 4].map(|()| (client(), Vec::new()));
        // Each gives its oldest back and takes what it gets, in turn.
        for _ in 0..400 {
            for (client, held) in &mut clients {
                if !held.is_empty() {
                    held.remove(0);
                }
                held.extend(take_all(&admission, client, 4 << 10));
            }
        }
        let parts: Vec<usize> = clients.iter().map(|(_, held)| held.len()).collect();
        let (least, most) = (parts.iter().min(), parts.iter().max());
        assert!(most <= least.map(|least| least + least / 4).as_ref(), "{parts:?}");
        assert!(take(&admission, &of(4 << 10)).is_some(), "{parts:?}");
    }

    /// Writes in flight are committed in order: a small one waits for all that was admitted before it.
    #[tokio::test(start_paused = true)]
    async fn a_client_has_little_in_flight_while_others_write() {
        let admission = WriteAdmission::default();
        let [greedy, other, third] = [(); 3].map(|()| client());
        let (alone_max, beside_max) = ((PROPOSAL_BYTES_IN_FLIGHT_MAX / 4 * 3) >> 18, BESIDE_OTHERS_MAX >> 18);
        let alone = take_all(&admission, &greedy, 1 << 18);
        assert_eq!(alone.len(), alone_max);
        admission.take(Arc::clone(&other), &of(4 << 10)).expect("admitted");
        drop(alone);
        let beside = take_all(&admission, &greedy, 1 << 18);
        assert_eq!(beside.len(), beside_max);
        let more = take_all(&admission, &third, 1 << 18);
        assert_eq!(more.len(), beside_max, "each of them");
        drop((beside, more));
        tokio::time::advance(PROMPT + Duration::from_millis(1)).await;
        let again = take_all(&admission, &greedy, 1 << 18);
        assert_eq!(again.len(), alone_max, "the others have stopped");
    }

    #[test]
    fn large_writes_of_each_client_fit_the_narrowest_bound() {
        let admission = WriteAdmission::default();
        admission.set_max(*PROPOSAL_BYTES_IN_FLIGHT_RANGE.start());
        let (other, till) = (client(), client());
        let small = take_all(&admission, &other, 4 << 10);
        assert!(!small.is_empty());
        drop(small);
        let large = of(1 << 20);
        let held = take_all(&admission, &till, 1 << 20);
        assert_eq!(held.len(), 2);
        assert!(take(&admission, &large).is_some(), "another client");
        drop(held);
    }
}
