//! Decides which changes of leadership and membership are allowed.
//!
//! Pure: from a [`LeaderView`] to a verdict; each rule is a line in a table of tests.
//! Guards that no change leaves the cluster without a leader or a quorum: openraft
//! cannot revert a transfer, and a removed voter no longer votes.

use std::collections::BTreeSet;

use coffee_common::{
    command::{MemberState, NodeRecord},
    id::{Address, NodeId, NodeName},
    protocol::Rejection,
};

use super::leader_view::{LeaderView, find};

/// A node whose log lags by at most this many entries has caught up: one append
/// carries the rest.
pub(super) const CAUGHT_UP_ENTRIES: u64 = 1024;

/// Returns the node to transfer leadership to; `None` if `to` is the leader already.
pub(super) fn successor(view: &LeaderView, to: Option<&NodeName>) -> Result<Option<NodeId>, Rejection> {
    if view.voters.len() > 1 {
        return Err(Rejection::Unavailable("a membership change is in progress".to_owned()));
    }
    // The successor asks the leader for its vote there, and a leader that hands over falls silent.
    if !view.is_found {
        let name = view.name(view.me);
        return Err(Rejection::Unavailable(format!(
            "the cluster does not know the new address of {name} yet"
        )));
    }
    match to {
        Some(name) => named_successor(view, name),
        None => best_successor(view).map(Some),
    }
}

fn named_successor(view: &LeaderView, name: &NodeName) -> Result<Option<NodeId>, Rejection> {
    let Some(id) = view.member(name) else { return Err(not_a_member(name)) };
    if id == view.me {
        return Ok(None);
    }
    if !view.votes(id) {
        return Err(refused(
            format!("{name} is not a voter yet, so it cannot lead"),
            format!("wait until it has caught up: coffeectl wait --for voter --node {name}"),
        ));
    }
    if !view.answers(id) {
        return Err(refused(
            format!("{name} does not answer"),
            "check the nodes with: coffeectl list".to_owned(),
        ));
    }
    if !has_caught_up(view, id) {
        return Err(refused(
            format!("{name} lags the leader by {}", lag_in_words(view, id)),
            "let it catch up first, or name another node".to_owned(),
        ));
    }
    Ok(Some(id))
}

/// The most caught-up voter; of several, the one with the most recent contact.
fn best_successor(view: &LeaderView) -> Result<NodeId, Rejection> {
    let voters = view.settled_voters();
    let ready = voters
        .iter()
        .filter(|id| **id != view.me && view.answers(**id) && has_caught_up(view, **id))
        .min_by_key(|id| (view.lag(**id), view.last_contact.get(id).copied()));
    match ready {
        Some(id) => Ok(*id),
        None if voters.len() <= 1 => Err(refused(
            "there is no other voter to lead".to_owned(),
            "add another node first: coffeectl boot NODE".to_owned(),
        )),
        None => Err(refused(
            "no other voter answers and has caught up".to_owned(),
            "check the nodes with: coffeectl list".to_owned(),
        )),
    }
}

/// The number of voters before and after a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// Whether the cluster keeps a quorum if a node is removed from the membership.
pub(super) fn may_remove(view: &LeaderView, node: NodeId) -> Result<Count, Rejection> {
    let before = view.settled_voters();
    let mut after = before.clone();
    after.remove(&node);
    let count = Count { before: len(&before), after: len(&after) };
    if count.before == count.after {
        return Ok(count);
    }
    let name = view.name(node);
    if after.is_empty() {
        return Err(refused(
            format!("{name} is the last voter: without it there is no cluster"),
            format!("to stop it temporarily, stop its daemon: systemctl stop coffeed (on {name})"),
        ));
    }
    let there = after.iter().filter(|id| view.answers(**id)).count();
    if there < quorum(&after) {
        let gone = after.iter().filter(|id| !view.answers(**id)).map(|id| view.name(*id));
        let gone = gone.collect::<Vec<_>>().join(", ");
        return Err(refused(
            format!(
                "without {name}, only {} of {} voters would be reachable, less than a quorum (no answer from {gone})",
                there, count.after
            ),
            "bring these nodes back first, or remove them: coffeectl node remove NODE".to_owned(),
        ));
    }
    Ok(count)
}

/// Whether a node may be removed without shutting it down: only if it is down already.
pub(super) fn may_force_remove(view: &LeaderView, node: NodeId) -> Result<(), Rejection> {
    if !view.is_member(node) || !view.is_there(node) {
        return Ok(());
    }
    let name = view.name(node);
    Err(refused(
        format!("{name} is up and a member of the cluster"),
        format!("shut it down first: coffeectl down {name}"),
    ))
}

