//! What happens to the links of a node. Each proves that it hit packets.

use crate::round::{Fault, Scene};

/// What to do to the links of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Links {
    /// The node and its peers hear nothing of each other; clients reach all.
    CutOff,
    /// The node hears nothing of its peers, but they hear it.
    Deaf,
    /// Its peers hear nothing of the node, but it hears them.
    Mute,
    /// Of ten packets to the node or from it three are lost.
    Lossy,
}

impl Fault for Links {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        let network = scene.network();
        match self {
            Self::CutOff => network.cut_off(victim),
            Self::Deaf => network.deafen(victim),
            Self::Mute => network.mute(victim),
            Self::Lossy => network.lose(victim, 30),
        }
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        let hit = scene.network().heal();
        assert!(hit > 0, "the fault hit no packet of {victim}: the round is void");
    }
}

/// A link of one megabit per second in each direction, with a queue of 400 ms.
pub(crate) struct Slow;

impl Fault for Slow {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        scene.network().slow(victim, 1000);
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        let hit = scene.network().hasten(victim);
        assert!(hit > 0, "no packet of {victim} had to wait: the round is void");
    }
}
