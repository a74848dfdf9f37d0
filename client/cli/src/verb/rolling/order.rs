//! Selects the nodes to restart and their order: followers first, the leader
//! last, and none while a member is down. Pure.

use coffee_common::{
    id::{Address, NodeName},
    protocol::{ClusterView, NodeState, NodeView},
};

use crate::{exit::ExitCode, failure::Failure, lookup, wording};

/// A node to restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RestartTarget {
    pub(super) name: NodeName,
    pub(super) address: Address,
    /// Whether it led at the time of the plan.
    pub(super) leads: bool,
}

/// Plans the restart of the `wanted` nodes, or of all members.
///
/// # Errors
///
/// If the cluster is not healthy enough, or a wanted node is not a member.
pub(super) fn plan(
    view: &ClusterView,
    wanted: &[NodeName],
    skip_down: bool,
) -> Result<Vec<RestartTarget>, Failure> {
    let Some(leader) = &view.leader else {
        return Err(Failure::new(ExitCode::Unavailable, "no node leads: nothing was restarted")
            .hint("'coffeectl list' shows the nodes; 'coffeectl wait --for leader' waits for a leader"));
    };
    if view.joint {
        return Err(Failure::new(
            ExitCode::Refused,
            "a membership change is in progress: nothing was restarted",
        )
        .hint("finish it first: repeat the boot, down or node remove that was interrupted"));
    }
    for name in wanted {
        known(view, name)?;
    }
    let members: Vec<&NodeView> = view.nodes.iter().filter(|node| is_member(node)).collect();
    if let Some(node) = members.iter().find(|node| node.state != NodeState::Up).filter(|_| !skip_down) {
        let state = wording::condition(node.state);
        return Err(Failure::new(
            ExitCode::Refused,
            format!("{} is {state}: nothing was restarted", node.name),
        )
        .hint("start it first, or skip such nodes with --skip-down if the quorum allows it"));
    }
    let meant = |node: &&&NodeView| wanted.is_empty() || wanted.contains(&node.name);
    let up = members.iter().filter(meant).filter(|node| node.state == NodeState::Up);
    let mut order: Vec<RestartTarget> = up
        .map(|node| RestartTarget {
            name: node.name.clone(),
            address: node.address.clone(),
            leads: node.name == *leader,
        })
        .collect();
    order.sort_by_key(|stop| stop.leads);
    if order.is_empty() {
        return Err(Failure::new(ExitCode::Refused, "none of the nodes is up: nothing was restarted")
            .hint("'coffeectl list' shows the nodes"));
    }
    Ok(order)
}

/// The cluster's view has no role for a member that is down.
fn is_member(node: &NodeView) -> bool {
    node.role.is_some() || !(node.state.is_outside() || node.state == NodeState::OtherCluster)
}

fn known(view: &ClusterView, name: &NodeName) -> Result<(), Failure> {
    match view.nodes.iter().find(|node| node.name == *name) {
        Some(node) if is_member(node) => Ok(()),
        Some(node) => {
            let state = wording::condition(node.state);
            Err(Failure::new(ExitCode::Refused, format!("{name} is {state}, so it is not a member"))
                .hint(format!("remove it from --nodes, or add it to the cluster: coffeectl boot {name}")))
        }
        None => Err(lookup::no_such_node(name)),
    }
}

/// Takes the next node: any follower before the leader.
///
/// # Panics
///
/// If none is left.
pub(super) fn take_next(left: &mut Vec<RestartTarget>, leader: Option<&NodeName>) -> RestartTarget {
    let follower = left.iter().position(|stop| Some(&stop.name) != leader);
    left.remove(follower.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        id::{ClusterId, NodeId, Revision},
        protocol::RaftRole,
    };

    use super::*;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    fn node(text: &str, role: Option<RaftRole>, state: NodeState) -> NodeView {
        NodeView {
            name: name(text),
            id: Some(NodeId(1)),
            address: Address::new(format!("{text}:7400")).unwrap(),
            role,
            state,
            lag: None,
            applied: Some(Revision(1)),
            version: None,
            pace: None,
            certificate_until_s: None,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            other_cluster: None,
            level: None,
        }
    }

    fn view() -> ClusterView {
        let follower = Some(RaftRole::Follower);
        ClusterView {
            disk_free_bytes_min: None,
            quorum_silent_ms: None,
            join_requests: Vec::new(),
            writes_refused: None,
            cluster: Some(ClusterId(1)),
            asked: name("hong"),
            leader: Some(name("ming")),
            term: 1,
            joint: false,
            voters: 3,
            voters_in_reach: 3,
            may_lose: 1,
            nodes: vec![
                node("ming", Some(RaftRole::Leader), NodeState::Up),
                node("hong", follower, NodeState::Up),
                node("peng", follower, NodeState::Up),
                node("long", None, NodeState::Shutdown),
            ],
            level: None,
        }
    }

    fn order(view: &ClusterView, wanted: &[&str], skip_down: bool) -> Result<String, (ExitCode, String)> {
        let wanted: Vec<NodeName> = wanted.iter().map(|text| name(text)).collect();
        match plan(view, &wanted, skip_down) {
            Ok(order) => Ok(order.iter().map(|stop| stop.name.as_str()).collect::<Vec<_>>().join(" ")),
            Err(failure) => Err((failure.code(), failure.message().to_owned())),
        }
    }

    #[test]
    fn the_leader_is_last() {
        assert_eq!(order(&view(), &[], false), Ok("hong peng ming".into()));
        assert_eq!(order(&view(), &["ming", "peng"], false), Ok("peng ming".into()));
    }

    #[test]
    fn who_leads_by_now_is_taken_last() {
        let mut left = plan(&view(), &[], false).unwrap();
        assert_eq!(take_next(&mut left, Some(&name("hong"))).name, name("peng"));
        assert_eq!(take_next(&mut left, Some(&name("hong"))).name, name("ming"));
        assert_eq!(take_next(&mut left, Some(&name("hong"))).name, name("hong"));
    }

    #[test]
    fn what_is_not_whole_is_left_alone() {
        let headless = ClusterView { leader: None, ..view() };
        assert_eq!(order(&headless, &[], true).map_err(|(code, _)| code), Err(ExitCode::Unavailable));
        let joint = ClusterView { joint: true, ..view() };
        assert_eq!(order(&joint, &[], true).map_err(|(code, _)| code), Err(ExitCode::Refused));
        let mut lame = view();
        lame.nodes[2] = node("peng", None, NodeState::Unreachable);
        let refused = Err((ExitCode::Refused, "peng is unreachable: nothing was restarted".into()));
        assert_eq!(order(&lame, &[], false), refused);
        assert_eq!(order(&lame, &["hong"], false), refused, "a node that is not touched counts as well");
        assert_eq!(order(&lame, &[], true), Ok("hong ming".into()));
        assert_eq!(order(&lame, &["peng"], true).map_err(|(code, _)| code), Err(ExitCode::Refused));
    }

    #[test]
    fn a_name_of_another_node_is_refused() {
        assert_eq!(order(&view(), &["hu"], false), Err((ExitCode::NotFound, "there is no node hu".into())));
        assert_eq!(
            order(&view(), &["long"], false),
            Err((ExitCode::Refused, "long is shutdown, so it is not a member".into()))
        );
    }
}
