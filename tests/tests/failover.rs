//! Killing, moving and removing the leader while 64 clients write.
//!
//! The default run takes a few rounds. For figures, in release mode and with nothing else
//! running:
//!
//! ```text
//! COFFEE_ROUNDS=20 cargo test --release -p coffee-tests --test failover -- --test-threads 1 --nocapture
//! ```

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::{
    cluster::Cluster,
    load::{Load, LoadOptions, WriteRecord, verify},
};
use tokio::time::{Instant, interval, timeout};

/// Rounds per test in the default run.
const ROUNDS: usize = 2;

/// Acknowledged writes required before and after a fault. A round with less load would
/// prove little.
const WRITES: u64 = 500;

const PATIENCE: Duration = Duration::from_secs(60);

/// Number of attempts, and the maximum delay of a forwarded write after the election.
const TRIES: usize = 3;
const DELAY_MAX: Duration = Duration::from_millis(200);

fn rounds() -> usize {
    std::env::var("COFFEE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Outage times of the rounds, for the report.
#[derive(Default)]
struct OutageTimes(Vec<Duration>);

impl OutageTimes {
    fn median(&self) -> Duration {
        let mut times = self.0.clone();
        times.sort();
        times[times.len() / 2]
    }

    fn worst(&self) -> Duration {
        self.0.iter().copied().max().unwrap_or_default()
    }

    #[expect(clippy::print_stdout, reason = "the figures are what these tests are for")]
    fn report(&self, what: &str, acknowledged: usize, failed: usize) {
        println!(
            "{what}: {} rounds, median {:?}, worst {:?}; {acknowledged} writes acknowledged, {failed} failed, 0 lost, 0 doubled",
            self.0.len(),
            self.median(),
            self.worst()
        );
    }
}

/// One round: load, fault, load; asserts that no write is lost or doubled. Returns the
/// record and the time of the fault.
async fn round<F>(cluster: &mut Cluster, client: &Client, n: usize, fault: F) -> (WriteRecord, Instant)
where
    F: AsyncFnOnce(&mut Cluster),
{
    let options = LoadOptions { writers: 64, prefix: format!("round-{n}"), ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(client), &options);
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes flow before the fault");
    let at = Instant::now();
    fault(cluster).await;
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes flow after the fault");
    let record = load.stop().await;
    let report = verify(client, &record).await.expect("it can be read back");
    assert!(report.is_clean(), "{report}");
    (record, at)
}

async fn five() -> (Cluster, Client) {
    let cluster = Cluster::of(5).with_default_timers().start().await;
    let client = cluster.client(Role::Admin).with_timeout(Duration::from_secs(10));
    (cluster, client)
}

/// Four leases (the default of a node); more in a debug build with other tests running.
fn failover_max() -> Duration {
    if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_millis(4 * 450) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_leader_loses_and_doubles_nothing() {
    let (mut cluster, client) = five().await;
    let (mut times, mut acknowledged, mut failed) = (OutageTimes::default(), 0, 0);
    for n in 0..rounds() {
        let leader = cluster.leader().await;
        let kill = async |cluster: &mut Cluster| cluster.node(&leader).kill().await;
        let (record, at) = round(&mut cluster, &client, n, kill).await;
        let first = record.first_after(at).expect("writes flowed again");
        // A write that began after the kill may have been acknowledged before it took
        // effect: the gap is decisive.
        let gap = record.longest_gap_between(at, record.ended).span.max(first);
        assert!(gap < failover_max(), "writes stalled for {gap:?}");
        times.0.push(gap);
        acknowledged += record.acknowledged();
        failed += record.failed();
        cluster.node(&leader).start().await;
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    }
    times.report("kill -9 of the leader, longest gap between two acknowledged writes", acknowledged, failed);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moving_the_leader_fails_no_write() {
    let (mut cluster, client) = five().await;
    let (mut times, mut acknowledged) = (OutageTimes::default(), 0);
    for n in 0..rounds() {
        let transfer = async |cluster: &mut Cluster| {
            cluster.coffeectl(["transfer"]).ok().await;
        };
        let (record, at) = round(&mut cluster, &client, n, transfer).await;
        assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
        times.0.push(record.longest_gap_between(at, record.ended).span);
        acknowledged += record.acknowledged();
    }
    times.report("transfer, longest gap between two acknowledged writes", acknowledged, 0);
    client.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_the_leader_down_fails_no_write() {
    let (mut cluster, client) = five().await;
    let (mut times, mut acknowledged) = (OutageTimes::default(), 0);
    for n in 0..rounds() {
        let leader = cluster.leader().await;
        let down = async |cluster: &mut Cluster| {
            cluster.coffeectl(["down", "--yes"]).ok().await;
        };
        let (record, at) = round(&mut cluster, &client, n, down).await;
        assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
        times.0.push(record.longest_gap_between(at, record.ended).span);
        acknowledged += record.acknowledged();
        assert!(cluster.node(&leader).ended().await.success(), "a node that is taken down exits with 0");
        cluster.node(&leader).start().await;
        cluster.coffeectl(["boot", &leader]).ok().await;
    }
    times.report("down, longest gap between two acknowledged writes", acknowledged, 0);
    client.close().await;
}

/// A write that a follower has forwarded to a killed leader is applied by the next leader
/// as soon as one is elected, without waiting for a timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_at_a_follower_does_not_wait_for_a_dead_leader() {
    let mut cluster = Cluster::of(3).with_default_timers().start().await;
    let mut waits = Vec::new();
    for n in 0..TRIES {
        let leader = cluster.leader().await;
        let follower = cluster.watched().iter().find(|node| node.name() != leader).expect("there are three");
        let at_follower = [(); 2].map(|()| {
            let client = Client::builder().endpoints([follower.address()]).follow_leader(false);
            client.credentials(cluster.credentials(Role::Admin)).build().expect("a client")
        });
        let [writer, observer] = at_follower;
        writer.set(format!("before/{n}"), "x").await.expect("it is forwarded, which opens the link");
        let before = status(&observer).await.leader;
        cluster.node(&leader).kill().await;
        let write = tokio::spawn(async move { writer.set(format!("after/{n}"), "x").await });
        let mut looks = interval(Duration::from_millis(5));
        let elected = async {
            while status(&observer).await.leader.is_none_or(|leads| Some(leads) == before) {
                looks.tick().await;
            }
        };
        timeout(PATIENCE, elected).await.expect("another node leads");
        let elected = Instant::now();
        write.await.expect("it does not panic").expect("it is written");
        waits.push(elected.elapsed());
        cluster.node(&leader).start().await;
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    }
    // The shortest, since other tests run at the same time.
    let shortest = waits.iter().min().expect("there are some");
    assert!(*shortest < DELAY_MAX, "it waited for the dead leader each time: {waits:?}");
}

async fn status(observer: &Client) -> RaftStatus {
    observer.status().await.expect("it answers").raft.expect("it takes part")
}
