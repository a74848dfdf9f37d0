//! Keeps connections to the other members open before they are needed.
//!
//! Without this a candidate would first have to complete handshakes with the voters,
//! and a node that forwards its first request to a new leader would lose
//! milliseconds just when the cluster has no leader. Every node keeps two
//! connections to every member open, one per protocol: peer and client.

use std::{sync::Arc, time::Duration};

use coffee_common::quic::Expect;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{
    api::peer::PeerNetwork,
    node::{Node, replica::Replica},
};

/// How often all connections are checked.
const EVERY: Duration = Duration::from_secs(1);

/// How long a connection may take to open.
const DIAL_WITHIN: Duration = Duration::from_millis(900);

/// Runs as long as the replica.
pub(in crate::server) async fn keep_warm(node: Arc<Node>, replica: Arc<Replica>, network: PeerNetwork) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let membership = replica.membership();
        network.keep(|id| membership.get_node(&id).is_some());
        let others = membership.nodes().filter(|(id, _)| **id != replica.id());
        for (id, member) in others {
            network.warm(*id, member, node.heard_addresses().of(member).as_ref());
            let (node, member) = (Arc::clone(&node), member.clone());
            tokio::spawn(async move {
                let expect = Expect::Node(member.name);
                // An error is reported when a request needs the connection.
                let _ = timeout(DIAL_WITHIN, node.pool().channel(&member.address, &expect)).await;
            });
        }
    }
}
