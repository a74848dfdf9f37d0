//! Faults: kinds, times and durations.

mod links;

use std::{collections::BTreeMap, time::Duration};

use coffee_common::{id::NodeId, protocol::RaftStatus};

use crate::{disk::DiskFailure, entropy::SimRng, node::SimNode, operator::OperatorRecord, partial, wall};

/// Whether every node runs and all are voters. Otherwise a further lost disk may cost the
/// quorum.
pub(crate) fn all_vote(shops: &[SimNode]) -> bool {
    let statuses: Vec<_> = shops.iter().filter_map(|shop| shop.status()?.raft).collect();
    let ids: Vec<NodeId> = statuses.iter().map(|raft| raft.id).collect();
    let agreed = |raft: &RaftStatus| matches!(&*raft.voters, [voters] if ids.iter().all(|id| voters.contains(id)) && voters.len() == ids.len());
    ids.len() == shops.len() && statuses.iter().all(agreed)
}

/// Injects faults one after the other, and ends them again.
pub(crate) struct Faults {
    rng: SimRng,
    next_ms: u64,
    mends: Vec<(u64, Mend)>,
    counts: BTreeMap<&'static str, u64>,
    diary: Vec<String>,
    /// Whether faults last longer, and are fewer.
    long: bool,
    /// Latency of a healthy link.
    latency_max: Duration,
    operators: OperatorRecord,
    /// How many of their calls were considered for a fault.
    calls: usize,
    /// Faults in the middle of a call, with their times.
    amid_calls: Vec<(u64, AmidCall)>,
    /// Offset of the wall clock.
    wall_ms: i64,
}

enum Mend {
    Start(usize),
    /// Replaces the disk of a node that founded another cluster.
    Replace(usize),
    Repair(usize, usize),
    Release(usize, usize),
    Disk(usize),
    Loss(usize, usize),
    Delay(usize, usize),
    Wall,
}

/// A fault in the middle of an operator's call.
enum AmidCall {
    /// The leader loses contact with the others.
    Leader,
    /// The node that the call is about loses contact with the others.
    Node(String),
}

/// How long after the beginning of a call a fault may come.
const AMID_CALL_MS: u64 = 80;

/// How long after a power cut a node may start again, in milliseconds.
const STARTED_WITHIN_MS: u64 = 3000;

/// The same for a node that is being restarted.
const RESTARTED_WITHIN_MS: u64 = 500;

/// Maximum number of nodes down at once: a quorum remains.
fn down_max(nodes: usize) -> usize {
    (nodes - 1) / 2
}

impl Faults {
    pub(crate) fn new(seed: u64, begin_ms: u64, latency_max: Duration, operators: OperatorRecord) -> Self {
        Self {
            rng: SimRng::new(seed, 1),
            next_ms: begin_ms,
            mends: Vec::new(),
            counts: BTreeMap::new(),
            diary: Vec::new(),
            long: seed % 4 == 1,
            latency_max,
            operators,
            calls: 0,
            amid_calls: Vec::new(),
            wall_ms: 0,
        }
    }

    /// Number of faults of each kind.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    /// Counts a fault.
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Faults in order of time.
    pub(crate) fn diary(&self) -> &[String] {
        &self.diary
    }

    /// Whether all faults have ended.
    pub(crate) fn are_over(&self) -> bool {
        self.mends.is_empty()
    }

    /// Whether two nodes reach each other in both directions, without delay or loss, as far as
    /// faults are concerned.
    pub(crate) fn connects(&self, a: usize, b: usize) -> bool {
        !self.mends.iter().any(|(_, mend)| match mend {
            Mend::Repair(x, y) | Mend::Release(x, y) | Mend::Loss(x, y) | Mend::Delay(x, y) => {
                [*x, *y] == [a, b] || [*x, *y] == [b, a]
            }
            // Certificates are not valid at all times.
            Mend::Wall => true,
            Mend::Start(_) | Mend::Replace(_) | Mend::Disk(_) => false,
        })
    }

    /// Whether a node is down or elsewhere, or its disk fails.
    pub(crate) fn is_broken(&self, node: usize) -> bool {
        self.mends.iter().any(|(_, mend)| {
            matches!(mend, Mend::Start(broken) | Mend::Replace(broken) | Mend::Disk(broken) if *broken == node)
        })
    }

