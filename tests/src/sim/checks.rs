//! What must be true of a cluster at all times: one property a file.
//!
//! Each is told of every node that is seen, in the order of time, and says when
//! its property does not hold. "Raft" is Ongaro's thesis, "Consensus: Bridging
//! Theory and Practice" (2014).

mod durable;
mod election;
mod leader_completeness;
mod log_matching;
mod membership;
mod node_ids;
mod purge;
mod state_machine;
#[cfg(test)]
mod tests;

use super::seen::Seen;

pub use self::{
    durable::DurableBeforeAnswered, election::ElectionSafety, leader_completeness::LeaderCompleteness,
    log_matching::LogMatching, membership::OneChangeAtATime, node_ids::NodeIdsOnce, purge::PurgedIsApplied,
    state_machine::StateMachineSafety,
};

/// A property that is watched.
pub trait Check {
    /// All nodes that can be seen are looked at next, at one moment.
    fn begin(&mut self) {}

    /// Looks at a node; says what is wrong, if anything is.
    fn look(&mut self, seen: &Seen) -> Result<(), String>;
}

/// All of them.
pub fn all() -> Vec<Box<dyn Check>> {
    vec![
        Box::new(DurableBeforeAnswered::default()),
        Box::new(ElectionSafety::default()),
        Box::new(LogMatching::default()),
        Box::new(LeaderCompleteness::default()),
        Box::new(StateMachineSafety::default()),
        Box::new(PurgedIsApplied),
        Box::new(OneChangeAtATime),
        Box::new(NodeIdsOnce::default()),
    ]
}
