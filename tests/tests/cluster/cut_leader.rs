//! A leader that its clients reach and the other nodes do not, and reads across a distance.

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions, verify},
    relay::{Line, UdpRelay},
    samples::Samples,
};
use futures_util::future::join_all;
use tokio::time::Instant;

/// The longest time without an acknowledged write after the cut.
const GAP_MAX: Duration = Duration::from_secs(1);

/// Attempts: a busy machine elects slowly now and then.
const TRIES: usize = 3;

const PATIENCE: Duration = Duration::from_secs(30);

/// Cuts the leader from the others, in both directions, and measures until a write is
/// acknowledged again.
async fn gap_after_the_cut(cluster: &Cluster, clients: &[Client], n: usize) -> Duration {
    cluster.relay().set_all(Line::default());
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let leader = cluster.leader().await;
    let options = LoadOptions { writers: 16, prefix: format!("cut-{n}"), ..LoadOptions::default() };
    let mut load = Load::start(clients, &options);
    assert!(load.acknowledges(200, PATIENCE).await, "writes flow before the cut");
    let at = Instant::now();
    cut_off(cluster, &leader, &SHOPS[..3]);
    assert!(load.acknowledges(2_000, PATIENCE).await, "writes flow after the cut");
    let until = Instant::now();
    let record = load.stop().await;
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
    cluster.relay().set_all(Line::default());
    let report = verify(&clients[0], &record).await.expect("it can be read back");
    assert!(report.is_clean(), "{report}");
    record.longest_gap_between(at, until).span
}

/// Cuts a node from the others, in both directions.
fn cut_off(cluster: &Cluster, node: &str, others: &[&str]) {
    for other in others.iter().filter(|other| **other != node) {
        let cut = Line { cut: true, ..Line::default() };
        cluster.relay().set(node, other, cut);
        cluster.relay().set(other, node, cut);
    }
}

/// The plain case of "the line between the shops is down, the till still reaches its node".
#[tokio::test(flavor = "multi_thread")]
async fn clients_of_a_leader_that_is_cut_off_go_elsewhere_at_once() {
    let mut cluster = Cluster::of(3).with_default_timers().through(UdpRelay::new(1)).prepare();
    cluster.found(3).await;
    let clients = [cluster.client(Role::Admin), cluster.client(Role::Writer)];
    let mut gaps = Vec::new();
    for n in 0..TRIES {
        gaps.push(gap_after_the_cut(&cluster, &clients, n).await);
        if gaps.iter().any(|gap| *gap <= GAP_MAX) {
            return;
        }
    }
    panic!("no write for {gaps:?} after a cut");
}

/// One round trip to a quorum, however many reads there are and whenever they begin.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_takes_one_round_trip() {
    let round_trip = Duration::from_millis(100);
    let mut cluster = Cluster::of(3).with_default_timers().through(UdpRelay::new(1)).prepare();
    cluster.relay().set_all(Line::with_delay(round_trip / 2));
    cluster.found(3).await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let client = cluster.client(Role::Admin);
    client.set("order/1", "latte").await.expect("it is written");
    for readers in [1, 16] {
        let times = join_all((0..readers).map(async |_| {
            let mut times = Vec::new();
            for _ in 0..20 {
                let began = Instant::now();
                client.get("order/1").await.expect("it is read");
                times.push(began.elapsed());
            }
            times
        }));
        let times: Samples = times.await.into_iter().flatten().collect();
        // Two confirmations in a row would take twice as long.
        assert!(times.median() < 150.0, "{readers} readers: median {} ms", times.median());
    }
}

/// An operator asks a leader that has just been cut from the other members. "Nothing was done" is
/// true afterwards, and the answer comes in time.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_at_a_leader_that_is_cut_off_is_told_the_truth() {
    for verb in ["down", "remove", "boot", "transfer"] {
        let mut cluster =
            Cluster::of(3).and_waiting(1).with_default_timers().through(UdpRelay::new(1)).prepare();
        cluster.found(3).await;
        let leader = cluster.leader().await;
        let follower = SHOPS[..3].iter().copied().find(|shop| *shop != leader).expect("there are three");
        let subject = if verb == "boot" { "long" } else { follower };
        let long = advertised(&cluster, "long").await;
        let words = match verb {
            "down" => vec!["down", follower, "--yes"],
            "remove" => vec!["node", "remove", follower, "--yes"],
            "boot" => vec!["boot", "long", "--address", &long],
            _ => vec!["transfer", "--to", follower],
        };
        cut_off(&cluster, &leader, &SHOPS[..3]);
        let began = Instant::now();
        let told = cluster.coffeectl_via(&leader, words).args(["--timeout", "6s"]).run().await;
        assert!(began.elapsed() < PATIENCE / 2, "{verb}: {told:?}");
        cluster.relay().set_all(Line::default());
        let voter = ["wait", "--for", "voter", "--node", subject, "--timeout"];
        let voter = |patience| cluster.coffeectl(voter.into_iter().chain([patience]));
        match (verb, told.code) {
            // It goes on to join, or does not: only an outcome says.
            ("boot", Some(5 | 8)) => assert_ne!(voter("3s").run().await.code, Some(0), "{told:?}"),
            ("boot", Some(0)) | ("down" | "remove", Some(5 | 8)) => drop(voter("20s").ok().await),
            ("down" | "remove", Some(0)) => drop(voter("3s").ends_with(5).await),
            ("transfer", Some(0)) => assert_eq!(cluster.leader().await, follower, "{told:?}"),
            (_, Some(6)) | ("transfer", Some(5 | 8 | 1)) => {}
            _ => panic!("{verb}: {told:?}"),
        }
        cluster.coffeectl(["set", "order/1", verb]).ok().await;
    }
}

/// The address that a node advertises: that of its relay.
async fn advertised(cluster: &Cluster, shop: &str) -> String {
    let status = cluster.coffeectl_via(shop, ["status", "-o", "json"]).ok().await;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    status["nodes"][0]["address"].as_str().expect("an address").to_owned()
}
