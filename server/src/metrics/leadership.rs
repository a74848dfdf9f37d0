//! Elections and lost leaderships by reason.

use super::Counter;

/// Why this node stood for election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionReason {
    /// It did not hear the leader for the lease and an election timeout.
    LeaderSilent,
    /// The leader handed over to it.
    Transfer,
    /// It knew no leader: the cluster is starting, or this node led before.
    NoLeader,
}

impl ElectionReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::LeaderSilent, Self::Transfer, Self::NoLeader];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeaderSilent => "leader_silent",
            Self::Transfer => "transfer",
            Self::NoLeader => "no_leader",
        }
    }
}

/// Why this node ceased to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// It heard no quorum for longer than the lease.
    QuorumSilent,
    /// It handed over.
    Transfer,
    /// Another node stood for election in a higher term.
    HigherTerm,
}

impl LossReason {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::QuorumSilent, Self::Transfer, Self::HigherTerm];

    /// Returns the exposed name.
    pub fn name(self) -> &'static str {
        match self {
            Self::QuorumSilent => "quorum_silent",
            Self::Transfer => "transfer",
            Self::HigherTerm => "higher_term",
        }
    }
}

/// Counts this node's elections and lost leaderships.
#[derive(Debug, Default)]
pub struct LeadershipMetrics {
    elections: [Counter; ElectionReason::ALL.len()],
    losses: [Counter; LossReason::ALL.len()],
}

impl LeadershipMetrics {
    /// The elections in which this node stood for this reason.
    pub fn elections(&self, reason: ElectionReason) -> &Counter {
        &self.elections[reason as usize]
    }

    /// The leaderships that this node lost for this reason.
    pub fn losses(&self, reason: LossReason) -> &Counter {
        &self.losses[reason as usize]
    }
}
