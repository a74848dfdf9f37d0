//! Readers that detect stale reads.
//!
//! Each reader reads a key of a [`Load`](super::Load) whenever the key has a new *floor*: the highest
//! counter that was acknowledged to the key's writer, or that a reader has read. A linearizable read
//! that begins afterwards returns no lower counter.

use std::{ops::ControlFlow, sync::Arc};

use coffee_client::{Client, Entry};
use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::record::FailedCall;

/// A key of a load, and the lowest counter that a linearizable read of it may return.
#[derive(Debug, Clone)]
pub struct KeyFloor {
    key: String,
    counter: Arc<watch::Sender<u64>>,
}

/// Running readers.
#[derive(Debug)]
pub struct Readers {
    stop: watch::Sender<bool>,
    readers: JoinSet<ReadRecord>,
}

/// Outcomes of reads.
#[derive(Debug, Clone, Default)]
pub struct ReadRecord {
    /// Number of reads that were answered.
    pub answered: u64,
    /// Reads that failed.
    pub failures: Vec<FailedRead>,
    /// Reads that returned an older value than they may.
    pub stale: Vec<StaleRead>,
}

/// A read that failed.
#[derive(Debug, Clone)]
pub struct FailedRead {
    /// When it began.
    pub begun: Instant,
    /// How and when it ended.
    pub call: FailedCall,
}

/// A read that returned an older value than one known when the read began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleRead {
    /// The key.
    pub key: String,
    /// The counter known when the read began.
    pub floor: u64,
    /// The value that the read returned; empty if the key was absent.
    pub value: String,
}

impl KeyFloor {
    pub(super) fn new(key: String) -> Self {
        Self { key, counter: Arc::new(watch::Sender::new(0)) }
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn raise(&self, counter: u64) {
        self.counter.send_if_modified(|floor| {
            let higher = counter > *floor;
            *floor = counter.max(*floor);
            higher
        });
    }

    /// Judges what a read returned that began at this floor. Returns the counter.
    fn judge(&self, floor: u64, entry: Option<&Entry>) -> Result<u64, StaleRead> {
        let value = entry.map(|entry| String::from_utf8_lossy(entry.value.as_bytes()).trim_end().to_owned());
        let value = value.unwrap_or_default();
        let counter = if value.is_empty() { Some(0) } else { value.parse().ok() };
        let fresh = counter.filter(|counter| *counter >= floor);
        fresh.ok_or_else(|| StaleRead { key: self.key.clone(), floor, value })
    }
}

impl Readers {
    /// Starts `count` readers, spread over the clients (at least one) and these keys (at least one).
    pub fn start(clients: &[Client], floors: &[KeyFloor], count: usize) -> Self {
        let stop = watch::Sender::new(false);
        let mut readers = JoinSet::new();
        for (client, floor) in clients.iter().cycle().zip(floors.iter().cycle()).take(count) {
            readers.spawn(read_until(stop.subscribe(), client.clone(), floor.clone()));
        }
        Self { stop, readers }
    }

    /// Lets each reader finish its last read, and returns all outcomes.
    pub async fn stop(self) -> ReadRecord {
        self.stop.send_replace(true);
        let mut all = ReadRecord::default();
        for ReadRecord { answered, failures, stale } in self.readers.join_all().await {
            all.answered += answered;
            all.failures.extend(failures);
            all.stale.extend(stale);
        }
        all
    }
}

async fn read_until(mut stop: watch::Receiver<bool>, client: Client, key: KeyFloor) -> ReadRecord {
    let mut record = ReadRecord::default();
    let mut floors = key.counter.subscribe();
    loop {
        let next = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => ControlFlow::Break(()),
            _ = floors.changed() => ControlFlow::Continue(*floors.borrow_and_update()),
        };
        let ControlFlow::Continue(floor) = next else { return record };
        let begun = Instant::now();
        match client.get(key.key.clone()).await.map(|entry| key.judge(floor, entry.as_ref())) {
            Ok(judged) => {
                record.answered += 1;
                match judged {
                    Ok(counter) => key.raise(counter),
                    Err(stale) => record.stale.push(stale),
                }
            }
            Err(error) => record.failures.push(FailedRead { begun, call: FailedCall::now(error) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_client::{Revision, Value};

    use super::*;

    fn judge(floor: u64, value: Option<&str>) -> Result<u64, StaleRead> {
        let entry = value.map(|value| Entry {
            value: Value::new(format!("{value}   ")).expect("legal"),
            created: Revision(1),
            modified: Revision(9),
            version: 1,
        });
        KeyFloor::new("k".into()).judge(floor, entry.as_ref())
    }

    #[test]
    fn a_read_of_less_than_was_known_before_is_stale() {
        assert_eq!(judge(0, None), Ok(0));
        assert_eq!(judge(7, Some("7")), Ok(7));
        assert_eq!(judge(7, Some("8")), Ok(8));
        for value in [None, Some("6"), Some("latte")] {
            let stale = judge(7, value).expect_err("is stale");
            assert_eq!((stale.floor, stale.value.as_str()), (7, value.unwrap_or_default()));
        }
        assert!(judge(0, Some("latte")).is_err(), "no writer wrote it");
    }

    #[tokio::test]
    async fn a_floor_never_falls() {
        let floor = KeyFloor::new("k".into());
        let seen = floor.counter.subscribe();
        for counter in [3, 2, 4] {
            floor.raise(counter);
        }
        assert_eq!(*seen.borrow(), 4);
    }
}
