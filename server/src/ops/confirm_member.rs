//! Asks other members whether a node that this one does not know is a member.
//!
//! Raft lets a node follow a leader, and vote for a candidate, that its own membership does not
//! name yet: it may lag (Raft dissertation, section 4.1). A certificate alone must not be enough
//! for that, since a node that was removed still has one. So a member must confirm it whose log is
//! more up to date than this node's (Raft, section 5.4.1): then it knows of each change of the
//! membership that this node knows of. A node without a membership asks the members that it joins.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use coffee_common::{
    id::{Address, NodeId, NodeName},
    limits::NODES_MAX,
    protocol::{LastEntry, Rejection, Request, Response},
    quic::Expect,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::node::{Node, replica::Replica};

/// How long the others have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long an answer counts, and the least time between two questions about a name.
const CONFIRMED_FOR: Duration = Duration::from_secs(5);
const DENIED_FOR: Duration = Duration::from_secs(1);

/// Confirms nodes. Asks about one at a time.
pub struct MemberConfirmation {
    node: Weak<Node>,
    replica: Weak<Replica>,
    /// The members that this node joins.
    joins: Vec<Address>,
    answers: Mutex<BTreeMap<NodeName, Answer>>,
}

#[derive(Clone, Copy)]
struct Answer {
    id: NodeId,
    is_member: bool,
    at: Instant,
}

impl Answer {
    fn is_fresh(&self) -> bool {
        self.at.elapsed() < if self.is_member { CONFIRMED_FOR } else { DENIED_FOR }
    }
}

impl MemberConfirmation {
    /// Confirms nodes for a replica. `joins` are the members that it joins, if it does.
    pub fn new(node: &Arc<Node>, replica: &Arc<Replica>, joins: Vec<Address>) -> Self {
        let (node, replica) = (Arc::downgrade(node), Arc::downgrade(replica));
        Self { node, replica, joins, answers: Mutex::default() }
    }

    /// Returns whether another member says that this node is one.
    pub async fn is_member(&self, id: NodeId, name: &NodeName) -> bool {
        let (Some(node), Some(replica)) = (self.node.upgrade(), self.replica.upgrade()) else { return false };
        let mut answers = self.answers.lock().await;
        if let Some(answer) = answers.get(name).filter(|answer| answer.is_fresh()) {
            return answer.is_member && answer.id == id;
        }
        let asking = ask(&node, &replica, &self.joins, id, name);
        let is_member = timeout(ANSWER_WITHIN, asking).await.unwrap_or(false);
        answers.retain(|_, answer| answer.is_fresh());
        if answers.len() < NODES_MAX {
            answers.insert(name.clone(), Answer { id, is_member, at: Instant::now() });
        }
        is_member
    }
}

async fn ask(node: &Node, replica: &Replica, joins: &[Address], id: NodeId, name: &NodeName) -> bool {
    let Some(after) = last_entry(replica).await else { return false };
    let request = Request::ConfirmMember { node: name.clone(), id, after };
    let membership = replica.membership();
    let others = membership.nodes().filter(|(other, member)| **other != replica.id() && member.name != *name);
    let mut asked: Vec<(Address, Expect)> =
        others.map(|(_, member)| (member.address.clone(), Expect::Node(member.name.clone()))).collect();
    if membership.nodes().next().is_none() {
        asked.extend(joins.iter().map(|address| (address.clone(), Expect::AnyNode)));
    }
    let cluster = Some(replica.cluster());
    let mut answers: FuturesUnordered<_> = asked
        .iter()
        .map(|(address, expect)| node.pool().ask(address, expect, &request, cluster.into(), ANSWER_WITHIN))
        .collect();
    while let Some(answer) = answers.next().await {
        if let Ok(Ok(Response::Done { .. })) = answer.map(|reply| reply.result) {
            return true;
        }
    }
    false
}

/// Says whether a node is a member, if this node's log is more up to date than the asking one's.
///
/// # Errors
/// It is not, or this node cannot tell.
pub async fn confirm(
    node: &Node,
    name: &NodeName,
    id: NodeId,
    after: LastEntry,
) -> Result<Response, Rejection> {
    let replica = node.serving()?;
    let unsure = || Rejection::Unavailable(format!("{} knows no more than the asking node", node.name()));
    let last = last_entry(&replica).await.filter(|last| *last > after).ok_or_else(unsure)?;
    let membership = replica.membership();
    match membership.get_node(&id).filter(|member| member.name == *name) {
        Some(_) => Ok(Response::Done { changed: false }),
        None => Err(Rejection::NotFound(format!("{name} is not member {id} as of entry {}", last.index))),
    }
}

/// The last entry of this node's log; `None` if consensus has stopped.
async fn last_entry(replica: &Replica) -> Option<LastEntry> {
    let last = replica.last_log_id().await?;
    Some(last.map_or(LastEntry::default(), |last| LastEntry { term: last.leader_id.term, index: last.index }))
}
