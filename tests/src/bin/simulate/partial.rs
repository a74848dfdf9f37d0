//! A partial partition after all other faults: a majority is connected, but the leader is outside,
//! and one node of the majority still hears it.
//!
//! Such a leader must fall silent. Otherwise that node would refuse its vote to the others for as
//! long as it hears heartbeats (openraft's `docs/protocol/check_quorum.md`).

use std::time::Duration;

use crate::{entropy::SimRng, faults::all_vote, node::SimNode};

/// Maximum time until the connected majority has a leader that takes a write.
const LIVE_WITHIN_MS: u64 = 6000;

/// How long it may take until all nodes vote. If they do not, an operation was interrupted, and the
/// partition is left out.
const PATIENCE_MS: u64 = 5000;

/// The maximum latency of a link within the majority.
const LATENCY_MAX_MS: u64 = 40;

/// The partition, from before it begins until it has ended.
pub(crate) struct PartialPartition {
    rng: SimRng,
    stage: Stage,
}

enum Stage {
    /// Waits for a leader since this time, once there is one.
    Before(Option<u64>),
    During {
        since_ms: u64,
        cut: Vec<PartialCut>,
        slow: Vec<(usize, usize)>,
    },
    Over,
}

impl PartialPartition {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: SimRng::new(seed, 4), stage: Stage::Before(None) }
    }

    /// Whether it has ended, or was left out.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether it is in effect.
    pub(crate) fn is_on(&self) -> bool {
        matches!(self.stage, Stage::During { .. })
    }

    /// Begins and ends it. `written` says whether a write has succeeded during it. Returns the
    /// violation, if any.
    pub(crate) fn step(
        &mut self,
        ms: u64,
        written: bool,
        latency_max: Duration,
        sim: &mut turmoil::Sim<'_>,
        shops: &[SimNode],
    ) -> Option<String> {
        match &mut self.stage {
            Stage::Before(waits) => {
                let began = *waits.get_or_insert(ms);
                match shops.iter().position(SimNode::leads).filter(|_| all_vote(shops)) {
                    Some(leader) => self.stage = self.begin(ms, leader, sim, shops),
                    None if ms > began + PATIENCE_MS => self.stage = Stage::Over,
                    None => {}
                }
                None
            }
            Stage::During { since_ms, cut, slow } => {
                let late = ms > *since_ms + LIVE_WITHIN_MS;
                if written || late {
                    let name = |node: usize| shops[node].name.as_str();
                    cut.iter().for_each(|cut| sim.repair(name(cut.a), name(cut.b)));
                    for &(a, b) in &*slow {
                        sim.set_link_max_message_latency(name(a), name(b), latency_max);
                    }
                    self.stage = Stage::Over;
                }
                (late && !written).then(|| {
                    format!("liveness: a majority was connected for {LIVE_WITHIN_MS} ms, and took no write")
                })
            }
            Stage::Over => None,
        }
    }

    fn begin(&mut self, ms: u64, leader: usize, sim: &mut turmoil::Sim<'_>, shops: &[SimNode]) -> Stage {
        let name = |node: usize| shops[node].name.as_str();
        let PartialCuts { cut, inside } = cuts(&mut self.rng, leader, shops.len());
        cut.iter().for_each(|cut| cut.make(sim, shops));
        for &(a, b) in &inside {
            let latency = Duration::from_millis(1 + self.rng.below(LATENCY_MAX_MS));
            sim.set_link_max_message_latency(name(a), name(b), latency);
        }
        Stage::During { since_ms: ms, cut, slow: inside }
    }
}

/// The links of a partial partition.
pub(crate) struct PartialCuts {
    /// Links to cut.
    pub(crate) cut: Vec<PartialCut>,
    /// Links within the majority.
    pub(crate) inside: Vec<(usize, usize)>,
}

/// A link to cut, in one direction or both.
pub(crate) struct PartialCut {
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Only packets from `a` to `b` are lost.
    one_way: bool,
}

impl PartialCut {
    pub(crate) fn make(&self, sim: &turmoil::Sim<'_>, shops: &[SimNode]) {
        let (a, b) = (shops[self.a].name.as_str(), shops[self.b].name.as_str());
        if self.one_way { sim.partition_oneway(a, b) } else { sim.partition(a, b) }
    }
}

/// Draws a majority without the leader, of which one node still hears it.
pub(crate) fn cuts(rng: &mut SimRng, leader: usize, count: usize) -> PartialCuts {
    let mut others: Vec<usize> = (0..count).filter(|node| *node != leader).collect();
    let first = rng.below(others.len() as u64) as usize;
    others.rotate_left(first);
    let majority = &others[..=count / 2];
    let (mut cut, mut inside) = (Vec::new(), Vec::new());
    for a in 0..count {
        for b in a + 1..count {
            if majority.contains(&a) && majority.contains(&b) {
                inside.push((a, b));
            } else if [a, b] != [leader.min(majority[0]), leader.max(majority[0])] {
                cut.push(match rng.below(6) {
                    0 => PartialCut { a, b, one_way: true },
                    1 => PartialCut { a: b, b: a, one_way: true },
                    _ => PartialCut { a, b, one_way: false },
                });
            }
        }
    }
    PartialCuts { cut, inside }
}
