//! Descriptions of the step that a change of the members waits for, from the
//! cluster's view. Pure.

use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, NodeState, RaftRole},
};

use crate::wording;

/// The description of a removal until the cluster has answered.
pub(crate) const REMOVAL: &str = "waiting for the leader";

/// Describes what the node still lacks before it votes.
pub(crate) fn boot(view: &ClusterView, name: &NodeName) -> String {
    let leader = view.nodes.iter().find(|node| node.role == Some(RaftRole::Leader));
    let target = leader.and_then(|leader| leader.applied);
    match (view.nodes.iter().find(|node| node.name == *name), target) {
        (None, _) => format!("waiting: {name} is not in the list yet"),
        (Some(node), Some(target)) if node.applied.is_some_and(|applied| applied < target) => {
            format!("waiting: {name} is at {} of {target}", wording::or_nothing(node.applied))
        }
        (Some(node), _) if node.state == NodeState::Up => format!("waiting: {name} becomes a voter"),
        (Some(node), _) => format!("waiting: {name} is {}", wording::condition(node.state)),
    }
}

/// Describes the step that the removal of this node, or else of the leader, has reached.
pub(crate) fn removal(view: &ClusterView, node: Option<&NodeName>) -> String {
    let state = |name: &NodeName| view.nodes.iter().find(|node| node.name == *name).map(|node| node.state);
    match (node, &view.leader) {
        (_, None) => "waiting: no node leads".to_owned(),
        (_, Some(_)) if view.joint => "waiting: majorities of the old and the new voters".to_owned(),
        (None, Some(leader)) => format!("waiting: {leader} leads"),
        (Some(node), Some(leader)) if node == leader => format!("waiting: {node} hands over leadership"),
        (Some(node), Some(_)) => match state(node) {
            Some(state) => format!("waiting: {node} is {}", wording::condition(state)),
            None => format!("waiting: {node} is no longer in the list"),
        },
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::NodeView;

    use super::*;
    use crate::sample_view::{self, name};

    fn node(text: &str, role: RaftRole, state: NodeState, applied: Option<u64>) -> NodeView {
        sample_view::node(text, Some(role), state, applied)
    }

    /// The view of ming, the leader.
    fn view(other: Option<NodeView>) -> ClusterView {
        let leader = node("ming", RaftRole::Leader, NodeState::Up, Some(5300));
        sample_view::view(1, 1, std::iter::once(leader).chain(other).collect())
    }

    #[test]
    fn a_boot_names_what_the_node_lacks() {
        let awaited = |other| boot(&view(other), &name("long"));
        let learner = |state, applied| Some(node("long", RaftRole::Learner, state, applied));
        assert_eq!(awaited(None), "waiting: long is not in the list yet");
        assert_eq!(awaited(learner(NodeState::Joining, None)), "waiting: long is joining");
        assert_eq!(awaited(learner(NodeState::Up, Some(1200))), "waiting: long is at 1200 of 5300");
        assert_eq!(awaited(learner(NodeState::Up, Some(5300))), "waiting: long becomes a voter");
    }

    #[test]
    fn a_removal_names_its_step() {
        let view = view(Some(node("hong", RaftRole::Follower, NodeState::Stopping, None)));
        let awaited = |view: &ClusterView, node: &str| removal(view, Some(&name(node)));
        assert_eq!(awaited(&view, "ming"), "waiting: ming hands over leadership");
        assert_eq!(awaited(&view, "hong"), "waiting: hong is stopping");
        assert_eq!(awaited(&view, "hu"), "waiting: hu is no longer in the list");
        let joint = ClusterView { joint: true, ..view.clone() };
        assert_eq!(removal(&joint, None), "waiting: majorities of the old and the new voters");
        let headless = ClusterView { leader: None, ..view };
        assert_eq!(removal(&headless, None), "waiting: no node leads");
    }
}
