//! Asks other members whether a node that this one does not know is a member.
//!
//! Raft lets a node follow a leader, and vote for a candidate, that its own membership does not
//! name yet: it may lag (Raft dissertation, section 4.1). A certificate alone must not be enough
//! for that, since a node that was removed still has one. So a member must confirm it whose log is
//! more up to date than this node's (Raft, section 5.4.1): then it knows of each change of the
//! membership that this node knows of. A node that has no vote yet also asks the members that it joins,
//! about themselves as well: its log names the first members of the cluster before the present ones.
//!
//! The members that know may be down, while the node in question is the only one that can lead. So
//! if none of them answers a voter, it believes a node whose name its membership has under an older
//! id: it was given the newer one after that entry. This is weaker: until a member answers, it lets
//! a node pass that was admitted again and then removed. It lets another name pass only if an operator
//! has asked this node to boot it while it had no leader: all members that can lead may have come while it was off, and
//! what they say of themselves proves nothing.

mod answers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::{LastEntry, Rejection, Request, Response},
    quic::Expect,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::timeout;

pub use self::answers::Confirmation;

use self::answers::MemberAnswers;
use crate::{
    node::{Node, replica::Replica},
    raft_types::{Member, StoredMembership},
};

/// How long the others have to answer, or the lease if that is longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Confirms nodes for a replica.
pub struct MemberConfirmation {
    node: Weak<Node>,
    replica: Weak<Replica>,
    /// The members that this node joins.
    joins: Vec<Address>,
    answers: MemberAnswers,
}

impl MemberConfirmation {
    /// Confirms nodes for a replica. `joins` are the members that it joins, or once joined.
    pub fn new(node: &Arc<Node>, replica: &Arc<Replica>, joins: Vec<Address>) -> Self {
        let (node, replica) = (Arc::downgrade(node), Arc::downgrade(replica));
        Self { node, replica, joins, answers: MemberAnswers::default() }
    }

    /// Asks the other members, unless they have answered lately.
    pub async fn confirm(&self, id: NodeId, name: &NodeName) -> Confirmation {
        self.answers.get_or_ask(id, name, || self.ask(id, name)).await
    }

    async fn ask(&self, id: NodeId, name: &NodeName) -> Confirmation {
        let (Some(node), Some(replica)) = (self.node.upgrade(), self.replica.upgrade()) else {
            return Confirmation::Unknown;
        };
        let Some(after) = last_entry(&replica).await else { return Confirmation::Unknown };
        let question = Question { node: &node, replica: &replica, id, name, after };
        let answer = question.ask(&self.joins).await;
        let membership = replica.membership();
        let own = is_member(&membership, id, name).or((!votes(&membership, replica.id())).then_some(false));
        let is_wanted = !replica.hears_leader(node.lease())
            && node.boot_requests().contains(name, replica.membership_index());
        let confirmation = judge(answer, own.filter(|own| *own || !is_wanted));
        if confirmation == Confirmation::Assumed {
            let because = if is_wanted { "an operator boots it" } else { "of its name" };
            tracing::warn!(node = %name, %id, "no member confirms this node: believed because {because}");
        }
        confirmation
    }
}

/// Judges by what the members say, and by the own membership if they say nothing.
fn judge(answer: Option<bool>, own: Option<bool>) -> Confirmation {
    match (answer, own) {
        (Some(true), _) | (None, Some(true)) => Confirmation::Member,
        (Some(false), _) => Confirmation::NotMember,
        (None, None) => Confirmation::Assumed,
        (None, Some(false)) => Confirmation::Unknown,
    }
}

/// Whether a node is a member according to this membership. `None` if that has its name under an
/// older id: then the membership may be older than the node.
fn is_member(membership: &StoredMembership, id: NodeId, name: &NodeName) -> Option<bool> {
    let ids = membership.nodes().filter(|(_, member)| member.name == *name).map(|(id, _)| *id);
    let ids: BTreeSet<NodeId> = ids.collect();
    if ids.contains(&id) {
        return Some(true);
    }
    if ids.last().is_some_and(|last| *last < id) { None } else { Some(false) }
}

fn votes(membership: &StoredMembership, id: NodeId) -> bool {
    membership.voter_ids().any(|voter| voter == id)
}

/// Returns the addresses at which to ask, and whether any node may answer there; otherwise only a
/// member may. The members are asked wherever they may be: an address in the membership may be old.
fn whom_to_ask(
    membership: &StoredMembership,
    own: NodeId,
    joins: &[Address],
    heard: impl Fn(&Member) -> Option<Address>,
) -> BTreeMap<Address, bool> {
    let others = membership.nodes().filter(|(id, _)| **id != own);
    let of_others =
        others.flat_map(|(_, member)| std::iter::once(member.address.clone()).chain(heard(member)));
    let mut asked: BTreeMap<Address, bool> = of_others.map(|address| (address, false)).collect();
    for join in joins {
        *asked.entry(join.clone()).or_default() |= !votes(membership, own);
    }
    asked
}

/// A question to the other members.
struct Question<'a> {
    node: &'a Node,
    replica: &'a Replica,
    id: NodeId,
    name: &'a NodeName,
    /// The last entry of the own log.
    after: LastEntry,
}