    /// Whether a node is down.
    pub(crate) fn is_down(&self, node: usize) -> bool {
        self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Start(down) if *down == node))
    }

    /// Ends and injects what is due. New faults begin only while `breaking`.
    pub(crate) fn step(&mut self, ms: u64, breaking: bool, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        self.mend(ms, sim, shops);
        wall::set(i64::try_from(ms).unwrap_or(0) + self.wall_ms);
        self.notice_ends(ms, sim, shops);
        if breaking && ms >= self.next_ms {
            self.next_ms = ms + 200 + self.rng.below(if self.long { 6000 } else { 2500 });
            self.break_something(ms, sim, shops);
        }
        if breaking {
            self.break_amid_calls(ms, sim, shops);
        }
    }

    /// Cuts nodes off in the middle of operators' calls.
    fn break_amid_calls(&mut self, ms: u64, sim: &turmoil::Sim<'_>, shops: &[SimNode]) {
        while let Some(call) = self.operators.after(self.calls) {
            self.calls += 1;
            let at = ms + self.rng.below(AMID_CALL_MS);
            match self.rng.below(9) {
                0 | 1 => self.amid_calls.push((at, AmidCall::Leader)),
                2 => self.amid_calls.push((at, AmidCall::Node(call.node))),
                _ => {}
            }
        }
        let (due, later) = std::mem::take(&mut self.amid_calls).into_iter().partition(|(at, _)| *at <= ms);
        self.amid_calls = later;
        for (_, amid) in due {
            let (what, node) = match amid {
                AmidCall::Leader => ("leader cut off amid a call", shops.iter().position(SimNode::leads)),
                AmidCall::Node(name) => {
                    let node = shops.iter().position(|shop| shop.name.as_str() == name);
                    ("node cut off amid a call", node)
                }
            };
            let Some(node) = node else { continue };
            let until = ms + 300 + self.rng.below(6000);
            self.count(what);
            self.diary.push(format!("{ms} ms: {what}: {} until {until} ms", shops[node].name));
            self.cut_off(node, until, sim, shops);
        }
    }

    fn mend(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        let (due, later) = std::mem::take(&mut self.mends).into_iter().partition(|(at, _)| *at <= ms);
        self.mends = later;
        for (_, mend) in due {
            let host = |node: usize| shops[node].name.as_str();
            if let Mend::Start(node) = mend {
                self.diary.push(format!("{ms} ms: {} starts", host(node)));
            }
            match mend {
                // It may have lost its power before it founded the cluster, and have joined the first.
                Mend::Replace(node) if self.is_down(node) || shops[node].is_starting() => {
                    self.mends.push((ms + 500, Mend::Replace(node)));
                }
                Mend::Replace(node) => {
                    if shops[node].is_elsewhere() {
                        self.crash(node, ms, sim, &shops[node]);
                        shops[node].lose_disk();
                    }
                }
                Mend::Start(node) => sim.bounce(host(node)),
                Mend::Repair(a, b) => sim.repair(host(a), host(b)),
                Mend::Release(a, b) => sim.release(host(a), host(b)),
                Mend::Disk(node) => shops[node].disk.mend(),
                Mend::Loss(a, b) => sim.set_link_fail_rate(host(a), host(b), 0.0),
                Mend::Wall => self.wall_ms = 0,
                Mend::Delay(a, b) => {
                    sim.set_link_max_message_latency(host(a), host(b), self.latency_max);
                }
            }
        }
    }

    /// Schedules a restart for each node that ended on its own or lost its power within
    /// an operation.
    fn notice_ends(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        for (node, shop) in shops.iter().enumerate() {
            let ended = shop.take_end();
            if (ended.is_some() || shop.disk.is_dead()) && !self.is_down(node) {
                self.count(match () {
                    () if shop.disk.is_dead() => "power cut in a commit",
                    () if shop.is_stopping() => "restarted",
                    () => "ended by itself",
                });
                self.diary.push(format!("{ms} ms: {} ends: {ended:?}", shop.name));
                self.crash(node, ms, sim, shop);
            }
        }
    }

    /// Cuts a node's power. It starts again within seconds; sooner if it was being restarted.
    pub(crate) fn crash(&mut self, node: usize, ms: u64, sim: &mut turmoil::Sim<'_>, shop: &SimNode) {
        let within_ms = if shop.is_stopping() { RESTARTED_WITHIN_MS } else { STARTED_WITHIN_MS };
        // First, so that the last reference to the host's socket goes with the host.
        shop.forget();
        sim.crash(shop.name.as_str());
        shop.disk.power_cut(&mut self.rng);
        let at = ms + 100 + self.rng.below(within_ms);
        self.mends.push((at, Mend::Start(node)));
    }

    /// Replaces a node's disk by an empty one.
    pub(crate) fn replace_disk(&mut self, node: usize, ms: u64, sim: &mut turmoil::Sim<'_>, shop: &SimNode) {
        self.count("disk lost");
        self.crash(node, ms, sim, shop);
        shop.lose_disk();
    }

    /// Carries out the remedy of the documents for nodes that have moved and do not find each other:
    /// names the present addresses in the configuration of each, and restarts it.
    pub(crate) fn name_present_addresses(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        self.count("addresses named by operators");
        for (node, shop) in shops.iter().enumerate() {
            let others = shops.iter().filter(|other| other.name != shop.name).map(SimNode::address);
            shop.name_others(others.collect());
            if !self.is_down(node) {
                self.crash(node, ms, sim, shop);
            }
        }
    }

    fn break_something(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        let node = self.rng.below(shops.len() as u64) as usize;
        let other = (node + 1 + self.rng.below(shops.len() as u64 - 1) as usize) % shops.len();
        let (name, other_name) = (shops[node].name.as_str(), shops[other].name.as_str());
        let until = ms + 300 + self.rng.below(if self.long { 12_000 } else { 3000 });
        let may_go = !self.is_down(node)
            && (0..shops.len()).filter(|node| self.is_down(*node)).count() < down_max(shops.len());
        let what = self.rng.below(26);
        self.diary.push(format!("{ms} ms: fault {what} at {name} (and {other_name}) until {until} ms"));
        match what {
            0 if may_go => {
                self.count("power cut");
                self.crash(node, ms, sim, &shops[node]);
            }
            1 | 2 if may_go => shops[node].disk.fail(DiskFailure::PowerAfter(self.rng.below(60))),
            3 if may_go => {
                self.count("failed sync");
                shops[node].disk.fail(DiskFailure::SyncAfter(self.rng.below(20)));
                self.mends.push((until, Mend::Disk(node)));
            }
            4 if may_go => {
                self.count("full disk");
                shops[node].disk.fail(DiskFailure::Full);
                self.mends.push((until, Mend::Disk(node)));
            }
            5 => {
                self.count("link cut");
                sim.partition(name, other_name);
                self.mends.push((until, Mend::Repair(node, other)));
            }
            6 => {
                self.count("link cut one way");
                sim.partition_oneway(name, other_name);
                self.mends.push((until, Mend::Repair(node, other)));
            }
            7 => {
                self.count("node cut off");
                self.cut_off(node, until, sim, shops);
            }
            8 => {
                self.count("link held");
                sim.hold(name, other_name);
                self.mends.push((until, Mend::Release(node, other)));
            }
            9 | 23 if all_vote(shops) => self.replace_disk(node, ms, sim, &shops[node]),
            10 => {
                self.count("link that loses");
                sim.set_link_fail_rate(name, other_name, 0.02 * (1 + self.rng.below(20)) as f64);
                self.mends.push((until, Mend::Loss(node, other)));
            }
            11 => {
                self.count("slow link");
                let latency = Duration::from_millis(1 + self.rng.below(500));
                sim.set_link_max_message_latency(name, other_name, latency);
                self.mends.push((until, Mend::Delay(node, other)));
            }
            12 => {
                self.count("cluster split");
                self.split(until, sim, shops);
            }
            13 => {
                self.count("leader cut off");
                if let Some(leader) = shops.iter().position(SimNode::leads) {
                    self.cut_off(leader, until, sim, shops);
                }
            }
            14 if !(0..shops.len()).any(|node| self.is_down(node)) => {
                self.count("power cut of all");
                for (node, shop) in shops.iter().enumerate() {
                    self.crash(node, ms, sim, shop);
                }
            }
            // One at a time, so that clients find the others where they were.
            24 | 25 if may_go => {
                self.count("address changed");
                let node = shops.iter().position(SimNode::is_moved).unwrap_or(node);
                if !self.is_down(node) {
                    shops[node].move_away();
                    self.crash(node, ms, sim, &shops[node]);
                }
            }
            20 => {
                self.count("disk stalled");
                shops[node].disk.fail(DiskFailure::Stalled);
                self.mends.push((until + self.rng.below(5000), Mend::Disk(node)));
            }
            15 => {
                self.count("slow sync");
                let long = Duration::from_millis(5 + self.rng.below(200));
                shops[node].disk.fail(DiskFailure::Slow(long));
                self.mends.push((until, Mend::Disk(node)));
            }
            16 => {
                self.count("pause");
                let long = Duration::from_millis(200 + self.rng.below(5000));
                shops[node].disk.fail(DiskFailure::Pause(long));
            }
            17 => {
                self.count("wall clock jumps");
                // By up to minutes, days, or more than certificates are valid.
                let most_ms = self.rng.of(&[600_000, 864_000_000, 400_000_000_000]);
                let by = i64::try_from(self.rng.below(2 * most_ms)).unwrap_or(0);
                self.wall_ms = by - i64::try_from(most_ms).unwrap_or(0);
                self.mends.push((until, Mend::Wall));
            }
            18 | 21 | 22 if all_vote(shops) => {
                self.count("another cluster founded");
                self.crash(node, ms, sim, &shops[node]);
                shops[node].lose_disk();
                shops[node].found_another();
                self.mends.push((ms + 4000 + self.rng.below(4000), Mend::Replace(node)));
            }
            19 => {
                self.count("partial partition amid faults");
                let leader = shops.iter().position(SimNode::leads).unwrap_or(node);
                for cut in partial::cuts(&mut self.rng, leader, shops.len()).cut {
                    cut.make(sim, shops);
                    self.mends.push((until, Mend::Repair(cut.a, cut.b)));
                }
            }
            _ => {}
        }
    }
}
