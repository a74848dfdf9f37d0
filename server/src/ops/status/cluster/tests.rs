//! Views of clusters in various states.

use coffee_common::{
    feature_level::{LEVEL_MAX, LEVEL_MIN},
    id::{ClusterId, Revision},
    protocol::{CertificateStatus, ElectionTimers},
};

use super::*;

fn name(id: u64) -> NodeName {
    NodeName::new(format!("n{id}")).expect("legal")
}

fn known(id: u64, standing: MemberState) -> ClusterNode {
    let address = Address::new(format!("127.0.0.1:{}", 7400 + id)).expect("legal");
    ClusterNode { id: NodeId(id), name: name(id), address, standing: Some(standing) }
}

fn raft(id: u64, leader: Option<u64>, voters: &[u64]) -> RaftStatus {
    let role = if leader == Some(id) { RaftRole::Leader } else { RaftRole::Follower };
    RaftStatus {
        cluster: ClusterId(7),
        id: NodeId(id),
        role,
        term: 5,
        leader: leader.map(NodeId),
        last_log: Revision(100),
        committed: Revision(100),
        applied: Revision(100),
        snapshot: Revision(0),
        purged: Revision(0),
        voters: vec![voters.iter().copied().map(NodeId).collect()],
        learners: Vec::new(),
        matched: voters.iter().map(|id| (NodeId(*id), Revision(90))).collect(),
        quorum_heard_ms: None,
        join_requests: Vec::new(),
        nodes: Vec::new(),
        level: LEVEL_MIN,
        disk_free_bytes_min: 128 << 20,
    }
}

fn status(id: u64, raft: Option<RaftStatus>) -> NodeStatus {
    let phase = if raft.is_some() { LifecyclePhase::Running } else { LifecyclePhase::Waiting };
    let address = known(id, MemberState::Member).address;
    let certificate = CertificateStatus { serial: String::new(), valid_until_s: id };
    NodeStatus {
        pace: Default::default(),
        writes_refused: None,
        left_out: None,
        name: name(id),
        address,
        version: "1".to_owned(),
        phase,
        uptime_ms: 1,
        raft,
        certificate,
        started_at_ms: 1,
        disk_free_bytes: Some(1 << 30),
        revocation_lists: Vec::new(),
        level: LEVEL_MAX,
        clock_ms: 1,
    }
}

/// Node 1's view of three voters, of which it reaches these.
fn view(reached: &[NodeStatus]) -> ClusterView {
    let all = [1, 2, 3].map(|id| known(id, MemberState::Member)).to_vec();
    let reached: StatusByName = reached.iter().map(|status| (status.name.clone(), status.clone())).collect();
    compose(&reached[&name(1)], all, &reached)
}

fn states(view: &ClusterView) -> Vec<NodeState> {
    view.nodes.iter().map(|node| node.state).collect()
}

const V: &[u64] = &[1, 2, 3];

#[test]
fn a_healthy_cluster() {
    let view = view(&[1, 2, 3].map(|id| status(id, Some(raft(id, Some(2), V)))));
    assert_eq!((view.leader, view.term, view.joint), (Some(name(2)), 5, false));
    assert_eq!((view.voters, view.voters_in_reach, view.may_lose), (3, 3, 1));
    assert_eq!(view.nodes.iter().map(|node| node.lag).collect::<Vec<_>>(), [Some(10), Some(0), Some(10)]);
}

#[test]
fn the_floor_of_disk_space_is_that_of_the_most_advanced_node() {
    let mut statuses = [1, 2, 3].map(|id| status(id, Some(raft(id, Some(2), V))));
    let latest = statuses[1].raft.as_mut().expect("it leads");
    latest.applied = Revision(latest.applied.0 + 1);
    latest.disk_free_bytes_min = 1 << 30;
    assert_eq!(view(&statuses).disk_free_bytes_min, Some(1 << 30));
}

#[test]
fn only_the_leader_refuses_writes() {
    let mut statuses = [1, 2, 3].map(|id| status(id, Some(raft(id, Some(2), V))));
    statuses[0].writes_refused = Some("it led once".to_owned());
    assert_eq!(view(&statuses).writes_refused, None);
    statuses[1].writes_refused = Some("the disks are full".to_owned());
    assert_eq!(view(&statuses).writes_refused.as_deref(), Some("the disks are full"));
}

#[test]
fn a_leader_that_is_unreachable_is_not_shown() {
    let view = view(&[1, 3].map(|id| status(id, Some(raft(id, Some(2), V)))));
    assert_eq!(view.leader, None);
    assert_eq!((view.voters_in_reach, view.may_lose), (2, 0));
    assert_eq!(states(&view), [NodeState::Up, NodeState::Unreachable, NodeState::Up]);
}

#[test]
fn a_leader_without_followers_is_not_shown() {
    let view = view(&[
        status(1, Some(raft(1, None, V))),
        status(2, Some(raft(2, Some(2), V))),
        status(3, Some(raft(3, None, V))),
    ]);
    assert_eq!(view.leader, None);
}

