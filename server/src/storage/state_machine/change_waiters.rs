//! Those who wait for changes, by the keys that they wait for.
//!
//! A waiter is told the revision of the first change of its keys after it was registered, and is registered
//! no more. Guards that none is missed: a waiter is registered before it reads what has changed so far, and
//! told after a change can be read. Telling costs a few look-ups per changed key, however many wait.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use coffee_common::{id::Revision, key::KeyRange};
use tokio::sync::oneshot;

use crate::kv::ChangedKey;

/// The waiters.
#[derive(Debug, Default)]
pub(super) struct ChangeWaiters {
    /// How many there are.
    count: AtomicUsize,
    state: Mutex<WaitersState>,
}

#[derive(Debug, Default)]
struct WaitersState {
    /// Changes up to it were told.
    told: Revision,
    next: u64,
    /// Those of a single key.
    keys: WaitersByText,
    /// Those of a prefix.
    prefixes: WaitersByText,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
    /// Those of revisions that are not applied yet.
    revisions: BTreeMap<(Revision, u64), oneshot::Sender<Revision>>,
    /// All others.
    ranges: BTreeMap<u64, (KeyRange, oneshot::Sender<Revision>)>,
}

/// Ordered, so that they are told in the same order in each run of a simulation.
type WaitersByText = BTreeMap<Box<[u8]>, BTreeMap<u64, oneshot::Sender<Revision>>>;

/// The place of a waiter.
#[derive(Debug, Clone)]
enum WaiterPlace {
    Key(Box<[u8]>),
    Prefix(Box<[u8]>),
    Revision(Revision),
    Range(KeyRange),
}

/// A registered waiter, until it is dropped.
#[derive(Debug)]
pub struct ChangeWait {
    waiters: Arc<ChangeWaiters>,
    number: u64,
    place: WaiterPlace,
    told: oneshot::Receiver<Revision>,
}

impl ChangeWaiters {
    /// Whether someone waits. Ask before a batch is applied, and tell all if the answer was wrong.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Registers a waiter for the changes of a range.
    pub(super) fn register(self: &Arc<Self>, range: &KeyRange) -> ChangeWait {
        let place = match (range.single_key(), range.as_prefix()) {
            (Some(key), _) => WaiterPlace::Key(key.into()),
            (None, Some(prefix)) => WaiterPlace::Prefix(prefix.into()),
            (None, None) => WaiterPlace::Range(range.clone()),
        };
        self.add(place)
    }

    /// Registers a waiter until a revision is applied.
    pub(super) fn register_for(self: &Arc<Self>, revision: Revision) -> ChangeWait {
        self.add(WaiterPlace::Revision(revision))
    }

    fn add(self: &Arc<Self>, place: WaiterPlace) -> ChangeWait {
        let (sender, told) = oneshot::channel();
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.add(number, &place, sender);
        self.count.fetch_add(1, Ordering::SeqCst);
        drop(state);
        ChangeWait { waiters: Arc::clone(self), number, place, told }
    }

