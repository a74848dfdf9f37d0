//! Losing and moving the leader while 64 clients write.
//!
//! A few rounds of each in the ordinary run. For figures, in release and alone:
//!
//! ```text
//! COFFEE_ROUNDS=20 cargo test --release -p coffee-tests --test failover -- --test-threads 1 --nocapture
//! ```

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    load::{Load, Options, Record, verify},
};
use tokio::time::Instant;

/// Rounds of each test in the ordinary run.
const ROUNDS: usize = 2;

/// Acknowledged writes that have to be seen before a fault and behind it: a
/// round with less load than that would prove little.
const WRITES: u64 = 500;

const PATIENCE: Duration = Duration::from_secs(60);

fn rounds() -> usize {
    std::env::var("COFFEE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Times of some rounds, for the table.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
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

/// One round: load, the fault, load again; nothing lost and nothing doubled.
/// Returns what was written and when the fault was.
async fn round<F>(cluster: &mut Cluster, client: &Client, n: usize, fault: F) -> (Record, Instant)
where
    F: AsyncFnOnce(&mut Cluster),
{
    let options = Options { writers: 64, prefix: format!("round-{n}"), ..Options::default() };
    let mut load = Load::start(std::slice::from_ref(client), &options);
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes flow before the fault");
    let at = Instant::now();
    fault(cluster).await;
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes flow behind the fault");
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

/// Three election timeouts, as the node's own default has them; where the
/// build is not optimised and other tests run beside, more.
fn failover_max() -> Duration {
    if cfg!(debug_assertions) { Duration::from_secs(10) } else { Duration::from_millis(3 * 600) }
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_leader_loses_and_doubles_nothing() {
    let (mut cluster, client) = five().await;
    let (mut times, mut acknowledged, mut failed) = (Times::default(), 0, 0);
    for n in 0..rounds() {
        let leader = cluster.leader().await;
        let kill = async |cluster: &mut Cluster| cluster.node(&leader).kill().await;
        let (record, at) = round(&mut cluster, &client, n, kill).await;
        let first = record.first_after(at).expect("writes flowed again");
        // The first write after the kill may have been acknowledged before it: the gap tells.
        let gap = record.longest_gap_between(at, record.ended).span.max(first);
        assert!(gap < failover_max(), "writes stood still for {gap:?}");
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
    let (mut times, mut acknowledged) = (Times::default(), 0);
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
    let (mut times, mut acknowledged) = (Times::default(), 0);
    for n in 0..rounds() {
        let leader = cluster.leader().await;
        let down = async |cluster: &mut Cluster| {
            cluster.coffeectl(["down", "--yes"]).ok().await;
        };
        let (record, at) = round(&mut cluster, &client, n, down).await;
        assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
        times.0.push(record.longest_gap_between(at, record.ended).span);
        acknowledged += record.acknowledged();
        assert!(cluster.node(&leader).ended().await.success(), "a node that is taken down ends with 0");
        cluster.node(&leader).start().await;
        cluster.coffeectl(["boot", &leader]).ok().await;
    }
    times.report("down, longest gap between two acknowledged writes", acknowledged, 0);
    client.close().await;
}
