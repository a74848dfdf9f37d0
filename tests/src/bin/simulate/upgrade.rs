//! Rolling upgrades in the middle of all faults: the nodes are restarted one by one with the next
//! version, with this one again, and with the next one for good. Then the upgrade is finished, and
//! nodes are started with this version by mistake.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    build::SimBuild,
    entropy::SimRng,
    faults::{Faults, all_vote},
    node::SimNode,
    trace::Trace,
};

/// How long a node may take to stop before it is killed.
const STOPPED_WITHIN_MS: u64 = 4000;

/// The versions that all nodes get, one after the other. Three of them are a round.
const WAVES: [SimBuild; 3] = [SimBuild::Next, SimBuild::This, SimBuild::Next];

/// The events of an upgrade, as the trace names them.
pub(crate) const EVENTS: [&str; 9] = [
    "upgraded and taken back",
    "level raised",
    "start refused",
    "start on an empty disk",
    "touch applied",
    "number set",
    "finish refused",
    "admission refused",
    "below the level refused",
];

/// The permissions of the operator of the upgrade, shared with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpgradePlan {
    /// All nodes have the next version for good.
    pub(crate) may_finish: Arc<AtomicBool>,
    /// The leader may finish the upgrade by itself.
    pub(crate) is_automatic: Arc<AtomicBool>,
    /// The feature level has risen.
    pub(crate) is_risen: Arc<AtomicBool>,
}

/// Installs versions, and restarts the nodes.
pub(crate) struct Upgrade {
    rng: SimRng,
    waves: VecDeque<SimBuild>,
    /// The number of waves to come at which the leader may finish the upgrade by itself.
    automatic_at: Option<usize>,
    next_ms: u64,
    /// When a node that stops is killed.
    kills: Vec<(u64, usize)>,
    /// When a node that got this version by mistake gets the next one again.
    mistakes: Vec<(u64, usize)>,
    plan: UpgradePlan,
    trace: Trace,
}