    /// Tells the waiters of changed keys. `changed` is `None` if it is not known what has changed. All
    /// entries up to `applied` can be read.
    pub(super) fn tell(&self, changed: Option<&[ChangedKey]>, applied: Revision) {
        let mut state = self.lock();
        state.told = applied;
        planted!("beat-ahead-of-events", return);
        let told: usize = match changed {
            None => state.take_all(),
            Some(changed) => changed.iter().map(|(at, key)| state.take(key, *at)).sum(),
        };
        let told = told + state.take_reached(applied);
        self.count.fetch_sub(told, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, WaitersState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitersState {
    fn add(&mut self, number: u64, place: &WaiterPlace, sender: oneshot::Sender<Revision>) {
        match place {
            WaiterPlace::Key(key) => {
                self.keys.entry(key.clone()).or_default().insert(number, sender);
            }
            WaiterPlace::Prefix(prefix) => {
                let length = prefix.len();
                let waiters = self.prefixes.entry(prefix.clone()).or_default();
                if waiters.is_empty() {
                    *self.lengths.entry(length).or_default() += 1;
                }
                waiters.insert(number, sender);
            }
            WaiterPlace::Revision(revision) => {
                self.revisions.insert((*revision, number), sender);
            }
            WaiterPlace::Range(range) => {
                self.ranges.insert(number, (range.clone(), sender));
            }
        }
    }

    /// Removes a waiter. Returns whether it was there.
    fn remove(&mut self, number: u64, place: &WaiterPlace) -> bool {
        match place {
            WaiterPlace::Key(key) => remove_from(&mut self.keys, key, number).is_some(),
            WaiterPlace::Prefix(prefix) => match remove_from(&mut self.prefixes, prefix, number) {
                None => false,
                Some(is_last) => {
                    if is_last {
                        self.forget_length(prefix.len());
                    }
                    true
                }
            },
            WaiterPlace::Revision(revision) => self.revisions.remove(&(*revision, number)).is_some(),
            WaiterPlace::Range(_) => self.ranges.remove(&number).is_some(),
        }
    }

    fn forget_length(&mut self, length: usize) {
        if let Some(count) = self.lengths.get_mut(&length) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length);
            }
        }
    }

    /// Tells the waiters of a key, and removes them. Returns how many they were.
    fn take(&mut self, key: &[u8], at: Revision) -> usize {
        let mut count = self.keys.remove(key).map_or(0, |waiters| tell_all(waiters.into_values(), at));
        let mut emptied = Vec::new();
        for length in self.lengths.range(..=key.len()).map(|(length, _)| *length) {
            if let Some(waiters) = self.prefixes.remove(&key[..length]) {
                emptied.push(length);
                count += tell_all(waiters.into_values(), at);
            }
        }
        emptied.into_iter().for_each(|length| self.forget_length(length));
        if !self.ranges.is_empty() {
            let told = self.ranges.extract_if(.., |_, (range, _)| range.contains_bytes(key));
            count += tell_all(told.map(|(_, (_, sender))| sender), at);
        }
        count
    }

    /// Tells the waiters of revisions that are applied, and removes them.
    fn take_reached(&mut self, applied: Revision) -> usize {
        let later = self.revisions.split_off(&(applied, u64::MAX));
        tell_all(mem::replace(&mut self.revisions, later).into_values(), applied)
    }

    /// Tells all waiters for changes to look for themselves, and removes them.
    fn take_all(&mut self) -> usize {
        self.lengths.clear();
        let keys = mem::take(&mut self.keys).into_values().chain(mem::take(&mut self.prefixes).into_values());
        let ranges = mem::take(&mut self.ranges).into_values().map(|(_, sender)| sender);
        tell_all(keys.flat_map(BTreeMap::into_values).chain(ranges), Revision(0))
    }
}

/// Removes a waiter. Returns whether it was the last one of its text.
fn remove_from(waiters: &mut WaitersByText, text: &[u8], number: u64) -> Option<bool> {
    let of_text = waiters.get_mut(text)?;
    of_text.remove(&number)?;
    let is_last = of_text.is_empty();
    if is_last {
        waiters.remove(text);
    }
    Some(is_last)
}

fn tell_all(senders: impl Iterator<Item = oneshot::Sender<Revision>>, at: Revision) -> usize {
    // One that is about to be dropped hears nothing.
    senders.fold(0, |count, sender| {
        let _ = sender.send(at);
        count + 1
    })
}

impl ChangeWait {
    /// Waits for a change. Returns its revision, before which nothing of the range has changed since this
    /// was registered; 0 if that is not known.
    pub async fn changed(&mut self) -> Revision {
        (&mut self.told).await.unwrap_or_default()
    }

