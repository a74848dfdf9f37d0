//! Observes all nodes over time, and runs the checks.

use std::collections::BTreeMap;

use coffee_common::{
    command::{MemberState, NodeRecord},
    protocol::{NodeStatus, RaftRole, RaftStatus},
};
use coffee_tests::sim::{
    checks::{self, SafetyCheck, operators::MemberHistory},
    observation::{Observation, RecordLine, Standing},
};

use crate::{node::SimNode, trace::Trace};

/// Interval between disk examinations, in simulated milliseconds.
const INSIDE_EVERY_MS: u64 = 250;

/// An observer with memory.
pub(crate) struct NodeObserver {
    checks: Vec<Box<dyn SafetyCheck>>,
    /// The last observation of each node.
    last: BTreeMap<String, Observation>,
    trace: Trace,
    /// The cluster's members over time.
    members: MemberHistory,
    /// Whether the latest term has a leader.
    led: bool,
    /// The highest feature level that any node has applied.
    level: u32,
}

impl NodeObserver {
    pub(crate) fn new(trace: Trace) -> Self {
        Self {
            checks: checks::all(),
            last: BTreeMap::new(),
            trace,
            members: MemberHistory::default(),
            led: false,
            level: 0,
        }
    }

    /// Whether the latest term of any node has a leader.
    pub(crate) fn led(&self) -> bool {
        self.led
    }

    /// The highest feature level that any node has applied.
    pub(crate) fn level(&self) -> u32 {
        self.level
    }

    /// The cluster's members over time.
    pub(crate) fn members(&self) -> &MemberHistory {
        &self.members
    }

    /// Observes all nodes, and returns violations.
    pub(crate) fn look(&mut self, ms: u64, shops: &[SimNode]) -> Vec<String> {
        let inside = ms.is_multiple_of(INSIDE_EVERY_MS);
        let mut wrong = Vec::new();
        let mut all: Vec<Observation> =
            shops.iter().filter_map(|shop| self.see(shop, inside, &mut wrong)).collect();
        let term = all.iter().map(|seen| seen.term).max();
        self.led = all.iter().any(|seen| seen.leads && Some(seen.term) == term);
        for shop in shops {
            self.members.look_at_disk(ms, shop.name.as_str(), shop.disk.generation());
            if shop.is_stopping() {
                self.members.look_at_stop(ms, shop.name.as_str());
            }
            for id in shop.take_removed() {
                self.members.look_at_removed(ms, shop.name.as_str(), id);
            }
            wrong.extend(shop.take_wrong());
        }
        all.iter().for_each(|seen| self.members.look(ms, seen));
        // Leaders last: the followers that they count on come first.
        all.sort_by_key(|seen| seen.leads);
        self.checks.iter_mut().for_each(|check| check.begin());
        for seen in all {
            for check in &mut self.checks {
                wrong.extend(check.look(&seen).err());
            }
        }
        wrong
    }

    /// Observes a node; also one that is down, if it was observed before.
    fn see(&mut self, shop: &SimNode, inside: bool, wrong: &mut Vec<String>) -> Option<Observation> {
        let replica = shop.server().and_then(|server| server.replica());
        let status = replica.as_ref().and_then(|_| shop.status());
        let disk = shop.disk.generation();
        let raft = status.as_ref().and_then(|status| Some((status, status.raft.as_ref()?)));
        let mut seen = match replica.zip(raft) {
            Some((replica, (status, raft))) => {
                self.level = self.level.max(replica.level);
                Observation {
                    stalled: shop.disk.is_stalled(),
                    members: replica.members,
                    handed_over: replica.handed_over,
                    ..from_status(status, raft, disk)
                }
            }
            None if !inside => return None,
            None => self.down(shop, disk)?,
        };
        if inside {
            match shop.look_inside(seen.id) {
                Ok(inside) => {
                    self.trace.note("look inside", inside.last());
                    seen.inside = Some(inside);
                }
                Err(error) => wrong.push(error),
            }
            self.last.insert(seen.name.clone(), Observation { inside: None, ..seen.clone() });
        }
        Some(seen)
    }

    /// A node that is down still has a disk.
    fn down(&self, shop: &SimNode, disk: u64) -> Option<Observation> {
        let last = self.last.get(shop.name.as_str()).filter(|last| last.disk == disk)?;
        Some(Observation { leads: false, matched: Vec::new(), members: None, ..last.clone() })
    }
}

fn from_status(status: &NodeStatus, raft: &RaftStatus, disk: u64) -> Observation {
    Observation {
        name: status.name.to_string(),
        disk,
        id: raft.id.0,
        term: raft.term,
        leads: raft.role == RaftRole::Leader,
        handed_over: 0,
        knows: status.level.0,
        applied: raft.applied.0,
        last_log: raft.last_log.0,
        purged: raft.purged.0,
        matched: raft.matched.iter().map(|(id, matched)| (id.0, matched.0)).collect(),
        stalled: false,
        members: None,
        records: raft.nodes.iter().map(record).collect(),
        inside: None,
    }
}

fn record(record: &NodeRecord) -> RecordLine {
    let standing = match record.standing {
        MemberState::Shutdown => Standing::Shutdown,
        MemberState::Joining | MemberState::Member => Standing::Live,
        MemberState::Announced => Standing::Announced,
    };
    RecordLine { id: record.id.0, name: record.name.to_string(), standing }
}