/// Whether a node may be stopped temporarily while it stays a member, and why.
pub(super) fn may_stop(view: &LeaderView, node: NodeId) -> (bool, String) {
    let name = view.name(node);
    if !view.votes(node) {
        return (true, format!("{name} is not a voter"));
    }
    let mut reason = String::new();
    for voters in &view.voters {
        let left = voters.iter().filter(|id| **id != node && view.answers(**id)).count();
        let quorum = quorum(voters);
        reason = format!(
            "without {name}, {left} of {} voters are reachable; a quorum needs {quorum}",
            voters.len()
        );
        if left < quorum {
            return (false, reason);
        }
    }
    (true, reason)
}

/// Whether a node may become a voter: it is alive and has caught up.
pub(super) fn may_promote(view: &LeaderView, node: NodeId) -> Result<(), Rejection> {
    if !view.is_there(node) {
        return Err(Rejection::Unavailable(format!("no recent contact with {}", view.name(node))));
    }
    if !has_caught_up(view, node) {
        let (name, lag) = (view.name(node), lag_in_words(view, node));
        return Err(Rejection::Unavailable(format!("{name} lags by {lag}")));
    }
    Ok(())
}

/// The verdict on a node that asks to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinVerdict {
    /// It may join.
    Accept,
    /// It may join once its earlier incarnation, which is down, is removed.
    RemoveOldFirst(NodeId),
}

/// Whether an operator wants this node in the cluster: it is a member, was admitted or is announced.
/// One that was removed is not, until it is announced again.
pub(super) fn is_wanted(view: &LeaderView, records: &[NodeRecord], name: &NodeName) -> bool {
    let is_expected = |record: &NodeRecord| match record.standing {
        MemberState::Joining | MemberState::Announced => true,
        // Not a member: its removal is not recorded yet.
        MemberState::Member | MemberState::Shutdown => false,
    };
    view.member(name).is_some() || find(records, name).is_some_and(is_expected)
}

/// Whether a node without data may join under its name. A certificate alone is not enough.
pub(super) fn may_join(
    view: &LeaderView,
    records: &[NodeRecord],
    name: &NodeName,
) -> Result<JoinVerdict, Rejection> {
    let Some(old) = view.member(name) else {
        let is_wanted = planted!("join-without-word") || is_wanted(view, records, name);
        return if is_wanted { Ok(JoinVerdict::Accept) } else { Err(not_announced(name)) };
    };
    if view.is_there(old) {
        return Err(Rejection::Unavailable(format!(
            "{name} is a member already and was alive recently: if it lost its data, it may join once its old \
             incarnation has been silent for {} ms; if not, two nodes have this name",
            view.recent.as_millis()
        )));
    }
    // One that never became a voter, or was shut down, does not count.
    match find(records, name) {
        Some(record) if record.id == old && record.standing != MemberState::Member && !view.votes(old) => {
            Ok(JoinVerdict::RemoveOldFirst(old))
        }
        _ => may_remove(view, old).map(|_| JoinVerdict::RemoveOldFirst(old)),
    }
}

pub(super) fn has_caught_up(view: &LeaderView, id: NodeId) -> bool {
    view.lag(id).is_some_and(|lag| lag <= CAUGHT_UP_ENTRIES)
}

fn lag_in_words(view: &LeaderView, id: NodeId) -> String {
    view.lag(id).map_or_else(|| "an unknown number of entries".to_owned(), |lag| format!("{lag} entries"))
}

/// The number of these voters that is a quorum.
pub(super) fn quorum(voters: &BTreeSet<NodeId>) -> usize {
    voters.len() / 2 + 1
}

fn len(voters: &BTreeSet<NodeId>) -> u32 {
    u32::try_from(voters.len()).unwrap_or(u32::MAX)
}

pub(super) fn refused(reason: String, hint: String) -> Rejection {
    Rejection::Refused { reason, hint }
}

/// The refusal to deal with the node at an address, which is another one than the caller means.
pub(super) fn another_node(name: &NodeName, address: &Address, what: &str) -> Rejection {
    refused(
        format!("the node at {address} is not {name}: {what}"),
        format!("check the address and the certificate of {name}"),
    )
}

fn not_announced(name: &NodeName) -> Rejection {
    refused(
        format!("{name} is not announced: no operator has asked for it"),
        format!("to admit it: coffeectl boot {name}"),
    )
}

pub(super) fn too_many_nodes() -> Rejection {
    refused(
        "the cluster cannot record any more nodes".to_owned(),
        "remove nodes that are shut down: coffeectl node remove NODE".to_owned(),
    )
}

pub(super) fn not_a_member(name: &NodeName) -> Rejection {
    Rejection::NotFound(format!("{name} is not a member of this cluster"))
}

#[cfg(test)]
mod tests;
