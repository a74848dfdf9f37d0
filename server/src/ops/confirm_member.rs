//! Asks other members whether a node that this one does not know is a member.
//!
//! Raft lets a node follow a leader, and vote for a candidate, that its own membership does not
//! name yet: it may lag (Raft dissertation, section 4.1). A certificate alone must not be enough
//! for that, since a node that was removed still has one. So a member must confirm it whose log is
//! more up to date than this node's (Raft, section 5.4.1): then it knows of each change of the
//! membership that this node knows of. A node that has no vote yet also asks the members that it joins:
//! its log names the first members of the cluster before the present ones.

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

use crate::{
    node::{Node, replica::Replica},
    raft_types::StoredMembership,
};

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
    let asked = whom_to_ask(&replica.membership(), (replica.id(), node.name()), name, joins);
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

/// Returns where to ask about a node: the other members, and the members that this node joins as long
/// as it has no vote. `own` is this node.
fn whom_to_ask(
    membership: &StoredMembership,
    own: (NodeId, &NodeName),
    name: &NodeName,
    joins: &[Address],
) -> Vec<(Address, Expect)> {
    let others =
        membership.nodes().filter(|(id, member)| **id != own.0 && ![own.1, name].contains(&&member.name));
    let others = others.map(|(_, member)| (member.address.clone(), Expect::Node(member.name.clone())));
    let votes = membership.voter_ids().any(|voter| voter == own.0);
    let joins = joins.iter().filter(|_| !votes).map(|address| (address.clone(), Expect::AnyNode));
    others.chain(joins).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft_types::{Member, Membership};

    fn membership(members: &[(u64, &str)]) -> StoredMembership {
        let members: BTreeMap<_, _> = members
            .iter()
            .map(|(id, name)| {
                let address = format!("{name}:7400").parse().expect("legal");
                (NodeId(*id), Member { name: name.parse().expect("legal"), address })
            })
            .collect();
        let voters = vec![members.keys().copied().collect()];
        StoredMembership::new(None, Membership::new(voters, members).expect("a membership"))
    }

    /// The addresses at which peng, with this id, asks about hong.
    fn asked(id: u64, members: &[(u64, &str)]) -> Vec<String> {
        let name = |name: &str| name.parse::<NodeName>().expect("legal");
        let joins = ["long:7400".parse().expect("legal")];
        let asked = whom_to_ask(&membership(members), (NodeId(id), &name("peng")), &name("hong"), &joins);
        asked.into_iter().map(|(address, _)| address.to_string()).collect()
    }

    #[test]
    fn a_voter_asks_the_other_members() {
        let members = [(1, "ming"), (4, "hong"), (9, "peng")];
        assert_eq!(asked(9, &members), ["ming:7400"], "no node confirms itself");
        assert_eq!(asked(9, &[(1, "ming"), (9, "peng")]), ["ming:7400"]);
    }

    #[test]
    fn a_node_that_catches_up_asks_those_that_it_joins() {
        assert_eq!(asked(20, &[(1, "ming")]), ["ming:7400", "long:7400"], "its log names the founder alone");
        assert_eq!(asked(20, &[(9, "peng")]), ["long:7400"], "its old incarnation cannot answer");
    }
}
