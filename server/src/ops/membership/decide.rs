//! What may be done to leadership and membership.
//!
//! Pure: a [`LeaderView`] in, a verdict out, so that each rule is a line in a table
//! of tests. Guards that nothing is begun which would leave the cluster
//! without a leader or a quorum: openraft's transfer has no way back, and a
//! voter that is gone cannot be asked for its vote.

use std::collections::BTreeSet;

use coffee_common::{
    command::{MemberState, NodeRecord},
    id::{NodeId, NodeName},
    protocol::Rejection,
};

use super::leader_view::{LeaderView, find};

/// A node whose log is behind by no more than this has caught up: what is left
/// travels in one append.
pub(super) const CAUGHT_UP_ENTRIES: u64 = 1024;

/// Whom to hand leadership to. `None`: whoever was named leads already.
pub(super) fn successor(view: &LeaderView, to: Option<&NodeName>) -> Result<Option<NodeId>, Rejection> {
    if view.voters.len() > 1 {
        return Err(Rejection::Unavailable("a change of membership is under way".to_owned()));
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
            format!("{name} has no vote yet, so it cannot lead"),
            format!("wait until it has caught up: coffeectl wait --for voter --node {name}"),
        ));
    }
    if !view.answers(id) {
        return Err(refused(
            format!("{name} does not answer"),
            "see who is there with: coffeectl list".to_owned(),
        ));
    }
    if !has_caught_up(view, id) {
        return Err(refused(
            format!("{name} is {} behind the leader", lag_in_words(view, id)),
            "let it catch up first, or name another node".to_owned(),
        ));
    }
    Ok(Some(id))
}

/// The voter whose log is the closest; of several, the one that was heard last.
fn best_successor(view: &LeaderView) -> Result<NodeId, Rejection> {
    let voters = view.settled_voters();
    let ready = voters
        .iter()
        .filter(|id| **id != view.me && view.answers(**id) && has_caught_up(view, **id))
        .min_by_key(|id| (view.lag(**id), view.heard.get(id).copied()));
    match ready {
        Some(id) => Ok(*id),
        None if voters.len() <= 1 => Err(refused(
            "there is no other voter to lead".to_owned(),
            "bring another node in first: coffeectl boot NODE".to_owned(),
        )),
        None => Err(refused(
            "no other voter answers and has caught up".to_owned(),
            "see who is there with: coffeectl list".to_owned(),
        )),
    }
}

/// Voters before and after a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// Whether the cluster goes on without a node, taken out of the membership for good.
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
            format!("to stop it for a while, stop its daemon: systemctl stop coffeed (on {name})"),
        ));
    }
    let there = after.iter().filter(|id| view.answers(**id)).count();
    if there < quorum(&after) {
        let gone = after.iter().filter(|id| !view.answers(**id)).map(|id| view.name(*id));
        let gone = gone.collect::<Vec<_>>().join(", ");
        return Err(refused(
            format!(
                "without {name}, {} of {} voters would be in reach, which is no quorum (no answer from {gone})",
                there, count.after
            ),
            "bring those back first, or take them out: coffeectl node remove NODE".to_owned(),
        ));
    }
    Ok(count)
}

/// Whether a node may be evicted: one that is there is to be taken down instead.
pub(super) fn may_force_remove(view: &LeaderView, node: NodeId) -> Result<(), Rejection> {
    if !view.is_member(node) || !view.is_there(node) {
        return Ok(());
    }
    let name = view.name(node);
    Err(refused(
        format!("{name} is there, and takes part"),
        format!("take it down in good order: coffeectl down {name}"),
    ))
}

/// Whether a node may be stopped for a while, staying a member. Says why.
pub(super) fn may_stop(view: &LeaderView, node: NodeId) -> (bool, String) {
    let name = view.name(node);
    if !view.votes(node) {
        return (true, format!("{name} has no vote"));
    }
    let mut reason = String::new();
    for voters in &view.voters {
        let left = voters.iter().filter(|id| **id != node && view.answers(**id)).count();
        let quorum = quorum(voters);
        reason = format!(
            "without {name}, {left} of {} voters are in reach; a quorum takes {quorum}",
            voters.len()
        );
        if left < quorum {
            return (false, reason);
        }
    }
    (true, reason)
}

/// Whether a node may get a vote: it is there, and its log is close.
pub(super) fn may_promote(view: &LeaderView, node: NodeId) -> Result<(), Rejection> {
    if !view.is_there(node) {
        return Err(Rejection::Unavailable(format!("{} has not been heard lately", view.name(node))));
    }
    if !has_caught_up(view, node) {
        let (name, lag) = (view.name(node), lag_in_words(view, node));
        return Err(Rejection::Unavailable(format!("{name} is {lag} behind")));
    }
    Ok(())
}

/// What has to be done before a node that asks for it is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JoinVerdict {
    /// Nothing.
    Accept,
    /// An earlier incarnation of it, which is gone, has to be taken out.
    RemoveOldFirst(NodeId),
}

/// Whether a node without data may be let in under its name.
pub(super) fn may_join(
    view: &LeaderView,
    records: &[NodeRecord],
    name: &NodeName,
) -> Result<JoinVerdict, Rejection> {
    let Some(old) = view.member(name) else { return Ok(JoinVerdict::Accept) };
    if view.is_there(old) {
        return Err(Rejection::Unavailable(format!(
            "{name} is a member already, and was heard from lately: if it lost its data it is let in as soon as \
             it has been silent for {} ms; if not, two nodes have this name",
            view.lately.as_millis()
        )));
    }
    // One that never got its vote, or was marked as down, is no loss.
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

/// How many of these make a quorum.
pub(super) fn quorum(voters: &BTreeSet<NodeId>) -> usize {
    voters.len() / 2 + 1
}

fn len(voters: &BTreeSet<NodeId>) -> u32 {
    u32::try_from(voters.len()).unwrap_or(u32::MAX)
}

pub(super) fn refused(reason: String, hint: String) -> Rejection {
    Rejection::Refused { reason, hint }
}

pub(super) fn not_a_member(name: &NodeName) -> Rejection {
    Rejection::NotFound(format!("{name} is no member of this cluster"))
}

#[cfg(test)]
mod tests;