    /// Ends the wait. Returns the revision up to which nothing has changed since this was registered, or
    /// what [`ChangeWait::changed`] returns.
    pub fn end(mut self) -> Result<Revision, Revision> {
        let mut state = self.waiters.lock();
        if state.remove(self.number, &self.place) {
            self.waiters.count.fetch_sub(1, Ordering::SeqCst);
            return Ok(state.told);
        }
        drop(state);
        Err(self.told.try_recv().unwrap_or_default())
    }
}

impl Drop for ChangeWait {
    fn drop(&mut self) {
        let mut state = self.waiters.lock();
        if state.remove(self.number, &self.place) {
            self.waiters.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::key::Key;

    use super::*;

    fn key(name: &str) -> Key {
        name.parse().expect("legal")
    }

    fn changed(at: u64, name: &str) -> ChangedKey {
        (Revision(at), name.as_bytes().into())
    }

    #[tokio::test]
    async fn a_waiter_is_told_the_first_change_of_its_keys() {
        let waiters = Arc::new(ChangeWaiters::default());
        let ranges = [
            KeyRange::single(&key("order/1")),
            KeyRange::prefix("order/"),
            KeyRange::prefix("order/1"),
            KeyRange::between("order/0", Some(b"order/5")),
            KeyRange::all(),
            KeyRange::prefix("menu/"),
        ];
        let mut waits: Vec<_> = ranges.iter().map(|range| waiters.register(range)).collect();
        assert!(waiters.any());
        let changes = [changed(7, "order/12"), changed(8, "order/1"), changed(9, "order/7")];
        waiters.tell(Some(&changes), Revision(9));
        let menu = waits.pop().expect("there");
        for (wait, at) in waits.iter_mut().zip([8, 7, 7, 7, 7]) {
            assert_eq!(wait.changed().await, Revision(at));
        }
        assert!(waiters.any(), "one waits for another key");
        assert_eq!(menu.end(), Ok(Revision(9)));
        drop(waits);
        assert!(!waiters.any());
        let state = waiters.lock();
        assert!(state.lengths.is_empty() && state.prefixes.is_empty() && state.keys.is_empty());
    }

    #[tokio::test]
    async fn the_end_of_a_wait_does_not_hide_a_change() {
        let waiters = Arc::new(ChangeWaiters::default());
        let (one, mut other) =
            (waiters.register(&KeyRange::prefix("a")), waiters.register(&KeyRange::prefix("a")));
        waiters.tell(Some(&[changed(7, "ab")]), Revision(9));
        assert_eq!(one.end(), Err(Revision(7)));
        assert_eq!(other.changed().await, Revision(7));
        let third = waiters.register(&KeyRange::prefix("a"));
        waiters.tell(None, Revision(20));
        assert_eq!(third.end(), Err(Revision(0)), "it has to look for itself");
        assert!(!waiters.any());
    }

    #[tokio::test]
    async fn a_revision_is_waited_for() {
        let waiters = Arc::new(ChangeWaiters::default());
        let (mut near, far) = (waiters.register_for(Revision(7)), waiters.register_for(Revision(8)));
        waiters.tell(Some(&[]), Revision(6));
        assert!(near.told.try_recv().is_err());
        waiters.tell(Some(&[]), Revision(7));
        assert_eq!(near.changed().await, Revision(7));
        waiters.tell(None, Revision(7));
        assert_eq!(far.end(), Ok(Revision(7)));
        assert!(!waiters.any());
    }

    #[test]
    fn a_wait_that_is_dropped_leaves_nothing() {
        let waiters = Arc::new(ChangeWaiters::default());
        let waits: Vec<_> = ["a", "a", "ab"].map(|text| waiters.register(&KeyRange::prefix(text))).into();
        assert_eq!(waiters.lock().lengths, BTreeMap::from([(1, 1), (2, 1)]));
        drop(waits);
        assert!(!waiters.any() && waiters.lock().prefixes.is_empty() && waiters.lock().lengths.is_empty());
    }
}
