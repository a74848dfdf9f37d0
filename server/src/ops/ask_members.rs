//! Asks all other members the same question.

use std::time::Duration;

use coffee_common::{
    id::NodeId,
    protocol::{Request, Response},
    quic::Expect,
};
use futures_util::future::join_all;

use crate::{
    node::{Node, replica::Replica},
    raft_types::Member,
};

/// Sends a request to every other member at once. Returns the responses that arrive in time.
pub(super) async fn ask_others(
    node: &Node,
    replica: &Replica,
    request: &Request,
    within: Duration,
) -> Vec<(NodeId, Member, Response)> {
    let membership = replica.membership();
    let cluster = Some(replica.cluster());
    let others = membership.nodes().filter(|(id, _)| **id != replica.id());
    let asked = others.map(|(id, member)| async move {
        let expect = Expect::Node(member.name.clone());
        let reply = node.pool().ask(&member.address, &expect, request, cluster.into(), within).await;
        Some((*id, member.clone(), reply.ok()?.result.ok()?))
    });
    join_all(asked).await.into_iter().flatten().collect()
}
