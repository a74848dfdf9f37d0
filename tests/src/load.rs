//! A write load that detects lost and repeated writes.
//!
//! Each writer owns a key and sets it to 1, 2, 3 and so on, one write at a time, without
//! conditions. The cluster counts how often a key was set (its version). At the end
//! ([`verify`]) the version reveals a write that was lost or applied twice, and the value
//! reveals one that was overtaken. A write whose outcome is unknown is retried under its
//! request id until the outcome is known, so that little remains in doubt.

mod readers;
mod record;
mod verify;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use coffee_client::{Batch, Client, Error, Key, Operation, OutcomeKind, RequestId, Value, Written};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

pub use self::{
    readers::{FailedRead, KeyFloor, ReadRecord, Readers, StaleRead},
    record::{Acknowledged, FailedCall, WriteRecord, WriterRecord},
    verify::{Verification, Violation, verify},
};

/// How long a writer retries a write in doubt.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);

/// The writes to make.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Number of writers, each with one write in flight.
    pub writers: usize,
    /// Prefix of the keys: two concurrent loads need two prefixes.
    pub prefix: String,
    /// Size of the values, at least.
    pub value_bytes: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { writers: 64, prefix: "load".into(), value_bytes: 256 }
    }
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    began: Instant,
    stop: watch::Sender<bool>,
    acknowledged: Arc<AtomicU64>,
    /// Notifies of each acknowledged write.
    progress: watch::Receiver<()>,
    floors: Vec<KeyFloor>,
    writers: JoinSet<WriterRecord>,
}

impl Load {
    /// Starts the writers, spread over the clients (at least one).
    pub fn start(clients: &[Client], options: &LoadOptions) -> Self {
        let stop = watch::Sender::new(false);
        let (told, progress) = watch::channel(());
        let acknowledged = Arc::new(AtomicU64::new(0));
        let keys = (0..options.writers).map(|n| KeyFloor::new(format!("{}/{n}", options.prefix)));
        let floors: Vec<KeyFloor> = keys.collect();
        let mut writers = JoinSet::new();
        for (client, floor) in clients.iter().cycle().zip(&floors) {
            let pen = Pen {
                client: client.clone(),
                writer: WriterRecord::new(floor.key().to_owned()),
                floor: floor.clone(),
                value_bytes: options.value_bytes,
                acknowledged: Arc::clone(&acknowledged),
                told: told.clone(),
            };
            writers.spawn(pen.write_until(stop.subscribe()));
        }
        Self { began: Instant::now(), stop, acknowledged, progress, floors, writers }
    }

    /// Returns the keys, for [`Readers`].
    pub fn floors(&self) -> &[KeyFloor] {
        &self.floors
    }

    /// Returns how many writes have been acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until `more` further writes have been acknowledged. Returns whether that
    /// happened within `timeout`.
    pub async fn acknowledges(&mut self, more: u64, timeout: Duration) -> bool {
        let goal = self.acknowledged() + more;
        let deadline = Instant::now() + timeout;
        while self.acknowledged() < goal {
            match timeout_at(deadline, self.progress.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return self.acknowledged() >= goal,
            }
        }
        true
    }

    /// Lets each writer finish its last write, and returns all outcomes.
    pub async fn stop(self) -> WriteRecord {
        self.stop.send_replace(true);
        let mut writers = self.writers.join_all().await;
        writers.sort_by(|a, b| a.key.cmp(&b.key));
        WriteRecord { began: self.began, ended: Instant::now(), writers }
    }
}

/// One writer's state.
struct Pen {
    client: Client,
    writer: WriterRecord,
    floor: KeyFloor,
    value_bytes: usize,
    acknowledged: Arc<AtomicU64>,
    told: watch::Sender<()>,
}

impl Pen {
    async fn write_until(mut self, stop: watch::Receiver<bool>) -> WriterRecord {
        for counter in 1.. {
            if *stop.borrow() {
                break;
            }
            self.write(counter).await;
        }
        self.writer
    }

    /// Writes once, and records the outcome.
    async fn write(&mut self, counter: u64) {
        let batch = match self.batch(counter) {
            Ok(batch) => batch,
            Err(error) => return self.writer.failures.push(FailedCall::now(error)),
        };
        let begun = Instant::now();
        match self.client.batch(batch.clone()).await {
            Ok(written) => self.acknowledge(counter, &written, begun),
            Err(error) => {
                let in_doubt = error.outcome() == OutcomeKind::Unknown;
                let request = request_of(&error);
                self.writer.failures.push(FailedCall::now(error));
                match request {
                    Some(request) => self.resolve(counter, request, batch).await,
                    None if in_doubt => self.writer.unresolved.push(counter),
                    None => {}
                }
            }
        }
    }

    fn acknowledge(&mut self, counter: u64, written: &Written, begun: Instant) {
        let ended = Instant::now();
        self.writer.acknowledged.push(Acknowledged { counter, revision: written.revision, begun, ended });
        self.floor.raise(counter);
        self.acknowledged.fetch_add(1, Ordering::AcqRel);
        self.told.send_replace(());
    }

    /// Retries a write in doubt under its id until its outcome is known. A write that
    /// turns out to be applied does not count as acknowledged, since its caller saw an
    /// error.
    async fn resolve(&mut self, counter: u64, request: RequestId, batch: Batch) {
        let deadline = Instant::now() + RESOLVE_TIMEOUT;
        while Instant::now() < deadline {
            match self.client.write(request, batch.clone()).await {
                Ok(_) => return self.writer.resolved.push(counter),
                Err(Error::Unknown { .. }) => {}
                Err(error) => {
                    self.writer.failures.push(FailedCall::now(error));
                    break;
                }
            }
        }
        self.writer.unresolved.push(counter);
    }

    fn batch(&self, counter: u64) -> Result<Batch, Error> {
        let value = format!("{counter:<width$}", width = self.value_bytes);
        Ok(Batch::of(Operation::Set(Key::new(self.writer.key.clone())?, Value::new(value)?)))
    }
}

fn request_of(error: &Error) -> Option<RequestId> {
    match error {
        Error::Unknown { request, .. } => *request,
        _ => None,
    }
}