#[test]
fn of_two_leaders_the_later_counts() {
    let mut later = raft(3, Some(3), V);
    later.term = 6;
    let view = view(&[
        status(1, Some(raft(1, Some(3), V))),
        status(2, Some(raft(2, Some(2), V))),
        status(3, Some(later)),
    ]);
    assert_eq!((view.leader, view.term), (Some(name(3)), 6));
}

#[test]
fn a_change_under_way_counts_by_its_weaker_half() {
    let mut joint = raft(1, Some(1), V);
    joint.voters.push(vec![NodeId(1), NodeId(2)]);
    let view = view(&[1, 2, 3].map(|id| {
        let mut raft = joint.clone();
        raft.id = NodeId(id);
        status(id, Some(raft))
    }));
    assert!(view.joint);
    assert_eq!((view.voters, view.may_lose), (3, 0));
}

#[test]
fn nodes_that_were_taken_down_stay_on_the_list() {
    let all =
        vec![known(1, MemberState::Member), known(2, MemberState::Shutdown), known(3, MemberState::Shutdown)];
    let own = status(1, Some(raft(1, Some(1), &[1])));
    // 3 was restarted and waits to be booted.
    let reached = [own.clone(), status(3, None)].map(|status| (status.name.clone(), status)).into();
    let view = compose(&own, all, &reached);
    assert_eq!(states(&view), [NodeState::Up, NodeState::Shutdown, NodeState::Waiting]);
    assert_eq!((view.voters, view.voters_in_reach, view.may_lose), (1, 1, 0));
}

#[test]
fn a_node_that_answers_under_another_identity_does_not_count() {
    let mut stranger = raft(2, Some(2), V);
    stranger.cluster = ClusterId(8);
    let mut reborn = raft(3, Some(1), V);
    reborn.id = NodeId(33);
    let view =
        view(&[status(1, Some(raft(1, Some(1), V))), status(2, Some(stranger)), status(3, Some(reborn))]);
    assert_eq!(view.voters_in_reach, 1);
    assert_eq!(states(&view), [NodeState::Up, NodeState::OtherCluster, NodeState::Joining]);
    let clusters: Vec<Option<ClusterId>> = view.nodes.iter().map(|node| node.other_cluster).collect();
    assert_eq!(clusters, [None, Some(ClusterId(8)), None]);
}

/// After a restore, its record says that it is shut down.
#[test]
fn a_node_that_was_left_out_of_a_restore_is_not_stopping() {
    let all = vec![known(1, MemberState::Member), known(2, MemberState::Shutdown)];
    let own = status(1, Some(raft(1, Some(1), &[1])));
    let forgotten = RaftStatus { cluster: ClusterId(8), ..raft(2, None, V) };
    let state_of = |phase| {
        let status = NodeStatus { phase, ..status(2, Some(forgotten.clone())) };
        let reached = [own.clone(), status].map(|status| (status.name.clone(), status)).into();
        compose(&own, all.clone(), &reached).nodes.remove(1).state
    };
    assert_eq!(state_of(LifecyclePhase::Running), NodeState::OtherCluster);
    assert_eq!(state_of(LifecyclePhase::Joining), NodeState::OtherCluster);
    assert_eq!(state_of(LifecyclePhase::Stopping), NodeState::Stopping);
}

#[test]
fn a_node_without_a_cluster_sees_itself() {
    let own = status(1, None);
    let reached = [(own.name.clone(), own.clone())].into();
    let view = compose(&own, Vec::new(), &reached);
    assert_eq!((view.cluster, &view.leader, view.voters), (None, &None, 0));
    assert_eq!(states(&view), [NodeState::Waiting]);
}

#[test]
fn a_voter_is_up_before_it_has_noted_its_vote() {
    let joining = |voters: &[u64]| {
        let mut newcomer = status(3, Some(raft(3, Some(1), voters)));
        newcomer.phase = LifecyclePhase::Joining;
        newcomer.raft.as_mut().expect("is there").role = RaftRole::Learner;
        let [first, second] = [1, 2].map(|id| status(id, Some(raft(id, Some(1), voters))));
        let node = view(&[first, second, newcomer]).nodes.remove(2);
        (node.role, node.state)
    };
    assert_eq!(joining(V), (Some(RaftRole::Follower), NodeState::Up));
    assert_eq!(joining(&[1, 2]), (Some(RaftRole::Learner), NodeState::Joining));
}

/// A quorum answers the asked node, and none the leader: links that are too long for the timers.
#[test]
fn no_node_may_be_lost_while_the_leader_hears_no_quorum() {
    let silent = |ms| {
        let mut statuses = [1, 2, 3].map(|id| status(id, Some(raft(id, Some(1), &[1, 2, 3]))));
        for status in &mut statuses {
            status.pace.timers = ElectionTimers::for_round_trip(100_000);
        }
        statuses[0].raft.as_mut().expect("it leads").quorum_heard_ms = Some(ms);
        let view = view(&statuses);
        (view.leader.is_some(), view.voters_in_reach, view.may_lose, view.quorum_silent_ms)
    };
    assert_eq!(silent(450), (true, 3, 1, None));
    assert_eq!(silent(451), (true, 3, 0, Some(451)));
}
