//! A watcher whose program stops for a while under load: its node's memory, and how it goes on.

use std::{collections::BTreeMap, sync::mpsc, thread, time::Duration};

use coffee_client::{
    Address, Credentials, Error, KeyRange, Watch, WatchEvent, WatchOptions,
    bench::{Plan, Run, Work},
};
use coffee_common::{id::Revision, key::Key, protocol::Role};
use coffee_tests::{
    samples::{count, ms},
    usage,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    time::{Instant, interval},
};

use super::{leader_of, plan, watchers::client};
use crate::{
    options::EndureOptions,
    rig::{CLIENTS, Rig, busy_keys},
};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The end of a watch that was stopped for a while.
enum StallEnd {
    /// It caught up, and has seen each change of each key.
    InStep { changes: u64, took: Duration },
    /// The history no longer had the changes.
    Compacted { floor: Revision },
}

/// With a watcher that reads, and with one that stops.
pub(crate) async fn stall(options: &EndureOptions) -> String {
    let mut rows = String::new();
    for stalled in [false, true] {
        rows += &run(options, stalled).await;
    }
    format!(
        "| 64 clients put for {:?} | the watcher | put/s | p99 ms | memory of its node MB: before | at most | then |\n\
         |---|---|---|---|---|---|---|\n{rows}",
        options.stall
    )
}

async fn run(options: &EndureOptions, stalled: bool) -> String {
    let rig = Rig::start(plan()).await;
    let keys = busy_keys();
    rig.fill(&keys).await;
    let name = rig.leader().await;
    let node = leader_of(&rig, name.as_str());
    let before = usage::memory(node.pid());

    let credentials = rig.cluster.credentials(Role::Reader);
    let watcher =
        StallWatcher::start(node.address(), credentials, KeyRange::prefix(keys.prefix()), stalled).await;
    let plan = Plan {
        work: Work::Put,
        clients: CLIENTS,
        keys,
        warm_up: Duration::ZERO,
        duration: options.stall,
        rate: options.rate,
    };
    let mut run = Run::start(&plan, rig.writers());
    let mut most = before;
    let mut looks = interval(LOOK_EVERY);
    let measured = loop {
        tokio::select! {
            measured = run.finish() => break measured,
            _ = looks.tick() => most = most.max(usage::memory(node.pid())),
        }
    };
    assert_eq!(measured.failures(), 0, "{:?}", measured.errors);
    let last =
        rig.writers()[0].0.set(format!("{}last", plan.keys.prefix()), "now").await.expect("is set").revision;
    let end = watcher.finish(last).await;
    let then = match end {
        StallEnd::InStep { changes, took } => {
            assert_eq!(changes, measured.successes() + 1, "each put is told once");
            format!("each of {changes} changes, the last after {:.1} s", took.as_secs_f64())
        }
        StallEnd::Compacted { floor } => format!("compacted: the history begins at {}", floor.0),
    };
    let mb = |bytes| count(bytes) / 1e6;
    format!(
        "| {} | {} | {:.0} | {:.1} | {:.0} | {:.0} | {then} |\n",
        options.rate.map_or("without a pause".to_owned(), |rate| format!("{rate} per second")),
        if stalled { "stops" } else { "reads" },
        measured.rate(),
        ms(measured.all_times().percentile(99.0)),
        mb(before),
        mb(most),
    )
}

/// A watcher on a thread of its own, which does nothing at all while it is stopped.
struct StallWatcher {
    resume: mpsc::Sender<Revision>,
    end: oneshot::Receiver<StallEnd>,
}

impl StallWatcher {
    /// Returns once the watch has begun.
    async fn start(node: Address, credentials: Credentials, range: KeyRange, stalled: bool) -> Self {
        let (resume, resumed) = mpsc::channel();
        let (ended, end) = oneshot::channel();
        let (begins, begun) = oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            let client = runtime.block_on(async { client(&node, &credentials) });
            let mut watch = client.watch(range, WatchOptions::default());
            runtime.block_on(watch.next()).expect("the watch begins");
            begins.send(()).expect("it is waited for");
            // Fails only if the measurement has ended.
            let _ = ended.send(read(&runtime, watch, &resumed, stalled));
        });
        begun.await.expect("the watch begins");
        Self { resume, end }
    }

    /// Lets it go on up to a revision.
    async fn finish(self, last: Revision) -> StallEnd {
        self.resume.send(last).expect("the watcher runs");
        self.end.await.expect("the watcher runs")
    }
}

/// Reads changes, with a stop after the first ones or none, up to the revision that it is told.
fn read(runtime: &Runtime, mut watch: Watch, resumed: &mpsc::Receiver<Revision>, stalled: bool) -> StallEnd {
    let (mut versions, mut changes) = (BTreeMap::<Key, Revision>::new(), 0);
    let (mut last, mut begun) = (None, Instant::now());
    loop {
        let event = runtime.block_on(watch.next());
        if last.is_none() {
            last = if stalled { resumed.recv().ok() } else { resumed.try_recv().ok() };
            begun = Instant::now();
        }
        match event {
            Ok(WatchEvent::Changes(revision)) => {
                for change in revision.changes {
                    changes += 1;
                    let seen = versions.insert(change.key.clone(), revision.revision);
                    assert!(seen.is_none() || seen == change.previous, "{} has a gap", change.key);
                }
            }
            Ok(WatchEvent::Beat(_)) => {}
            Err(Error::Compacted { floor }) => return StallEnd::Compacted { floor },
            Err(error) => panic!("{error}"),
        }
        if last.is_some() && watch.cursor() >= last {
            return StallEnd::InStep { changes, took: begun.elapsed() };
        }
    }
}
