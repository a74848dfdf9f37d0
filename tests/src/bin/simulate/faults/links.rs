//! Links that are cut between nodes.

use super::{Faults, Mend};
use crate::node::SimNode;

impl Faults {
    /// Cuts the node off from all other nodes, in both directions. Clients still reach
    /// it.
    pub(super) fn cut_off(&mut self, node: usize, until: u64, sim: &turmoil::Sim<'_>, shops: &[SimNode]) {
        for far in (0..shops.len()).filter(|far| *far != node) {
            sim.partition(shops[node].name.as_str(), shops[far].name.as_str());
            self.mends.push((until, Mend::Repair(node, far)));
        }
    }

    /// Splits the nodes into two groups that cannot reach each other, or of which only
    /// one reaches the other.
    pub(super) fn split(&mut self, until: u64, sim: &turmoil::Sim<'_>, shops: &[SimNode]) {
        let side: Vec<u64> = shops.iter().map(|_| self.rng.below(2)).collect();
        let one_way = self.rng.below(3) == 0;
        let pairs = (0..shops.len()).flat_map(|a| (0..shops.len()).map(move |b| (a, b)));
        for (a, b) in pairs.filter(|(a, b)| side[*a] == 0 && side[*b] == 1) {
            let (from, to) = (shops[a].name.as_str(), shops[b].name.as_str());
            if one_way {
                sim.partition_oneway(from, to)
            } else {
                sim.partition(from, to)
            }
            self.mends.push((until, Mend::Repair(a, b)));
        }
    }
}
