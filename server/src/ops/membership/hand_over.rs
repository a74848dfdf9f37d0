//! Hands leadership over before the leader stops.
//!
//! Guards that a stop does not wait for an election that cannot take place: the other nodes stop as
//! well, or are down. The nodes say themselves that they stop, and are gone soon afterwards.

use std::{collections::BTreeSet, time::Duration};

use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, NodeState, NodeView, RaftRole, Rejection},
};
use tokio::time::{Instant, sleep};

use super::{MembershipManager, rejection};
use crate::ops::status;

/// The pause between two looks at the other nodes.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The number of looks in a row that must find too few nodes: a busy one answers late.
const LOOKS: u32 = 2;

impl MembershipManager {
    /// Hands leadership over to the most caught-up voter if this node is the leader. Does nothing if
    /// there is no other voter, and gives up once no other one can be elected.
    ///
    /// # Errors
    /// Why this node stops without having handed over.
    pub async fn hand_over(&self, deadline: Instant) -> Result<(), Rejection> {
        let Some(replica) = self.node.replica().filter(|replica| replica.leads()) else { return Ok(()) };
        let leading = self.unconfirmed(replica, deadline);
        if leading.view().settled_voters().len() < 2 {
            return Ok(());
        }
        tokio::select! {
            transferred = leading.transfer(None) => transferred.map(drop).map_err(rejection),
            () = self.no_election_possible() => {
                Err(Rejection::Unavailable("too few other voters stay up to elect a leader".to_owned()))
            }
        }
    }

    async fn no_election_possible(&self) {
        let mut outlook = ElectionOutlook::default();
        while !outlook.is_hopeless(self.node.name(), &status::cluster(&self.node).await) {
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the other nodes can elect a leader, from one look at them after another. Pure.
#[derive(Debug, Default)]
struct ElectionOutlook {
    /// The nodes that have said that they stop.
    stopping: BTreeSet<NodeName>,
    /// The number of looks in a row that found too few nodes.
    misses: u32,
}

impl ElectionOutlook {
    /// Whether none of the others can be elected any more, given what `own` sees now. It votes too.
    fn is_hopeless(&mut self, own: &NodeName, view: &ClusterView) -> bool {
        let is_other_voter =
            |node: &&NodeView| node.name != *own && node.role.is_some_and(|role| role != RaftRole::Learner);
        let (mut up, mut stopping) = (0, 0);
        for node in view.nodes.iter().filter(|node| node.name != *own) {
            match node.state {
                NodeState::Up => {
                    self.stopping.remove(&node.name);
                    up += u32::from(is_other_voter(&node));
                }
                NodeState::Stopping if is_other_voter(&node) => {
                    self.stopping.insert(node.name.clone());
                    stopping += 1;
                }
                _ => stopping += u32::from(self.stopping.contains(&node.name)),
            }
        }
        let can_elect = |others: u32| others > 0 && others + 1 >= view.quorum();
        self.misses = if can_elect(up) { 0 } else { self.misses + 1 };
        // The rest may only be slow to answer.
        self.misses >= LOOKS || !can_elect(view.voters.saturating_sub(1 + stopping))
    }
}

#[cfg(test)]
mod tests;
