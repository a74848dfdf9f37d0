//! Nodes that are far apart: the time of each verb, with the default timers and with those that
//! `coffeectl timers suggest` prints.
//!
//! Every link between nodes has half of the round trip as its delay in each direction (a relay on
//! loopback). The client is beside the nodes. Nothing is retried beyond what a client does within
//! its timeout.

use std::{fmt, time::Duration};

use coffee_client::{Address, Client, Consistency, Error, NodeName};
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    relay::{Line, UdpRelay},
    samples::ms,
    timeline::{Success, Timeline},
};
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    options::EndureOptions,
    rig::{Rig, status},
};

/// Callers of a verb, each without a pause between its calls.
const CALLERS: usize = 4;

/// The timeout of operations on nodes.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// No operation on nodes begins later than this after the first of its kind.
const OPERATIONS_WITHIN: Duration = Duration::from_secs(60);

/// Members, and nodes that are added and removed.
const MEMBERS: usize = 3;
const ADDED: usize = 2;

const HEAD: &str = "| round trip ms | timers | put | get | get, local | list | transfer | boot | down | elections |\n\
                    |---|---|---|---|---|---|---|---|---|---|";

/// The calls of a verb. Shows the median and the 99th percentile (the slowest of fewer than 100), in
/// milliseconds, and how many failed.
#[derive(Default)]
struct VerbTimes {
    successes: Timeline,
    failed: usize,
}

impl fmt::Display for VerbTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |per_thousand| self.successes.latency(per_thousand).map(ms);
        // Of fewer calls, one percent is less than one.
        let slowest = if self.successes.count() < 100 { 1000 } else { 990 };
        match (at(500), at(slowest)) {
            (Some(median), Some(slow)) => write!(f, "{median:.0} / {slow:.0}")?,
            _ => f.write_str("-")?,
        }
        match self.failed {
            0 => Ok(()),
            failed => write!(f, " ({failed} of {} failed)", failed + self.successes.count()),
        }
    }
}

impl VerbTimes {
    async fn add<T>(&mut self, call: impl Future<Output = Result<T, Error>>) {
        let begun = Instant::now();
        match call.await {
            Ok(_) => self.successes.push(Success { begun, ended: Instant::now() }),
            Err(_) => self.failed += 1,
        }
    }

    fn count(&self) -> usize {
        self.successes.count() + self.failed
    }
}

/// Calls a verb for this long.
async fn repeat<T>(span: Duration, call: impl AsyncFn() -> Result<T, Error>) -> VerbTimes {
    let until = Instant::now() + span;
    let callers = (0..CALLERS).map(async |_| {
        let mut times = VerbTimes::default();
        while Instant::now() < until {
            times.add(call()).await;
        }
        times
    });
    let mut all = VerbTimes::default();
    for times in join_all(callers).await {
        all.successes.merge(times.successes);
        all.failed += times.failed;
    }
    all
}

/// Prints a row per round trip and timers, as soon as it is measured.
#[expect(clippy::print_stdout, reason = "a command prints its results")]
pub(crate) async fn measure(options: &EndureOptions) {
    println!("{HEAD}");
    for round_trip_ms in &options.round_trips {
        let rig = near("").await;
        let suggested = suggested(&rig.cluster, *round_trip_ms).await;
        let timers = if suggested.is_none() { "default, suggested" } else { "default" };
        println!("{}", row(&rig, *round_trip_ms, timers, options).await);
        drop(rig);
        if let Some((shown, timers)) = suggested {
            println!("{}", row(&near(&timers).await, *round_trip_ms, &shown, options).await);
        }
    }
}

/// Starts nodes without a delay between them: with some timers they would never be a cluster
/// otherwise.
async fn near(timers: &str) -> Rig {
    let plan = Cluster::of(MEMBERS).and_waiting(ADDED).with(timers).through(UdpRelay::new(1));
    let rig = Rig::start(plan).await;
    rig.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    rig
}

/// The suggested timers: as a table shows them, and as a section of the configuration. `None` if
/// they are the default ones.
async fn suggested(cluster: &Cluster, round_trip_ms: u64) -> Option<(String, String)> {
    let round_trip = round_trip_ms.to_string();
    let told = cluster.json(["timers", "suggest", "--round-trip", &round_trip]).await;
    let names = ["heartbeat_interval_ms", "election_timeout_min_ms", "election_timeout_max_ms"];
    let values = names.map(|name| told["suggested"][name].as_u64().expect("a number").to_string());
    let lines: String =
        names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}\n")).collect();
    (told["suggested"] != told["timers"])
        .then(|| (format!("suggested: {}", values.join(", ")), format!("[timers]\n{lines}")))
}

async fn row(rig: &Rig, round_trip_ms: u64, timers: &str, options: &EndureOptions) -> String {
    let cluster = &rig.cluster;
    let writer = cluster.client(Role::Writer);
    let admin = cluster.client(Role::Admin).with_timeout(OPERATION_TIMEOUT);
    let observer = rig.observer(SHOPS[0]);
    let before = status(&observer).await.term;
    let added = added(rig).await;
    cluster.relay().set_all(Line::with_delay(Duration::from_millis(round_trip_ms) / 2));

    let span = options.duration;
    let put = repeat(span, async || writer.set("order/1", "latte").await).await;
    let get = repeat(span, async || writer.get("order/1").await).await;
    let local = repeat(span, async || writer.get_with("order/1", Consistency::Local).await).await;
    let list = repeat(span, async || admin.cluster().await).await;
    let elections = status(&observer).await.term - before;
    let transfer = transfers(&admin, options.trials).await;
    let (mut boot, mut down) = (VerbTimes::default(), VerbTimes::default());
    for (name, address) in &added {
        boot.add(admin.boot(name.clone(), Some(address.clone()))).await;
    }
    for (name, _) in &added {
        down.add(admin.down(Some(name.clone()), false)).await;
    }
    format!(
        "| {round_trip_ms} | {timers} | {put} | {get} | {local} | {list} | {transfer} | {boot} | {down} | {elections} |"
    )
}

/// The nodes to be added, and the addresses that they advertise.
async fn added(rig: &Rig) -> Vec<(NodeName, Address)> {
    let mut added = Vec::new();
    for shop in &SHOPS[MEMBERS..MEMBERS + ADDED] {
        let status = rig.observer(shop).status().await.expect("it answers");
        added.push((status.name, status.address));
    }
    added
}

async fn transfers(admin: &Client, count: usize) -> VerbTimes {
    let until = Instant::now() + OPERATIONS_WITHIN;
    let mut times = VerbTimes::default();
    while times.count() < count && Instant::now() < until {
        times.add(admin.transfer(None)).await;
    }
    times
}
