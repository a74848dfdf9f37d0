//! Looks at all shops as time goes on, and has what it sees checked.

use std::collections::BTreeMap;

use coffee_common::{
    id::NodeId,
    protocol::{NodeStatus, RaftRole, RaftStatus},
};
use coffee_tests::sim::{
    checks::{self, Check},
    seen::Seen,
};

use crate::{inside, node::Shop, trace::Trace};

/// Between two looks inside, in simulated milliseconds.
const INSIDE_EVERY_MS: u64 = 250;

/// Somebody who looks, and remembers.
pub(crate) struct Watch {
    checks: Vec<Box<dyn Check>>,
    /// What was last seen of each shop.
    last: BTreeMap<String, Seen>,
    trace: Trace,
    /// Whether the latest term has a leader.
    led: bool,
}

impl Watch {
    pub(crate) fn new(trace: Trace) -> Self {
        Self { checks: checks::all(), last: BTreeMap::new(), trace, led: false }
    }

    /// Whether the latest term that anybody is in has a leader.
    pub(crate) fn led(&self) -> bool {
        self.led
    }

    /// Looks at all shops; says what is wrong.
    pub(crate) fn look(&mut self, ms: u64, shops: &[Shop]) -> Vec<String> {
        let inside = ms.is_multiple_of(INSIDE_EVERY_MS);
        let mut wrong = Vec::new();
        let mut all: Vec<Seen> = shops.iter().filter_map(|shop| self.see(shop, inside, &mut wrong)).collect();
        let term = all.iter().map(|seen| seen.term).max();
        self.led = all.iter().any(|seen| seen.leads && Some(seen.term) == term);
        // Leaders last: what they count on has then been seen.
        all.sort_by_key(|seen| seen.leads);
        self.checks.iter_mut().for_each(|check| check.begin());
        for seen in all {
            for check in &mut self.checks {
                wrong.extend(check.look(&seen).err());
            }
        }
        wrong
    }

    /// What there is to see of a shop; also while it is down, if it has been seen before.
    fn see(&mut self, shop: &Shop, inside: bool, wrong: &mut Vec<String>) -> Option<Seen> {
        let replica = shop.replica();
        // Storage that is poisoned answers nobody: the node is as good as down.
        let status =
            replica.as_ref().and_then(|replica| replica.state().nodes().ok()).and_then(|_| shop.status());
        let disk = shop.disk.generation();
        let mut seen =
            match status.as_ref().and_then(|status| status.raft.as_ref().map(|raft| (status, raft))) {
                Some((status, raft)) => from_status(status, raft, disk),
                None if !inside => return None,
                None => self.down(shop, disk)?,
            };
        if inside {
            match inside::look(&shop.disk, NodeId(seen.id), replica.as_deref()) {
                Ok(inside) => {
                    self.trace.note("look inside", inside.last());
                    seen.inside = Some(inside);
                }
                Err(error) => wrong.push(error),
            }
            self.last.insert(seen.name.clone(), Seen { inside: None, ..seen.clone() });
        }
        Some(seen)
    }

    /// A shop that does not run has a disk all the same.
    fn down(&self, shop: &Shop, disk: u64) -> Option<Seen> {
        let last = self.last.get(shop.name.as_str()).filter(|last| last.disk == disk)?;
        Some(Seen { leads: false, matched: Vec::new(), ..last.clone() })
    }
}

fn from_status(status: &NodeStatus, raft: &RaftStatus, disk: u64) -> Seen {
    Seen {
        name: status.name.to_string(),
        disk,
        id: raft.id.0,
        term: raft.term,
        leads: raft.role == RaftRole::Leader,
        applied: raft.applied.0,
        last_log: raft.last_log.0,
        purged: raft.purged.0,
        matched: raft.matched.iter().map(|(id, matched)| (id.0, matched.0)).collect(),
        inside: None,
    }
}