impl Question<'_> {
    /// Returns what those say that can tell, as soon as one says that the node is a member.
    async fn ask(&self, joins: &[Address]) -> Option<bool> {
        let membership = self.replica.membership();
        let heard = |member: &Member| self.node.heard_addresses().of(member);
        let mut asked = whom_to_ask(&membership, self.replica.id(), joins, heard);
        asked.remove(self.node.address());
        let others = membership.nodes().map(|(_, member)| &member.name);
        let others: BTreeSet<_> =
            others.filter(|other| ![self.name, self.node.name()].contains(other)).collect();
        let asked = asked.iter().map(|(address, any)| self.ask_at(address, (!any).then_some(&others)));
        let mut answers: FuturesUnordered<_> = asked.collect();
        let mut last = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Some(true) => return Some(true),
                Some(false) => last = Some(false),
                None => {}
            }
        }
        last
    }

    /// Asks the node at an address, if it is one of these, if they are given.
    async fn ask_at(&self, address: &Address, among: Option<&BTreeSet<&NodeName>>) -> Option<bool> {
        let request = Request::ConfirmMember { node: self.name.clone(), id: self.id, after: self.after };
        let within = ANSWER_WITHIN.max(self.node.lease());
        let answer = async {
            let channel = self.node.pool().channel(address, &Expect::AnyNode).await.ok()?;
            if among.is_some_and(|among| !among.contains(&channel.peer().name)) {
                return None;
            }
            let cluster = Some(self.replica.cluster());
            match channel.ask(&request, cluster.into(), within).await.ok()?.result {
                Ok(Response::Done { .. }) => Some(true),
                Err(Rejection::NotFound(_)) => Some(false),
                _ => None,
            }
        };
        timeout(within, answer).await.ok().flatten()
    }
}

/// Says whether a node is a member, if this node's log is more up to date than the asking one's.
///
/// # Errors
/// [`Rejection::NotFound`]: it is not. Any other: this node cannot tell.
pub async fn confirm(
    node: &Node,
    name: &NodeName,
    id: NodeId,
    after: LastEntry,
) -> Result<Response, Rejection> {
    let replica = node.serving()?;
    let unsure = || Rejection::Unavailable(format!("{} knows no more than the asking node", node.name()));
    let last = last_entry(&replica).await.filter(|last| *last > after).ok_or_else(unsure)?;
    match is_member(&replica.membership(), id, name) {
        Some(true) => Ok(Response::Done { changed: false }),
        Some(false) => {
            Err(Rejection::NotFound(format!("{name} is not member {id} as of entry {}", last.index)))
        }
        None => Err(unsure()),
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
    use crate::raft_types::Membership;

    fn name(name: &str) -> NodeName {
        name.parse().expect("legal")
    }

    fn address(text: &str) -> Address {
        text.parse().expect("legal")
    }

    fn membership(members: &[(u64, &str)]) -> StoredMembership {
        let member = |text: &str| Member { name: name(text), address: address(&format!("{text}:7400")) };
        let members: BTreeMap<_, _> = members.iter().map(|(id, text)| (NodeId(*id), member(text))).collect();
        let voters = vec![members.keys().copied().collect()];
        StoredMembership::new(None, Membership::new(voters, members).expect("a membership"))
    }

    /// The addresses at which peng, with this id, asks. It joins hong and long; hong says that it has moved.
    fn asked(id: u64, members: &[(u64, &str)]) -> String {
        let joins = ["hong:7400", "long:7400"].map(address);
        let heard = |member: &Member| (member.name == name("hong")).then(|| address("hong:7401"));
        let asked = whom_to_ask(&membership(members), NodeId(id), &joins, heard);
        let shown = |(address, any)| format!("{address}{}", if any { " any" } else { "" });
        asked.into_iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_voter_asks_the_other_members_wherever_they_may_be() {
        let members = [(1, "ming"), (4, "hong"), (9, "peng")];
        assert_eq!(asked(9, &members), "hong:7400, hong:7401, long:7400, ming:7400");
    }

    #[test]
    fn a_node_that_catches_up_asks_those_that_it_joins() {
        assert_eq!(asked(20, &[(1, "ming")]), "hong:7400 any, long:7400 any, ming:7400", "the founder alone");
        let old = "its old incarnation cannot answer, and is asked in vain";
        assert_eq!(asked(20, &[(9, "peng")]), "hong:7400 any, long:7400 any, peng:7400", "{old}");
    }

    #[test]
    fn an_older_membership_does_not_deny_a_newer_id() {
        let old = membership(&[(1, "ming"), (2, "hong"), (3, "peng")]);
        let new = membership(&[(1, "ming"), (2, "hong"), (57, "peng")]);
        // While peng is a learner under its new id.
        let both = membership(&[(1, "ming"), (2, "hong"), (3, "peng"), (57, "peng")]);
        let none = StoredMembership::default();
        for (known, id, of, expected) in [
            (&old, 3, "peng", Some(true)),
            (&old, 57, "peng", None),
            (&old, 57, "long", Some(false)),
            (&old, 3, "hong", None),
            (&new, 57, "peng", Some(true)),
            (&new, 3, "peng", Some(false)),
            (&both, 3, "peng", Some(true)),
            (&both, 57, "peng", Some(true)),
            (&both, 56, "peng", Some(false)),
            (&both, 58, "peng", None),
            (&none, 57, "peng", Some(false)),
        ] {
            assert_eq!(is_member(known, NodeId(id), &name(of)), expected, "{of} as {id}");
        }
    }

    #[test]
    fn only_if_no_member_can_tell_the_name_is_enough() {
        for (answer, own, expected) in [
            (Some(true), Some(false), Confirmation::Member),
            (Some(true), None, Confirmation::Member),
            (Some(false), None, Confirmation::NotMember),
            (None, None, Confirmation::Assumed),
            (None, Some(false), Confirmation::Unknown),
            // Its entry has arrived meanwhile.
            (None, Some(true), Confirmation::Member),
        ] {
            assert_eq!(judge(answer, own), expected, "{answer:?}, own {own:?}");
        }
    }
}
