//! The simulated world: shops, customers, somebody who looks at the end whether
//! all is well, and time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use coffee_client::{Client, Consistency, Credentials, KeyRange, PageOptions, cert::Ca};
use coffee_common::{
    id::{ClientId, NodeName},
    protocol::Role,
};
use coffee_tests::cluster::SHOPS;
use tokio::time::Instant;

use crate::{
    disk::Disk,
    entropy::Dice,
    faults::Faults,
    judge::{Judge, Report},
    node::{Shop, address, endpoint},
    operator::Operator,
    trace::Trace,
    watch::Watch,
    workload::{History, Worker, counter},
};

const TICK: Duration = Duration::from_millis(1);

/// How long nothing is broken at the begin, so that the cluster comes about.
const CALM_MS: u64 = 3000;

/// A cluster that was broken has a leader within this time after the last fault.
const LED_WITHIN_MS: u64 = 5000;

/// A cluster that was broken has a leader, and all its nodes the same state,
/// within this time after the last fault.
const HEALED_WITHIN_MS: u64 = 30_000;

const WORKERS: u64 = 5;

type Failed = Box<dyn std::error::Error>;

/// What those within and outside the simulated hosts share.
#[derive(Clone, Default)]
struct Shared {
    history: History,
    trace: Trace,
    /// How customers read.
    consistency: Consistency,
    /// All faults are over.
    calm: Arc<AtomicBool>,
    /// When all was well again after that, in simulated milliseconds.
    healed_ms: Arc<AtomicU64>,
}

/// Runs a seed for so many simulated seconds of faults.
pub(crate) fn run(seed: u64, seconds: u64, local_reads: bool) -> Report {
    #[expect(clippy::disallowed_methods, reason = "how long it really took")]
    let real = std::time::Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Ca::create().expect("a CA");
    let consistency = if local_reads { Consistency::Local } else { Consistency::Linearizable };
    let shared = Shared { consistency, ..Shared::default() };
    let count = if seed.is_multiple_of(3) { 5 } else { 3 };
    let shops: Vec<Shop> =
        SHOPS[..count].iter().map(|name| shop(name, seed, &ca, folder.path(), &shared)).collect();
    let latency_max = Duration::from_millis(1 + seed % 10);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(seconds + 120))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(latency_max)
        .udp_capacity(65_536)
        .build();
    for shop in &shops {
        let shop = shop.clone();
        sim.host(shop.name.to_string(), move || shop.clone().run());
    }
    let end = Duration::from_millis(CALM_MS) + Duration::from_secs(seconds);
    let credentials = |role, name: &str| ca.credentials(role, &node_name(name)).expect("a certificate");
    let names: Vec<&'static str> = SHOPS[..count].to_vec();
    sim.client(
        "customers",
        customers(names.clone(), credentials(Role::Writer, "customer"), seed, shared.clone(), end),
    );
    let operator = Operator {
        nodes: names.clone(),
        credentials: credentials(Role::Admin, "operator"),
        dice: Dice::new(seed, 2),
        seed,
        trace: shared.trace.clone(),
    };
    sim.client("operator", operator.work(end));
    sim.client("inspector", inspect(names, credentials(Role::Admin, "inspector"), seed, shared.clone()));

    let mut judge = Judge::default();
    let mut watch = Watch::new(shared.trace.clone());
    let mut faults = Faults::new(seed, CALM_MS, latency_max);
    let (mut ms, mut calm_ms, mut led_ms) = (0, None, None);
    let end_ms = u64::try_from(end.as_millis()).expect("short");
    loop {
        faults.step(ms, ms < end_ms, &mut sim, &shops);
        if ms >= end_ms && faults.are_over() {
            calm_ms.get_or_insert(ms);
            shared.calm.store(true, Ordering::Release);
        }
        ms += 1;
        shared.trace.tick();
        match sim.step() {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => {
                judge.wrong(format!("after {ms} ms: {error}"));
                break;
            }
        }
        let wrong = watch.look(ms, &shops);
        if !wrong.is_empty() {
            wrong.into_iter().for_each(|wrong| judge.wrong(format!("after {ms} ms: {wrong}")));
            break;
        }
        if watch.led() && calm_ms.is_some() {
            led_ms.get_or_insert(ms);
        }
    }
    if led_ms.unwrap_or(ms) > calm_ms.unwrap_or(ms) + LED_WITHIN_MS {
        judge.wrong(format!("calm at {calm_ms:?} ms, and a leader at {led_ms:?} ms only"));
    }
    judge.history(&shared.history);
    let mut diary = faults.diary().to_vec();
    for shop in &shops {
        diary.push(shop.describe());
        shop.forget();
    }
    shared.trace.end();
    drop(sim);
    let (acknowledged, in_doubt, refused) = shared.history.counts();
    let healed = shared.healed_ms.load(Ordering::Acquire);
    Report {
        seed,
        seconds,
        behaviour: shared.trace.hash(),
        simulated_ms: ms,
        real_ms: real.elapsed().as_millis(),
        acknowledged,
        in_doubt,
        refused,
        faults: faults.counts().clone(),
        events: shared.trace.counts(),
        healed_ms: (healed > 0).then_some(healed),
        wrong: judge.found(),
        diary,
    }
}

