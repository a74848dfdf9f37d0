//! Reads and writes at full speed, by number of clients.

use std::time::Duration;

use coffee_client::bench::{Plan, Run, Target, Work};
use coffee_tests::{
    samples::{Samples, count, ms},
    usage,
};

use crate::{
    coffeed::Coffeed,
    contestant::{Both, Contestant, Loaded, samples},
    etcd::EtcdCluster,
    line::ResultLine,
    options::CompareOptions,
    targets,
};

const WARM_UP: Duration = Duration::from_millis(500);

/// One run of one side with some clients.
#[derive(Debug, Clone)]
pub(crate) struct LoadTurn {
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) failures: f64,
    /// Operations per second of CPU of the three servers.
    pub(crate) per_cpu_second: f64,
    /// Bytes that the disk wrote per operation, for all three servers.
    pub(crate) written: f64,
}

/// All runs of the same load.
#[derive(Debug)]
pub(crate) struct LoadRow {
    pub(crate) work: Work,
    pub(crate) clients: usize,
    pub(crate) turns: Vec<Both<LoadTurn>>,
}

/// All runs, and the servers' resources at the end.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) rows: Vec<LoadRow>,
    pub(crate) standing: Both<StandingUsage>,
}

#[derive(Debug, Clone)]
pub(crate) struct StandingUsage {
    /// Memory of the three servers, in bytes.
    pub(crate) memory: u64,
    /// Disk usage of the three servers, in bytes.
    pub(crate) disk: u64,
    /// CPU seconds that the three servers use per idle second.
    pub(crate) idle: f64,
}

impl LoadRow {
    /// One figure of all runs.
    pub(crate) fn samples(&self, figure: impl Fn(&LoadTurn) -> f64) -> Both<Samples> {
        samples(&self.turns, figure)
    }

    /// The figures that have targets.
    fn lines(&self) -> Vec<ResultLine> {
        let of = format!("{}, {} clients", name(self.work), self.clients);
        let line = |figure: &'static str, unit, samples| {
            ResultLine::new(
                format!("{of}: {figure}"),
                unit,
                samples,
                targets::load(self.work, self.clients, figure),
            )
        };
        vec![
            line("rate", "/s", self.samples(|turn| turn.rate)),
            line("p50", "ms", self.samples(|turn| turn.p50_ms)),
            line("p99", "ms", self.samples(|turn| turn.p99_ms)),
            line("per CPU second", "", self.samples(|turn| turn.per_cpu_second)),
        ]
    }
}

impl Results {
    pub(crate) fn lines(&self) -> Vec<ResultLine> {
        self.rows.iter().flat_map(LoadRow::lines).collect()
    }

    pub(crate) fn failures(&self) -> f64 {
        let turns = self.rows.iter().flat_map(|row| &row.turns);
        turns.map(|turn| turn.coffeed.failures + turn.etcd.failures).sum()
    }
}

pub(crate) fn name(work: Work) -> &'static str {
    match work {
        Work::Put => "put",
        Work::Get => "get",
        Work::Mixed { .. } => "mixed",
    }
}

pub(crate) async fn measure(options: &CompareOptions) -> Results {
    let coffeed = Loaded::<Coffeed>::start(options, options.coffeed_connections).await;
    let etcd = Loaded::<EtcdCluster>::start(options, options.etcd_connections).await;
    let mut rows: Vec<LoadRow> = Vec::new();
    for clients in &options.clients {
        rows.extend([Work::Put, Work::Get].map(|work| LoadRow {
            work,
            clients: *clients,
            turns: Vec::new(),
        }));
    }
    for round in 0..options.rounds {
        for row in &mut rows {
            let plan = Plan {
                work: row.work,
                clients: row.clients,
                keys: options.keys(),
                warm_up: Duration::ZERO,
                duration: options.duration,
                rate: None,
            };
            let both = Both::in_turns(round, turn(&coffeed, &plan), turn(&etcd, &plan)).await;
            tell(round, row, &both);
            row.turns.push(both);
        }
    }
    let standing = Both { coffeed: standing(&coffeed.cluster).await, etcd: standing(&etcd.cluster).await };
    Results { rows, standing }
}

pub(crate) async fn turn<C: Contestant>(loaded: &Loaded<C>, plan: &Plan) -> LoadTurn {
    turn_at(&loaded.cluster, &loaded.targets, plan).await
}

/// One run with targets of one's own.
pub(crate) async fn turn_at<T: Target>(cluster: &impl Contestant, targets: &[T], plan: &Plan) -> LoadTurn {
    // A separate run, so that the servers' resources for it do not count either.
    let warm_up = Plan { duration: WARM_UP, ..plan.clone() };
    Run::start(&warm_up, targets).finish().await;
    let before = cluster.usage();
    let measured = Run::start(plan, targets).finish().await;
    let used = cluster.usage().since(before);
    let times = measured.all_times();
    let operations = count(measured.successes());
    LoadTurn {
        rate: measured.rate(),
        p50_ms: ms(times.percentile(50.0)),
        p99_ms: ms(times.percentile(99.0)),
        failures: count(measured.failures()),
        per_cpu_second: operations / used.cpu_seconds.max(0.01),
        written: count(used.written) / operations.max(1.0),
    }
}

async fn standing(cluster: &impl Contestant) -> StandingUsage {
    let before = cluster.usage();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let used = cluster.usage().since(before);
    StandingUsage { memory: used.memory, disk: usage::disk(&cluster.data()), idle: used.cpu_seconds }
}

#[expect(clippy::print_stderr, reason = "a command that takes minutes prints its progress")]
fn tell(round: usize, row: &LoadRow, both: &Both<LoadTurn>) {
    for (side, turn) in [("coffeed", &both.coffeed), ("etcd", &both.etcd)] {
        eprintln!(
            "round {}: {side} {} {} clients: {:.0}/s, p99 {:.2} ms, {} failed",
            round + 1,
            name(row.work),
            row.clients,
            turn.rate,
            turn.p99_ms,
            turn.failures
        );
    }
}
