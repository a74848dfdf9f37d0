//! The simulated world: nodes, clients, a final inspection, and time.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use coffee_client::{Client, Consistency, Credentials, cert::Ca};
use coffee_common::{
    id::{Address, ClientId, ClusterId, ClusterName, NodeName},
    protocol::Role,
};
use coffee_tests::cluster::SHOPS;
use tokio::time::Instant;

use crate::{
    build::{SimCredentials, endpoint},
    disk::SimDisk,
    entropy::SimRng,
    faults::Faults,
    inspector::inspect,
    judge::{Judge, SimReport},
    majority::MajorityWatch,
    node::{CLIENT_PORT, SimNode, address},
    operator::{Operator, OperatorRecord},
    partial::PartialPartition,
    socket::SimSocket,
    trace::Trace,
    upgrade::Upgrade,
    upgrader::Upgrader,
    watch::NodeObserver,
    watcher::Watcher,
    workload::{History, WorkloadClient},
};

const TICK: Duration = Duration::from_millis(1);

/// How long the cluster may form before the first fault.
const CALM_MS: u64 = 3000;

/// Maximum time from the last fault until a leader is elected.
const LED_WITHIN_MS: u64 = 5000;

/// Time from the last fault after which operators help nodes that have moved and have no leader.
const STUCK_MS: u64 = 4000;

/// Clients that read and write. Besides, one per node only reads, and only there.
const WORKERS: u64 = 5;

/// Clients that watch, the last one at one node alone.
const WATCHERS: u64 = 2;

/// Operators at work at once.
const OPERATORS: u64 = 2;

pub(crate) type SimError = Box<dyn std::error::Error>;

/// State shared between the simulation and the code on its hosts.
#[derive(Clone, Default)]
pub(crate) struct WorldContext {
    pub(crate) history: History,
    pub(crate) trace: Trace,
    pub(crate) cluster: Arc<OnceLock<ClusterId>>,
    pub(crate) operators: OperatorRecord,
    /// Consistency of the clients' reads.
    pub(crate) consistency: Consistency,
    /// Set while a partial partition is in effect.
    pub(crate) partial: Arc<AtomicBool>,
    /// Set once a write has succeeded during it.
    pub(crate) written: Arc<AtomicBool>,
    /// Set when all faults are over.
    pub(crate) calm: Arc<AtomicBool>,
    /// When the cluster had recovered after that, in simulated milliseconds.
    pub(crate) healed_ms: Arc<AtomicU64>,
}

/// How a run differs from the plain one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RunOptions {
    /// Clients read the local state of the asked node.
    pub(crate) local_reads: bool,
    /// The nodes are upgraded, taken back, and upgraded again.
    pub(crate) upgrade: bool,
}

