//! Runs against stores with known behaviour.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Counts the writes per key; an operation waits or fails depending on its number.
#[derive(Clone)]
struct CountingStore {
    written: Arc<Mutex<BTreeMap<String, u64>>>,
    operations: Arc<AtomicU64>,
    wait: fn(u64) -> Duration,
    fails: fn(u64) -> bool,
}

impl CountingStore {
    fn new(wait: fn(u64) -> Duration) -> Self {
        Self { written: Arc::default(), operations: Arc::default(), wait, fails: |_| false }
    }

    async fn operation(&self) -> Result<(), Failed> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep((self.wait)(number)).await;
        match (self.fails)(number) {
            true => Err(Failed { kind: "odd", text: format!("{number} is odd") }),
            false => Ok(()),
        }
    }
}

impl Target for CountingStore {
    async fn put(&self, key: String, _: Bytes) -> Result<(), Failed> {
        self.operation().await?;
        *self.written.lock().unwrap().entry(key).or_default() += 1;
        Ok(())
    }

    async fn get(&self, _: String) -> Result<(), Failed> {
        self.operation().await
    }
}

fn plan(work: Work, clients: usize, duration: Duration, rate: Option<u32>) -> Plan {
    let keys = Keys::new("b/".into(), 100, 8, 16).unwrap();
    Plan { work, clients, keys, warm_up: Duration::ZERO, duration, rate }
}

async fn measure(plan: &Plan, store: &CountingStore) -> Measured {
    Run::start(plan, std::slice::from_ref(store)).finish().await
}

#[tokio::test]
async fn a_closed_loop_waits_for_each_answer() {
    let store = CountingStore::new(|_| 10 * MS);
    let plan = plan(Work::Put, 4, 100 * MS, None);
    let measured = measure(&plan, &store).await;
    let successes = measured.successes();
    assert!((4..=40).contains(&successes), "four clients, ten turns each at most: {successes}");
    assert_eq!(measured.times.keys().collect::<Vec<_>>(), [&OperationKind::Put]);
    assert!(measured.all_times().percentile(0.0) >= 9 * MS);
    assert!(measured.longest_gap >= 9 * MS);
    assert_eq!((measured.failures(), measured.not_begun), (0, 0));
}

#[tokio::test]
async fn what_was_due_during_a_stall_is_late() {
    let store = CountingStore::new(|number| if number == 0 { 100 * MS } else { Duration::ZERO });
    let plan = plan(Work::Put, 1, 200 * MS, Some(1000));
    let measured = measure(&plan, &store).await;
    assert_eq!(measured.successes() + measured.not_begun, 200);
    // All operations due in the first half of the stall: at least a quarter.
    assert!(measured.all_times().percentile(76.0) >= 49 * MS, "{:?}", measured.all_times().percentile(76.0));
    assert!(measured.all_times().worst() >= 99 * MS);
    assert!(measured.longest_gap >= 99 * MS);
}

#[tokio::test]
async fn what_could_not_begin_is_counted() {
    let store = CountingStore::new(|_| 20 * MS);
    let measured = measure(&plan(Work::Get, 1, 100 * MS, Some(1000)), &store).await;
    assert!(measured.successes() <= 6, "{}", measured.successes());
    assert_eq!(measured.successes() + measured.not_begun, 100);
}

#[tokio::test]
async fn errors_are_counted_by_kind() {
    let store = CountingStore { fails: |number| number % 2 == 1, ..CountingStore::new(|_| MS) };
    let measured = measure(&plan(Work::Get, 1, 50 * MS, None), &store).await;
    let odd = &measured.errors["odd"];
    assert_eq!(odd.first, "1 is odd");
    assert!(odd.count.abs_diff(measured.successes()) <= 1, "every other one: {odd:?}");
    assert_eq!(measured.failures(), odd.count);
}

#[tokio::test]
async fn warming_up_does_not_count() {
    let store = CountingStore::new(|_| MS);
    let plan = Plan { warm_up: 50 * MS, ..plan(Work::Get, 1, 50 * MS, None) };
    let mut run = Run::start(&plan, std::slice::from_ref(&store));
    assert!(run.progress().warming_up);
    let measured = run.finish().await;
    assert!(!run.progress().warming_up);
    let done = store.operations.load(Ordering::Relaxed);
    assert!(measured.successes() < done, "{} of {done}", measured.successes());
}

#[tokio::test]
async fn mixed_work_is_mixed() {
    let store = CountingStore::new(|_| Duration::ZERO);
    let mixed = |reads_percent| plan(Work::Mixed { reads_percent }, 8, 50 * MS, None);
    let measured = measure(&mixed(50), &store).await;
    assert_eq!(measured.times.len(), 2, "{:?}", measured.times.keys());
    let measured = measure(&mixed(100), &store).await;
    assert_eq!(measured.times.keys().collect::<Vec<_>>(), [&OperationKind::Get]);
}

#[tokio::test]
async fn filling_writes_every_key_once() {
    let store = CountingStore::new(|_| Duration::ZERO);
    let keys = Keys::new("b/".into(), 10, 8, 16).unwrap();
    fill(&keys, 3, std::slice::from_ref(&store)).await.unwrap();
    let written = store.written.lock().unwrap().clone();
    assert_eq!(written, (0..10).map(|number| (keys.key(number), 1)).collect());
}

#[tokio::test]
async fn filling_ends_with_the_first_error() {
    let store = CountingStore { fails: |number| number == 5, ..CountingStore::new(|_| Duration::ZERO) };
    let keys = Keys::new("b/".into(), 10, 8, 16).unwrap();
    assert!(fill(&keys, 3, std::slice::from_ref(&store)).await.is_err());
}
