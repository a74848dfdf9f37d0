//! What breaks, when, and for how long.

use std::collections::BTreeMap;

use crate::{disk::Failure, entropy::Dice, node::Shop};

/// Breaks things, one after the other, and mends them again.
pub(crate) struct Faults {
    dice: Dice,
    next_ms: u64,
    mends: Vec<(u64, Mend)>,
    counts: BTreeMap<&'static str, u64>,
}

enum Mend {
    Start(usize),
    Repair(usize, usize),
    Release(usize, usize),
    Disk(usize),
}

/// At most so many nodes are down at once: a quorum stays.
fn down_max(nodes: usize) -> usize {
    (nodes - 1) / 2
}

impl Faults {
    pub(crate) fn new(seed: u64, begin_ms: u64) -> Self {
        Self { dice: Dice::new(seed, 1), next_ms: begin_ms, mends: Vec::new(), counts: BTreeMap::new() }
    }

    /// How often each kind came.
    pub(crate) fn counts(&self) -> &BTreeMap<&'static str, u64> {
        &self.counts
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Whether all that broke is mended.
    pub(crate) fn are_over(&self) -> bool {
        self.mends.is_empty()
    }

    /// Whether a node is down.
    fn is_down(&self, node: usize) -> bool {
        self.mends.iter().any(|(_, mend)| matches!(mend, Mend::Start(down) if *down == node))
    }

    /// What is due now. New faults come only while `breaking`.
    pub(crate) fn step(&mut self, ms: u64, breaking: bool, sim: &mut turmoil::Sim<'_>, shops: &[Shop]) {
        self.mend(ms, sim, shops);
        self.notice_ends(ms, sim, shops);
        if breaking && ms >= self.next_ms {
            self.next_ms = ms + 200 + self.dice.below(2500);
            self.break_something(ms, sim, shops);
        }
    }

    fn mend(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[Shop]) {
        let (due, later) = std::mem::take(&mut self.mends).into_iter().partition(|(at, _)| *at <= ms);
        self.mends = later;
        for (_, mend) in due {
            let host = |node: usize| shops[node].name.as_str();
            match mend {
                Mend::Start(node) => sim.bounce(host(node)),
                Mend::Repair(a, b) => sim.repair(host(a), host(b)),
                Mend::Release(a, b) => sim.release(host(a), host(b)),
                Mend::Disk(node) => shops[node].disk.mend(),
            }
        }
    }

    /// Whoever ended by itself, or lost its power in the middle of things, starts again later.
    fn notice_ends(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[Shop]) {
        for (node, shop) in shops.iter().enumerate() {
            let ended = shop.take_end();
            if (ended.is_some() || shop.disk.is_dead()) && !self.is_down(node) {
                self.count(if shop.disk.is_dead() { "power cut in a commit" } else { "ended by itself" });
                self.crash(node, ms, sim, shop);
            }
        }
    }

    fn crash(&mut self, node: usize, ms: u64, sim: &mut turmoil::Sim<'_>, shop: &Shop) {
        // First, so that the host's last hold on its socket goes with the host.
        shop.forget();
        sim.crash(shop.name.as_str());
        shop.disk.power_cut(&mut self.dice);
        let at = ms + 100 + self.dice.below(3000);
        self.mends.push((at, Mend::Start(node)));
    }

    fn break_something(&mut self, ms: u64, sim: &mut turmoil::Sim<'_>, shops: &[Shop]) {
        let node = self.dice.below(shops.len() as u64) as usize;
        let other = (node + 1 + self.dice.below(shops.len() as u64 - 1) as usize) % shops.len();
        let (name, other_name) = (shops[node].name.as_str(), shops[other].name.as_str());
        let until = ms + 300 + self.dice.below(3000);
        let may_go = !self.is_down(node)
            && (0..shops.len()).filter(|node| self.is_down(*node)).count() < down_max(shops.len());
        match self.dice.below(10) {
            0 if may_go => {
                self.count("power cut");
                self.crash(node, ms, sim, &shops[node]);
            }
            1 | 2 if may_go => shops[node].disk.fail(Failure::PowerAfter(self.dice.below(60))),
            3 if may_go => {
                self.count("failed sync");
                shops[node].disk.fail(Failure::SyncAfter(self.dice.below(20)));
                self.mends.push((until, Mend::Disk(node)));
            }
            4 if may_go => {
                self.count("full disk");
                shops[node].disk.fail(Failure::Full);
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
                for (far, shop) in shops.iter().enumerate().filter(|(far, _)| *far != node) {
                    sim.partition(name, shop.name.as_str());
                    self.mends.push((until, Mend::Repair(node, far)));
                }
            }
            8 => {
                self.count("link held");
                sim.hold(name, other_name);
                self.mends.push((until, Mend::Release(node, other)));
            }
            // The founder would found another cluster; an operator knows better, too.
            9 if node != 0 && !(0..shops.len()).any(|node| self.is_down(node)) => {
                self.count("disk lost");
                self.crash(node, ms, sim, &shops[node]);
                shops[node].lose_disk();
            }
            _ => {}
        }
    }
}
