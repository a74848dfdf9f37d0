//! Keeps connections to the other members warm, before they are needed.
//!
//! A candidate that first has to shake hands with its voters, or a node that
//! passes its first request on to a new leader, loses milliseconds just when
//! the cluster has no leader. So every node keeps both of its connections to
//! every member open: the peers' and the clients'.

use std::{sync::Arc, time::Duration};

use coffee_common::quic::Expect;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    api::peer::PeerNetwork,
    node::{Node, replica::Replica},
};

/// How often it is looked whether all connections are there.
const EVERY: Duration = Duration::from_secs(1);

/// How long the connections have to come about.
const DIAL_WITHIN: Duration = Duration::from_millis(900);

/// Runs for as long as the node has this part in its cluster.
pub(in crate::server) async fn keep_warm(node: Arc<Node>, replica: Arc<Replica>, network: PeerNetwork) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let membership = replica.membership();
        let others = membership.nodes().filter(|(id, _)| **id != replica.id());
        for (id, member) in others {
            network.warm(*id, member);
            let (node, member) = (Arc::clone(&node), member.clone());
            tokio::spawn(async move {
                let expect = Expect::Node(member.name);
                // Whoever needs the connection later will say what is wrong with it.
                let _ = timeout(DIAL_WITHIN, node.pool().channel(&member.address, &expect)).await;
            });
        }
    }
}
