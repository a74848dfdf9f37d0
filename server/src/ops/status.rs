//! Read-only views: of this node, and of all nodes as this one reaches them.
//!
//! Works without a leader and without a quorum: it is what an operator looks
//! at when there is none. Changes nothing.

mod cluster;
mod own;
pub mod ready;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{ClusterView, NodeStatus, Request, Response},
    quic::Expect,
};
use tokio::task::JoinSet;

use self::cluster::{KnownNode, compose};
pub use self::own::own;
pub(crate) use self::own::{ROLES, role};
use crate::node::Node;

/// Whoever has not answered after this long counts as not reached.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// All nodes that this one knows of, each asked for its own view.
pub async fn cluster(node: &Arc<Node>) -> ClusterView {
    let own = own(node);
    let known = known(node);
    let others = known.iter().filter(|known| known.name != own.name);
    let mut asking = JoinSet::new();
    for known in others {
        let (node, name, address) = (Arc::clone(node), known.name.clone(), known.address.clone());
        asking.spawn(async move { (name.clone(), ask(&node, &name, &address).await) });
    }
    let mut reached = BTreeMap::new();
    while let Some(answer) = asking.join_next().await {
        if let Ok((name, Some(status))) = answer {
            reached.insert(name, status);
        }
    }
    reached.insert(own.name.clone(), own.clone());
    compose(&own, known, &reached)
}

/// A node's view of itself, if it can be reached.
pub async fn ask(node: &Node, name: &NodeName, address: &Address) -> Option<NodeStatus> {
    let expect = Expect::Node(name.clone());
    let reply = node.pool().ask(address, &expect, &Request::Status, None, ANSWER_WITHIN).await.ok()?;
    match reply.result {
        Ok(Response::Status(status)) => Some(*status),
        _ => None,
    }
}

/// Every node on record, and every member, whether on record yet or not.
pub fn known(node: &Node) -> Vec<KnownNode> {
    let Some(replica) = node.replica() else { return Vec::new() };
    let mut known: BTreeMap<NodeId, KnownNode> = BTreeMap::new();
    for record in replica.state().nodes().unwrap_or_default() {
        known.insert(record.id, KnownNode::of_record(record));
    }
    for (id, member) in replica.membership().nodes() {
        known.entry(*id).or_insert_with(|| KnownNode {
            id: *id,
            name: member.name.clone(),
            address: member.address.clone(),
            standing: None,
        });
    }
    known.into_values().collect()
}
