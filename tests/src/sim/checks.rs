//! Invariants of a cluster that must hold at all times, one per file.
//!
//! Each check receives observations of all nodes, in order of time, and reports when its
//! invariant is violated. "Raft" is Ongaro's thesis, "Consensus: Bridging Theory and
//! Practice" (2014).

mod durable;
mod election;
mod feature_level;
mod leader_completeness;
mod log_matching;
mod membership;
mod node_ids;
pub mod operators;
mod purge;
mod state_machine;
#[cfg(test)]
mod tests;

use super::observation::Observation;

pub use self::{
    durable::DurableBeforeAnswered, election::ElectionSafety, feature_level::FeatureLevels,
    leader_completeness::LeaderCompleteness, log_matching::LogMatching, membership::OneChangeAtATime,
    node_ids::NodeIdsOnce, purge::PurgedIsApplied, state_machine::StateMachineSafety,
};

/// An invariant under observation.
pub trait SafetyCheck {
    /// Begins a round: all observable nodes follow, as of one moment.
    fn begin(&mut self) {}

    /// Checks one node's observation. Returns the violation, if any.
    fn look(&mut self, seen: &Observation) -> Result<(), String>;
}

/// All checks.
pub fn all() -> Vec<Box<dyn SafetyCheck>> {
    vec![
        Box::new(DurableBeforeAnswered::default()),
        Box::new(ElectionSafety::default()),
        Box::new(LogMatching::default()),
        Box::new(LeaderCompleteness::default()),
        Box::new(StateMachineSafety::default()),
        Box::new(PurgedIsApplied),
        Box::new(OneChangeAtATime),
        Box::new(NodeIdsOnce::default()),
        Box::new(FeatureLevels::default()),
    ]
}
