//! Liveness at all times: while a majority of the voters reach each other and their disks work, a
//! client gets a write through, whatever else is broken.
//!
//! The clients know the first addresses of the nodes, and learn others from a node that they reach. A
//! majority whose members have all moved is not judged: no client can find it.
//!
//! The majority may be any one: the leader may be outside, and still be heard by a part of it, or
//! only in one direction (openraft's `docs/protocol/check_quorum.md`).

use std::collections::BTreeMap;

use coffee_common::id::NodeId;

use crate::{faults::Faults, node::SimNode};

/// How long a majority may be connected without a write.
const LIVE_WITHIN_MS: u64 = 5000;

/// Interval between two looks.
const EVERY_MS: u64 = 50;

/// An observer with memory.
#[derive(Debug, Default)]
pub(crate) struct MajorityWatch {
    /// Since when each of these sets of nodes has been a connected majority; a node is a bit.
    connected: BTreeMap<u32, u64>,
    written: u64,
    written_ms: u64,
    looks: u64,
}

impl MajorityWatch {
    /// How many times a majority was connected for as long as a write may take.
    pub(crate) fn looks(&self) -> u64 {
        self.looks
    }

    /// Observes all nodes at a moment when clients write all the time. `written` is the number of
    /// writes that were acknowledged so far. Returns the violation, if any.
    pub(crate) fn look(
        &mut self,
        ms: u64,
        written: u64,
        faults: &Faults,
        shops: &[SimNode],
    ) -> Option<String> {
        if written > self.written {
            (self.written, self.written_ms) = (written, ms);
        }
        if !ms.is_multiple_of(EVERY_MS) {
            return None;
        }
        let views: Vec<Option<View>> =
            shops.iter().enumerate().map(|(node, shop)| View::of(node, faults, shop)).collect();
        for set in 1_u32..1 << shops.len() {
            if !is_connected_majority(set, faults, &views) {
                self.connected.remove(&set);
                continue;
            }
            let since = *self.connected.entry(set).or_insert(ms);
            self.looks += u64::from(ms == since + LIVE_WITHIN_MS);
            if ms > since.max(self.written_ms) + LIVE_WITHIN_MS {
                let nodes = members(set, shops.len()).map(|node| shops[node].name.to_string());
                let nodes = nodes.collect::<Vec<_>>().join(", ");
                return Some(format!(
                    "liveness: {nodes} are a majority and were connected since {since} ms, and no write was acknowledged after {} ms",
                    self.written_ms
                ));
            }
        }
        None
    }
}

/// A node that works: its id, and the sets of voters that it knows.
struct View {
    id: NodeId,
    voters: Vec<Vec<NodeId>>,
    /// Whether it is at the address that the clients know.
    is_findable: bool,
}

impl View {
    fn of(node: usize, faults: &Faults, shop: &SimNode) -> Option<Self> {
        let raft = shop.status().filter(|_| !faults.is_broken(node) && !shop.is_stopping())?.raft?;
        Some(Self { id: raft.id, voters: raft.voters, is_findable: !shop.is_moved() })
    }
}

fn members(set: u32, nodes: usize) -> impl Iterator<Item = usize> + Clone {
    (0..nodes).filter(move |node| set & (1 << node) != 0)
}

/// Whether all these nodes work and reach each other, and are a majority of the voters as each of
/// them knows them: one that lags knows an older membership. Clients must find one of them.
fn is_connected_majority(set: u32, faults: &Faults, views: &[Option<View>]) -> bool {
    let nodes = members(set, views.len());
    let Some(views) = nodes.clone().map(|node| views[node].as_ref()).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let is_majority = |voters: &Vec<NodeId>| {
        views.iter().filter(|view| voters.contains(&view.id)).count() > voters.len() / 2
    };
    views.iter().any(|view| view.is_findable)
        && views.iter().all(|view| !view.voters.is_empty() && view.voters.iter().all(is_majority))
        && nodes.clone().all(|a| nodes.clone().filter(|b| *b > a).all(|b| faults.connects(a, b)))
}
