//! Tests of the states to wait for, and of the report.

use super::*;
use crate::{
    printer::{Format, tests::printed},
    sample_view::{self, name, node},
};

fn view() -> ClusterView {
    let nodes = vec![
        node("ming", Some(RaftRole::Leader), NodeState::Up, Some(10)),
        node("hong", Some(RaftRole::Learner), NodeState::Up, Some(9)),
        node("peng", None, NodeState::Unreachable, None),
        node("long", None, NodeState::Shutdown, None),
    ];
    sample_view::view(3, 2, nodes)
}

fn judge(goal: WaitGoal, node: Option<&str>, view: &ClusterView) -> Result<(), String> {
    Wanted { goal, node: node.map(name), level: None }.judge(view, &mut None)
}

#[test]
fn leader() {
    assert_eq!(judge(WaitGoal::Leader, None, &view()), Ok(()));
    assert_eq!(judge(WaitGoal::Leader, Some("hong"), &view()), Err("ming leads".into()));
    let headless = ClusterView { leader: None, ..view() };
    assert_eq!(judge(WaitGoal::Leader, None, &headless), Err("no node leads".into()));
    assert_eq!(judge(WaitGoal::Leader, Some("hong"), &headless), Err("no node leads".into()));
}

#[test]
fn a_name_that_is_not_in_the_list_is_reported() {
    for goal in [WaitGoal::Leader, WaitGoal::Synced, WaitGoal::Voter] {
        assert_eq!(judge(goal, Some("hu"), &view()), Err("hu is not in the list".into()), "{goal:?}");
    }
    let headless = ClusterView { leader: None, ..view() };
    assert_eq!(judge(WaitGoal::Leader, Some("hu"), &headless), Err("hu is not in the list".into()));
}

#[test]
fn a_quorum_needs_most_voters_and_a_leader() {
    assert_eq!(judge(WaitGoal::Quorum, None, &view()), Ok(()));
    let few = ClusterView { voters_in_reach: 1, ..view() };
    assert_eq!(judge(WaitGoal::Quorum, None, &few), Err("1 of 3 voters are in reach".into()));
    let headless = ClusterView { leader: None, ..view() };
    assert_eq!(judge(WaitGoal::Quorum, None, &headless), Err("no node leads".into()));
    let none = ClusterView { voters: 0, voters_in_reach: 0, ..view() };
    assert!(judge(WaitGoal::Quorum, None, &none).is_err());
}

#[test]
fn voter() {
    assert_eq!(judge(WaitGoal::Voter, Some("ming"), &view()), Ok(()));
    assert_eq!(judge(WaitGoal::Voter, Some("hong"), &view()), Err("hong is a learner".into()));
    assert_eq!(judge(WaitGoal::Voter, Some("peng"), &view()), Err("peng is unreachable".into()));
    assert_eq!(judge(WaitGoal::Voter, Some("hu"), &view()), Err("hu is not in the list".into()));
}

#[test]
fn a_level_is_reached_by_a_higher_one() {
    let wanted = |level| Wanted { goal: WaitGoal::Level, node: None, level: Some(FeatureLevel(level)) };
    let judge = |level, seen: Option<u32>| {
        let view = ClusterView { level: seen.map(FeatureLevel), ..view() };
        wanted(level).judge(&view, &mut None)
    };
    assert_eq!((judge(2, Some(2)), judge(2, Some(3))), (Ok(()), Ok(())));
    assert_eq!(judge(2, Some(1)), Err("the cluster is at level 1".into()));
    assert!(judge(1, None).is_err());
}

#[test]
fn synced_is_what_the_leader_had_when_the_wait_began() {
    let wanted = Wanted { goal: WaitGoal::Synced, node: Some(name("hong")), level: None };
    let mut target = None;
    assert_eq!(wanted.judge(&view(), &mut target), Err("hong is at 9 of 10".into()));
    let mut later = view();
    later.nodes[0].applied = Some(Revision(99));
    later.nodes[1].applied = Some(Revision(10));
    assert_eq!(wanted.judge(&later, &mut target), Ok(()), "the leader may be ahead since then");
    assert_eq!(judge(WaitGoal::Synced, Some("hong"), &later), Err("hong is at 10 of 99".into()));
}

#[test]
fn without_a_name_all_members_have_to_be_synced() {
    let mut view = view();
    view.nodes[1].applied = Some(Revision(10));
    assert_eq!(judge(WaitGoal::Synced, None, &view), Err("peng is unreachable".into()));
    view.nodes[2] = node("peng", Some(RaftRole::Follower), NodeState::Up, Some(11));
    assert_eq!(judge(WaitGoal::Synced, None, &view), Ok(()), "long is shut down, so not a member");
    view.nodes[2] = node("peng", None, NodeState::Starting, None);
    assert_eq!(judge(WaitGoal::Synced, None, &view), Err("peng is starting".into()));
}

#[test]
fn a_leader_is_asked_about_an_unlisted_name_unless_it_may_join() {
    let unlisted = |goal, view: &ClusterView| {
        Wanted { goal, node: Some(name("hu")), level: None }.unlisted(view).cloned()
    };
    for goal in [WaitGoal::Leader, WaitGoal::Synced] {
        assert_eq!(unlisted(goal, &view()), Some(name("hu")));
        let headless = ClusterView { leader: None, ..view() };
        assert_eq!(unlisted(goal, &headless), None, "there is none to ask");
    }
    assert_eq!(unlisted(WaitGoal::Voter, &view()), None);
}

#[test]
fn a_node_of_another_cluster_is_not_waited_for() {
    let mut view = view();
    view.nodes[1].other_cluster = Some(coffee_common::id::ClusterId(8));
    view.nodes[1].state = NodeState::OtherCluster;
    let elsewhere =
        |goal, node: Option<&str>| Wanted { goal, node: node.map(name), level: None }.is_elsewhere(&view);
    let failure = elsewhere(WaitGoal::Synced, None).expect("hong never is synced");
    assert_eq!(failure.code(), ExitCode::Refused);
    assert!(failure.message().contains("hong is in another cluster, "), "{}", failure.message());
    assert!(failure.hints()[0].contains("rebuild --cluster "), "{:?}", failure.hints());
    assert!(elsewhere(WaitGoal::Voter, Some("hong")).is_some());
    assert!(elsewhere(WaitGoal::Synced, Some("ming")).is_none());
    assert!(elsewhere(WaitGoal::Quorum, None).is_none());
}

#[test]
fn golden() {
    let reached = WaitReport { reached: "leader", node: None, waited_ms: 120 };
    assert_eq!(printed(Format::Table, &reached), "leader: yes, after 120 ms\n");
    assert_eq!(printed(Format::Plain, &reached), "leader\t-\t120\n");
    assert_eq!(
        printed(Format::Json, &reached),
        "{\"apiVersion\":\"coffee/v1\",\"reached\":\"leader\",\"node\":null,\"waited_ms\":120}\n"
    );
}
