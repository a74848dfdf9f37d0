//! Nodes that are far apart: every verb works, and nothing is elected.

use std::{fs, path::Path, time::Duration};

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    relay::{Line, UdpRelay},
    samples::Samples,
};
use futures_util::future::select_ok;
use tokio::time::{Instant, sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// The longest round trip that the default timers are for.
const DEFAULT_MAX: Duration = Duration::from_millis(100);

/// How long nothing is written, so that heartbeats alone keep the leader.
const IDLE: Duration = Duration::from_secs(3);
/// How long clients write and read.
const BUSY: Duration = Duration::from_secs(4);
/// The number of leaders that are killed for one figure.
const KILLS: usize = 5;

async fn far_apart(round_trip: Duration, timers: &str) -> Cluster {
    let plan = Cluster::of(3).with_default_timers().with(timers).through(UdpRelay::new(1));
    let mut cluster = plan.prepare();
    cluster.relay().set_all(Line::with_delay(round_trip / 2));
    cluster.found(3).await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    cluster
}

async fn term(cluster: &Cluster) -> u64 {
    let list = cluster.json(["list"]).await;
    list["term"].as_u64().unwrap_or_else(|| panic!("no term: {list}"))
}

/// Measured with one cluster.
struct Figures {
    set: Samples,
    get: Samples,
    transfer: Duration,
    /// Elections before the transfer.
    elections: u64,
}

async fn timed<T>(times: &mut Vec<Duration>, call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = call.await;
    times.push(began.elapsed());
    result
}

/// Uses every verb. Each must succeed.
async fn figures(cluster: &Cluster, client: &Client) -> Figures {
    let before = term(cluster).await;
    sleep(IDLE).await;
    let (mut sets, mut gets) = (Vec::new(), Vec::new());
    let until = Instant::now() + BUSY;
    while Instant::now() < until {
        timed(&mut sets, client.set("order/1", "latte")).await.expect("it is written");
        let entry = timed(&mut gets, client.get("order/1")).await.expect("it is read");
        assert!(entry.is_some());
    }
    let leader = cluster.leader().await;
    let follower = cluster.watched().iter().map(|node| node.name()).find(|name| *name != leader);
    let follower = follower.expect("there are three");
    assert_eq!(cluster.coffeectl_via(follower, ["get", "order/1"]).ok().await.trim(), "latte");
    let elections = term(cluster).await - before;
    let mut transfer = Vec::new();
    timed(&mut transfer, cluster.coffeectl(["transfer", follower]).ok()).await;
    assert_eq!(cluster.leader().await, follower);
    client.set("order/1", "mocha").await.expect("it is written");
    let [set, get] = [sets, gets].map(|times| times.into_iter().collect());
    Figures { set, get, transfer: transfer[0], elections }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_timers_suit_100_ms_of_round_trip() {
    let cluster = far_apart(DEFAULT_MAX, "").await;
    let client = cluster.client(Role::Writer);
    let seen = figures(&cluster, &client).await;
    assert_eq!(seen.elections, 0);
    client.close().await;
}

/// With timers for 500 ms, an answer that takes longer than that still counts.
#[tokio::test(flavor = "multi_thread")]
async fn at_500_ms_of_round_trip_every_voter_is_in_reach() {
    let timers = "[timers]\nheartbeat_interval_ms = 780\nelection_timeout_min_ms = 1040\nelection_timeout_max_ms = 2340\n";
    let cluster = far_apart(Duration::from_millis(500), timers).await;
    let list = cluster.json(["list"]).await;
    assert_eq!(list["voters_in_reach"], 3, "{list}");
    let states = list["nodes"].as_array().expect("nodes").iter().map(|node| &node["state"]);
    assert!(states.into_iter().all(|state| state == "up"), "{list}");
}

/// Above what the timers bear, heartbeats are not answered in time and nothing is elected: the
/// operator is told, in the log, by `list` and by `timers suggest`.
#[tokio::test(flavor = "multi_thread")]
async fn links_that_are_too_long_for_the_timers_are_reported() {
    let mut cluster = Cluster::of(3).with_default_timers().through(UdpRelay::new(1)).prepare();
    cluster.found(3).await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    cluster.relay().set_all(Line::with_delay(DEFAULT_MAX));

    let told = async || {
        loop {
            let list = cluster.json(["list"]).await;
            if list["quorum_silent_ms"].is_u64() {
                return list;
            }
        }
    };
    let list = timeout(PATIENCE, told()).await.expect("the leader hears no quorum in time");
    assert_eq!(list["may_lose"], 0, "{list}");
    let suggested = async || {
        loop {
            // For a moment no two nodes are connected: the delay came at once.
            let told = cluster.coffeectl(["timers", "suggest", "-o", "json"]).run().await;
            let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
            if told["worst_us"].as_u64().is_some_and(|worst| worst > 190_000) {
                return told;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let told = timeout(PATIENCE, suggested()).await.expect("the round trip is measured");
    assert_eq!((&told["enough"], &told["round_trip_max_us"]), (&false.into(), &100_000.into()), "{told}");
    let interval = told["suggested"]["heartbeat_interval_ms"].as_u64();
    assert!(interval.is_some_and(|ms| ms >= 300), "{told}");
    let words = ["this leader heard no quorum for ", ", and the timers bear 100 ms"];
    for words in words {
        let says = cluster.watched().iter().map(|node| {
            Box::pin(async { node.log().says(0, words, PATIENCE).await.then_some(()).ok_or(()) })
        });
        assert!(select_ok(says).await.is_ok(), "no node says {words:?}");
    }
    let list = cluster.coffeectl(["list"]).run().await;
    assert!(list.stderr.contains(", and the timers bear 100 ms: 'coffeectl timers suggest'"), "{list}");
}

/// A row of the table: the round trip, and the timers (none: the defaults).
fn rows(document: &str) -> Vec<(Duration, String)> {
    let number = |cell: &str| {
        let mut digits = cell.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        digits.next_back().unwrap_or_else(|| panic!("no number in {cell:?}"))
    };
    let table = document.lines().skip_while(|line| !line.starts_with("| worst round trip")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let timers = format!(
            "[timers]\nheartbeat_interval_ms = {}\nelection_timeout_min_ms = {}\nelection_timeout_max_ms = {}\n",
            number(cells[2]),
            number(cells[3]),
            number(cells[4]),
        );
        (Duration::from_millis(number(cells[1])), timers)
    })
    .collect()
}

/// Measures the table of `deploy/OPERATIONS.md`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: run it by name after a change of the table"]
async fn the_timers_of_each_documented_round_trip_suit_it() {
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/OPERATIONS.md");
    let rows = rows(&fs::read_to_string(operations).expect("it is there"));
    assert!(rows.len() > 3, "{rows:?}");
    println!("round trip | set median/most | get median/most | transfer | leader killed median/most");
    for (round_trip, timers) in rows {
        let mut cluster = far_apart(round_trip, &timers).await;
        let client = cluster.client(Role::Writer);
        let seen = figures(&cluster, &client).await;
        // Far apart, an election takes longer than a client waits by default.
        let patient = client.with_timeout(Duration::from_secs(60));
        let mut killed = Vec::new();
        for _ in 0..KILLS {
            let leader = cluster.leader().await;
            cluster.node(&leader).kill().await;
            timed(&mut killed, patient.set("order/1", "tea")).await.expect("another node leads");
            cluster.node(&leader).start().await;
            cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        }
        let killed: Samples = killed.into_iter().collect();
        println!(
            "{} ms | {:.0}/{:.0} | {:.0}/{:.0} | {} | {:.0}/{:.0} ms",
            round_trip.as_millis(),
            seen.set.median(),
            seen.set.most(),
            seen.get.median(),
            seen.get.most(),
            seen.transfer.as_millis(),
            killed.median(),
            killed.most(),
        );
        assert_eq!(seen.elections, 0, "at {round_trip:?}");
        client.close().await;
    }
}
