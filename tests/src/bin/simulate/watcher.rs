//! Watches, which go on through all faults, and now and then at their cursors.

use std::{sync::atomic::Ordering, time::Duration};

use coffee_client::{Client, Error, KeyRange, Revision, Watch, WatchEvent, WatchOptions};
use tokio::time::{Instant, timeout_at};

use crate::{
    entropy::SimRng,
    workload::{KEYS, WatchRecord, key, register},
    world::WorldContext,
};

/// How long a watch may take to tell all changes once the cluster has recovered.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// A client that watches all keys.
pub(crate) struct Watcher {
    pub(crate) client: Client,
    pub(crate) rng: SimRng,
    pub(crate) shared: WorldContext,
    /// Whether it asks one node alone, which may be elsewhere or without data at the end.
    pub(crate) keeps_to_one: bool,
}

impl Watcher {
    /// Watches until the cluster has recovered, and all changes are told.
    pub(crate) async fn work(mut self) {
        let (mut record, mut after, mut last) = (None, None, None);
        while last.is_none_or(|(revision, deadline)| after < Some(revision) && Instant::now() < deadline) {
            if last.is_none() && self.shared.healed_ms.load(Ordering::Acquire) > 0 {
                if self.keeps_to_one {
                    break;
                }
                if let Ok(read) = self.client.get_with("k/0", Default::default()).await {
                    last = Some((read.at, Instant::now() + TOLD_WITHIN));
                }
                continue;
            }
            // A watch that ends is continued by another one at its cursor; the last one waits for its beat.
            let pause = Duration::from_millis(500 + self.rng.below(5000));
            let until = last.map_or(Instant::now() + pause, |(_, deadline)| deadline);
            let mut watch =
                self.client.watch(KeyRange::prefix("k/"), WatchOptions { after, ..<_>::default() });
            let upto = last.map(|(revision, _)| revision);
            self.watch(&mut watch, (until, upto), &mut record).await;
            after = watch.cursor();
        }
        if let Some((revision, _)) = last.filter(|(revision, _)| after < Some(*revision)) {
            self.wrong(format!("a watch is at {after:?}, and not told all changes up to {revision}"));
        }
        record.into_iter().for_each(|record| self.shared.history.watched(record));
    }

    /// Watches until a time, or a revision.
    async fn watch(
        &mut self,
        watch: &mut Watch,
        (until, upto): (Instant, Option<Revision>),
        record: &mut Option<WatchRecord>,
    ) {
        while Instant::now() < until && (upto.is_none() || watch.cursor() < upto) {
            // Calls that are dropped lose nothing.
            let patience = Duration::from_millis(1 + self.rng.below(400));
            let Ok(event) = timeout_at(until.min(Instant::now() + patience), watch.next()).await else {
                continue;
            };
            let event = match event {
                Ok(event) => event,
                // Below the level that brought the history.
                Err(Error::Refused { .. } | Error::Unsupported(_)) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
                // Nodes that are replaced by others of another cluster for a while.
                Err(Error::OtherCluster(_) | Error::Identity(_)) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
                Err(error) => {
                    self.wrong(format!("a watch has ended: {error}"));
                    tokio::time::sleep(Duration::from_millis(1000)).await;
                    return;
                }
            };
            let cursor = watch.cursor().map_or(0, |cursor| cursor.0);
            let record = record.get_or_insert_with(|| WatchRecord { began: cursor, ..<_>::default() });
            if let WatchEvent::Changes(changes) = event {
                self.shared.trace.note("told", changes.revision.0);
                for change in changes.changes {
                    let number = (0..KEYS).find(|number| key(*number) == change.key);
                    let told = (changes.revision.0, number.unwrap_or(KEYS), register(change.entry.as_ref()));
                    record.told.push(told);
                }
            }
            record.upto = cursor;
        }
    }

    fn wrong(&self, what: String) {
        self.shared.history.found_wrong(what);
    }
}
