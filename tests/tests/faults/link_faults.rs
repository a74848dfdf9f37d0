//! Network faults. Each asserts that it hit packets.

use crate::support::round::{FaultEnvironment, InjectedFault};

/// A fault of a node's links.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LinkFault {
    /// The node and its peers cannot reach each other. Clients reach all nodes.
    CutOff,
    /// The node receives nothing from its peers; they receive its packets.
    Deaf,
    /// Its peers receive nothing from the node; it receives their packets.
    Mute,
    /// 30 % of the packets to and from the node are lost.
    Lossy,
}

impl InjectedFault for LinkFault {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let network = environment.network();
        match self {
            Self::CutOff => network.cut_off(victim),
            Self::Deaf => network.deafen(victim),
            Self::Mute => network.mute(victim),
            Self::Lossy => network.lose(victim, 30),
        }
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let hit = environment.network().heal();
        assert!(hit > 0, "the fault hit no packet of {victim}: the round is void");
    }
}

/// A link of one megabit per second in each direction, with a queue of 400 ms.
pub(crate) struct Slow;

impl InjectedFault for Slow {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.network().slow(victim, 1000);
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let hit = environment.network().hasten(victim);
        assert!(hit > 0, "no packet of {victim} had to wait: the round is void");
    }
}