/// Runs a seed with `seconds` simulated seconds of faults.
pub(crate) fn run(seed: u64, seconds: u64, options: RunOptions) -> SimReport {
    #[expect(clippy::disallowed_methods, reason = "measures real time")]
    let real = std::time::Instant::now();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = Ca::create(&ClusterName::default()).expect("a CA");
    let consistency = if options.local_reads { Consistency::Local } else { Consistency::Linearizable };
    let shared = WorldContext { consistency, ..WorldContext::default() };
    let count = if seed.is_multiple_of(3) { 5 } else { 3 };
    let shops: Vec<SimNode> =
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
    for number in 0..OPERATORS {
        let operator = Operator {
            number,
            shops: shops.clone(),
            credentials: credentials(Role::Admin, "operator"),
            rng: SimRng::new(seed, 10 + number),
            seed,
            record: shared.operators.clone(),
            trace: shared.trace.clone(),
        };
        sim.client(Operator::host(number), operator.work(end));
    }
    sim.client(
        "inspector",
        inspect(shops.clone(), credentials(Role::Admin, "inspector"), seed, shared.clone()),
    );

    let mut upgrade = options.upgrade.then(|| Upgrade::new(seed, shared.trace.clone()));
    if let Some(upgrade) = &upgrade {
        let upgrader = Upgrader {
            shops: shops.clone(),
            credentials: SimCredentials::of(&ca, Role::Admin, node_name("upgrader")),
            rng: SimRng::new(seed, 6),
            seed,
            trace: shared.trace.clone(),
            plan: upgrade.plan().clone(),
        };
        sim.client(Upgrader::HOST, upgrader.work(end));
    }
    let mut judge = Judge::default();
    let mut watch = NodeObserver::new(shared.trace.clone());
    let mut faults = Faults::new(seed, CALM_MS, latency_max, shared.operators.clone());
    let mut majority = MajorityWatch::default();
    let mut partial = PartialPartition::new(seed);
    let (mut ms, mut calm_ms, mut led_ms, mut named) = (0, None, None, false);
    let end_ms = u64::try_from(end.as_millis()).expect("short");
    loop {
        faults.step(ms, ms < end_ms, &mut sim, &shops);
        if let Some(upgrade) = &mut upgrade {
            let may_begin = (CALM_MS..end_ms).contains(&ms);
            upgrade.step(ms, may_begin, watch.level(), &mut faults, &mut sim, &shops);
        }
        if ms >= end_ms && faults.are_over() && !shops.iter().any(SimNode::is_stopping) {
            let written = shared.written.load(Ordering::Acquire);
            if let Some(wrong) = partial.step(ms, written, latency_max, &mut sim, &shops) {
                judge.wrong(format!("after {ms} ms: {wrong}"));
                break;
            }
            if partial.is_on() && !shared.partial.swap(true, Ordering::AcqRel) {
                faults.count("partial partition");
            }
        }
        if partial.is_over() {
            shared.partial.store(false, Ordering::Release);
            calm_ms.get_or_insert(ms);
            shared.calm.store(true, Ordering::Release);
        }
        let is_stuck = led_ms.is_none() && calm_ms.is_some_and(|calm| ms >= calm + STUCK_MS);
        if is_stuck && !named && shops.iter().any(SimNode::is_moved) {
            faults.name_present_addresses(ms, &mut sim, &shops);
            (named, calm_ms) = (true, Some(ms));
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
        let mut wrong = watch.look(ms, &shops);
        if (CALM_MS..end_ms).contains(&ms) {
            wrong.extend(majority.look(ms, shared.history.written(), &faults, &shops));
        }
        if !wrong.is_empty() {
            wrong.into_iter().for_each(|wrong| judge.wrong(format!("after {ms} ms: {wrong}")));
            break;
        }
        if watch.led() && calm_ms.is_some() {
            led_ms.get_or_insert(ms);
        }
    }
    if led_ms.unwrap_or(ms) > calm_ms.unwrap_or(ms) + LED_WITHIN_MS {
        judge
            .wrong(format!("faults ended at {calm_ms:?} ms, but a leader was elected only at {led_ms:?} ms"));
    }
    judge.history(&shared.history);
    judge.operators(&shared.operators, watch.members());
    let mut diary = faults.diary().to_vec();
    for shop in &shops {
        diary.push(shop.describe());
        shop.forget();
    }
    shared.trace.end();
    drop(sim);
    let (acknowledged, in_doubt, refused) = shared.history.counts();
    let healed = shared.healed_ms.load(Ordering::Acquire);
    SimReport {
        seed,
        seconds,
        behaviour: shared.trace.hash(),
        simulated_ms: ms,
        real_ms: real.elapsed().as_millis(),
        acknowledged,
        in_doubt,
        refused,
        operators: shared.operators.counts(),
        judged_live: majority.looks(),
        faults: faults.counts().clone(),
        events: shared.trace.counts(),
        options,
        healed_ms: (healed > 0).then_some(healed),
        wrong: judge.found(),
        diary,
    }
}

pub(crate) fn node_name(name: &str) -> NodeName {
    NodeName::new(name).expect("legal")
}

fn shop(name: &str, seed: u64, ca: &Ca, folder: &std::path::Path, shared: &WorldContext) -> SimNode {
    let number = name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
    SimNode {
        name: node_name(name),
        credentials: SimCredentials::of(ca, Role::Node, node_name(name)),
        disk: SimDisk::new(shared.trace.clone()),
        folder: folder.join(name),
        // At most one node is elsewhere.
        join: if name == SHOPS[0] {
            [SHOPS[1], SHOPS[2]]
        } else {
            [SHOPS[0], SHOPS[if name == SHOPS[1] { 2 } else { 1 }]]
        },
        founds: name == SHOPS[0],
        cluster: Arc::clone(&shared.cluster),
        seed: number,
        trace: shared.trace.clone(),
        life: Arc::new(Mutex::default()),
    }
}

/// A client on a simulated host, which knows the nodes by their first addresses.
pub(crate) async fn client(
    host: &str,
    number: u64,
    nodes: &[&str],
    credentials: &Credentials,
    seed: u64,
    trace: &Trace,
) -> Result<Client, SimError> {
    let endpoints = nodes.iter().map(|name| address(name));
    client_of(host, number, endpoints, credentials, seed, trace).await
}

pub(crate) async fn client_of(
    host: &str,
    number: u64,
    endpoints: impl IntoIterator<Item = Address>,
    credentials: &Credentials,
    seed: u64,
    trace: &Trace,
) -> Result<Client, SimError> {
    let port = u16::try_from(u64::from(CLIENT_PORT) + number)?;
    let socket = SimSocket::bind(turmoil::lookup(host), port, trace.clone()).await?;
    let endpoint = endpoint(socket, credentials, seed ^ (number << 32))?;
    Ok(Client::builder()
        .endpoints(endpoints)
        .credentials(credentials.clone())
        .quic(endpoint)
        .client_id(ClientId(u128::from(number) + 1))
        .timeout(Duration::from_secs(3))
        .build()?)
}

/// Waits until a client has met the cluster: it does not take for it what a node founds later.
async fn meet(client: &Client) {
    while !client.cluster().await.is_ok_and(|view| view.cluster.is_some()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn customers(
    nodes: Vec<&'static str>,
    credentials: Credentials,
    seed: u64,
    shared: WorldContext,
    end: Duration,
) -> Result<(), SimError> {
    let began = Instant::now();
    let mut workers = Vec::new();
    let readers = u64::try_from(nodes.len())?;
    for number in 0..WORKERS + readers {
        let reads_only = number >= WORKERS;
        let client = client("customers", number, &nodes, &credentials, seed, &shared.trace).await?;
        meet(&client).await;
        // Half of the clients know one node only, whether it leads or not, and so do the readers.
        let node = nodes[usize::try_from(number)? % nodes.len()];
        let keeps_to_one = number % 2 == 1 || reads_only;
        let client = if keeps_to_one { client.at(address(node))? } else { client };
        let worker = WorkloadClient {
            number,
            client,
            rng: SimRng::new(seed, 100 + number),
            history: shared.history.clone(),
            trace: shared.trace.clone(),
            began,
            consistency: shared.consistency,
            reads_only,
            seen: std::collections::BTreeMap::new(),
        };
        workers.push(tokio::spawn(worker.work(began + end)));
    }
    for number in 0..WATCHERS {
        let place = WORKERS + readers + number;
        let client = client("customers", place, &nodes, &credentials, seed, &shared.trace).await?;
        meet(&client).await;
        let node = nodes[usize::try_from(number + seed)? % nodes.len()];
        let keeps_to_one = number == 1;
        let client = if keeps_to_one { client.at(address(node))? } else { client };
        let rng = SimRng::new(seed, 200 + number);
        let watcher = Watcher { client, rng, shared: shared.clone(), keeps_to_one };
        workers.push(tokio::spawn(watcher.work()));
    }
    for worker in workers {
        worker.await?;
    }
    Ok(())
}