impl Upgrade {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let mut rng = SimRng::new(seed, 5);
        // Mostly when all nodes get the next version for good, but also while they are taken back.
        let automatic_at = rng.of(&[None, None, None, Some(1), Some(1), Some(1), Some(2), Some(3)]);
        Self {
            rng,
            waves: WAVES.into(),
            automatic_at,
            next_ms: 0,
            kills: Vec::new(),
            mistakes: Vec::new(),
            plan: UpgradePlan::default(),
            trace,
        }
    }

    /// The plan that its operator follows.
    pub(crate) fn plan(&self) -> &UpgradePlan {
        &self.plan
    }

    /// Restarts what is due. `level` is the feature level of the cluster, as far as any node knows.
    /// Begins nothing unless it `may_begin`; then only nodes that cannot go on get the next version.
    pub(crate) fn step(
        &mut self,
        ms: u64,
        may_begin: bool,
        level: u32,
        faults: &mut Faults,
        sim: &mut turmoil::Sim<'_>,
        shops: &[SimNode],
    ) {
        self.kill(ms, faults, sim, shops);
        if level > SimBuild::This.level() && !self.plan.is_risen.swap(true, Ordering::AcqRel) {
            self.trace.note("level raised", ms);
            self.waves.clear();
        }
        self.correct(ms, !may_begin, faults, sim, shops);
        if !may_begin || ms < self.next_ms {
            return;
        }
        self.next_ms = ms + 50 + self.rng.below(500);
        if self.plan.is_risen.load(Ordering::Acquire) {
            self.mistake(ms, faults, sim, shops);
        } else if let Some(wave) = self.waves.front().copied() {
            self.roll(wave, ms, faults, sim, shops);
        }
    }

    /// Restarts a node with the version that all get, or begins the next wave.
    fn roll(
        &mut self,
        wave: SimBuild,
        ms: u64,
        faults: &mut Faults,
        sim: &mut turmoil::Sim<'_>,
        shops: &[SimNode],
    ) {
        if self.automatic_at == Some(self.waves.len()) {
            self.plan.is_automatic.store(true, Ordering::Release);
        }
        // A node that has founded another cluster with the next version cannot be taken back.
        let lacks = |node: &usize| shops[*node].installed() != wave && !shops[*node].is_too_new_for(wave);
        let missing: Vec<usize> = (0..shops.len()).filter(lacks).collect();
        if missing.is_empty() {
            if shops.iter().all(|shop| shop.runs(wave) || shop.is_too_new_for(wave)) {
                self.waves.pop_front();
                self.next_ms = ms + self.rng.below(1500);
                if self.waves.len() == 1 {
                    self.trace.note("upgraded and taken back", ms);
                }
                self.plan.may_finish.store(self.waves.is_empty(), Ordering::Release);
            }
            return;
        }
        // One after the other, mostly.
        let is_away = |node: usize| faults.is_down(node) || shops[node].is_stopping();
        if (0..shops.len()).any(is_away) && self.rng.below(3) > 0 {
            return;
        }
        let node = self.rng.of(&missing);
        shops[node].install(wave);
        self.restart(node, ms, faults, sim, shops);
    }

    /// Gives a node this version by mistake, once the level has risen.
    fn mistake(&mut self, ms: u64, faults: &mut Faults, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        self.next_ms = ms + 500 + self.rng.below(2500);
        let node = usize::try_from(self.rng.below(shops.len() as u64)).expect("small");
        let is_away = faults.is_down(node) || shops[node].is_stopping();
        if is_away || shops[node].installed() == SimBuild::This || shops[node].server().is_none() {
            return;
        }
        shops[node].install(SimBuild::This);
        self.mistakes.push((ms + 2000 + self.rng.below(4000), node));
        if self.rng.below(3) == 0 && all_vote(shops) {
            self.trace.note("start on an empty disk", ms);
            faults.replace_disk(node, ms, sim, &shops[node]);
        } else {
            self.restart(node, ms, faults, sim, shops);
        }
    }

    /// Gives nodes the next version again: those that got this one by mistake after a while, and at
    /// the end all of them, if the level has risen or may rise.
    fn correct(
        &mut self,
        ms: u64,
        is_end: bool,
        faults: &mut Faults,
        sim: &mut turmoil::Sim<'_>,
        shops: &[SimNode],
    ) {
        let rises = [&self.plan.is_risen, &self.plan.may_finish, &self.plan.is_automatic];
        let may_rise = rises.iter().any(|rises| rises.load(Ordering::Acquire));
        let is_risen = self.plan.is_risen.load(Ordering::Acquire);
        for (node, shop) in shops.iter().enumerate().filter(|(_, shop)| shop.installed() == SimBuild::This) {
            let due = self.mistakes.iter().find(|(_, mistaken)| *mistaken == node).map(|(due, _)| *due);
            if is_end && may_rise && ms > 0 || is_risen && due.is_none_or(|due| ms >= due) {
                shop.install(SimBuild::Next);
                if !faults.is_down(node) {
                    faults.crash(node, ms, sim, shop);
                }
            }
        }
        self.mistakes.retain(|(due, _)| ms < *due);
    }

    fn restart(
        &mut self,
        node: usize,
        ms: u64,
        faults: &mut Faults,
        sim: &mut turmoil::Sim<'_>,
        shops: &[SimNode],
    ) {
        if faults.is_down(node) {
            return;
        }
        if self.rng.below(3) == 0 {
            faults.crash(node, ms, sim, &shops[node]);
        } else {
            shops[node].stop();
            self.kills.push((ms + STOPPED_WITHIN_MS, node));
        }
    }

    /// Kills the nodes that do not stop.
    fn kill(&mut self, ms: u64, faults: &mut Faults, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) {
        self.kills.retain(|(_, node)| shops[*node].is_stopping());
        for (_, node) in self.kills.extract_if(.., |(due, _)| *due <= ms) {
            faults.crash(node, ms, sim, &shops[node]);
        }
    }
}