pub(crate) fn node_name(name: &str) -> NodeName {
    NodeName::new(name).expect("legal")
}

fn shop(name: &str, seed: u64, ca: &Ca, folder: &std::path::Path, shared: &Shared) -> Shop {
    let number = name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
    Shop {
        name: node_name(name),
        credentials: ca.credentials(Role::Node, &node_name(name)).expect("a certificate"),
        disk: Disk::new(shared.trace.clone()),
        folder: folder.join(name),
        founder: (name != SHOPS[0]).then(|| SHOPS[0].to_owned()),
        seed: number,
        trace: shared.trace.clone(),
        life: Arc::new(Mutex::default()),
    }
}

/// A client at one simulated host.
pub(crate) async fn client(
    host: &str,
    number: u64,
    nodes: &[&str],
    credentials: &Credentials,
    seed: u64,
    trace: &Trace,
) -> Result<Client, Failed> {
    let port = u16::try_from(9000 + number)?;
    let endpoint = endpoint(host, port, credentials, seed ^ (number << 32), trace).await?;
    Ok(Client::builder()
        .endpoints(nodes.iter().map(|name| address(name)))
        .credentials(credentials.clone())
        .quic(endpoint)
        .client_id(ClientId(u128::from(number) + 1))
        .timeout(Duration::from_secs(3))
        .build()?)
}

async fn customers(
    nodes: Vec<&'static str>,
    credentials: Credentials,
    seed: u64,
    shared: Shared,
    end: Duration,
) -> Result<(), Failed> {
    let began = Instant::now();
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        let client = client("customers", number, &nodes, &credentials, seed, &shared.trace).await?;
        // Half of them know one node only, whoever leads.
        let node = nodes[usize::try_from(number)? % nodes.len()];
        let client = if number % 2 == 0 { client } else { client.at(address(node))? };
        let worker = Worker {
            number,
            client,
            dice: Dice::new(seed, 100 + number),
            history: shared.history.clone(),
            trace: shared.trace.clone(),
            began,
            consistency: shared.consistency,
            seen: std::collections::BTreeMap::new(),
        };
        workers.push(tokio::spawn(worker.work(began + end)));
    }
    for worker in workers {
        worker.await?;
    }
    Ok(())
}

/// Once the faults are over: the nodes come to the same state, and take a write.
async fn inspect(
    nodes: Vec<&'static str>,
    credentials: Credentials,
    seed: u64,
    shared: Shared,
) -> Result<(), Failed> {
    while !shared.calm.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    let client = client("inspector", 99, &nodes, &credentials, seed, &shared.trace).await?;
    let deadline = began + Duration::from_millis(HEALED_WITHIN_MS);
    let mut state;
    loop {
        // Whoever was taken down waits for this.
        for name in &nodes {
            client.boot(node_name(name), Some(address(name))).await.ok();
        }
        client.set("fresh", "yes").await.ok();
        state = states(&client, &nodes).await;
        if state.windows(2).all(|pair| pair[0].is_ok() && pair[0] == pair[1]) {
            break;
        }
        if Instant::now() > deadline {
            let errors: Vec<_> = state.iter().filter_map(|state| state.as_ref().err()).collect();
            return Err(format!("not equal after {HEALED_WITHIN_MS} ms: {errors:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (worker, bounds) in shared.history.counters() {
        let entry = client.get(counter(worker)).await.map_err(|error| format!("takes no read: {error}"))?;
        let times = entry.map_or(0, |entry| entry.version);
        if !bounds.contains(&times) {
            return Err(
                format!("exactly once: {times} writes of worker {worker}, who made {bounds:?}").into()
            );
        }
    }
    client.set("fresh", "at last").await.map_err(|error| format!("takes no write: {error}"))?;
    let healed = u64::try_from(began.elapsed().as_millis())?;
    shared.healed_ms.store(healed.max(1), Ordering::Release);
    Ok(())
}

/// What each node has, in its own words.
async fn states(client: &Client, nodes: &[&str]) -> Vec<Result<String, String>> {
    let mut states = Vec::new();
    for name in nodes {
        let options = PageOptions { consistency: Consistency::Local, ..PageOptions::default() };
        let page = match client.at(address(name)) {
            Ok(client) => {
                client.with_timeout(Duration::from_secs(1)).range(KeyRange::prefix("k/"), options).await
            }
            Err(error) => Err(error),
        };
        states.push(page.map(|page| format!("{:?}", page.entries)).map_err(|error| error.to_string()));
    }
    states
}
