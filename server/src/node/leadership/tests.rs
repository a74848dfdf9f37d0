//! The observer as a table: looks at a node, and the events that they are.

use std::time::Duration;

use coffee_common::id::{NodeId, NodeName};
use openraft::ServerState::{self, Candidate, Follower, Leader};
use tokio::time::Instant;

use super::{
    event::LeadershipEvent,
    observer::{LeadershipLook, LeadershipObserver},
};
use crate::metrics::{ElectionReason, LossReason};

const LEASE: Duration = Duration::from_millis(450);

/// This node is hong (2); the others are ming (1) and peng (3).
const MING: NodeId = NodeId(1);
const HONG: NodeId = NodeId(2);
const PENG: NodeId = NodeId(3);

fn name(id: NodeId) -> NodeName {
    ["ming", "hong", "peng"][id.0 as usize - 1].parse().expect("a name")
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

struct WatchedLeadership {
    observer: LeadershipObserver,
    began: Instant,
    contacts: Vec<(NodeId, Instant)>,
    transfer_term: u64,
}

impl WatchedLeadership {
    fn new() -> Self {
        let began = Instant::now();
        Self {
            observer: LeadershipObserver::new(HONG, LEASE, began),
            began,
            contacts: Vec::new(),
            transfer_term: 0,
        }
    }

    fn hears(&mut self, leader: NodeId, at: u64) {
        self.contacts.retain(|(id, _)| *id != leader);
        self.contacts.push((leader, self.began + ms(at)));
    }

    fn sees(
        &mut self,
        at: u64,
        state: ServerState,
        term: u64,
        leader: Option<NodeId>,
    ) -> Vec<LeadershipEvent> {
        self.quorum_silent_for(at, state, term, leader, (state == Leader).then_some(10))
    }

    fn quorum_silent_for(
        &mut self,
        at: u64,
        state: ServerState,
        term: u64,
        leader: Option<NodeId>,
        quorum_silence: Option<u64>,
    ) -> Vec<LeadershipEvent> {
        let at = self.began + ms(at);
        let mut latest = self.contacts.iter().rev().map(|(id, heard)| (*id, at - *heard));
        let silences = [latest.next(), latest.next()];
        let leader = leader.map(|id| (id, name(id)));
        let (leads_others, quorum_heard) = (state == Leader, quorum_silence.map(ms));
        let transfer_term = self.transfer_term;
        self.observer.note(LeadershipLook {
            at,
            state,
            term,
            leader,
            silences,
            leads_others,
            quorum_heard,
            transfer_term,
        })
    }
}

#[test]
fn a_leader_that_is_lost_is_named_with_the_time_it_was_silent() {
    let mut hong = WatchedLeadership::new();
    assert_eq!(hong.sees(0, Follower, 12, Some(MING)), [], "on record since before the start, not heard yet");
    hong.hears(MING, 10);
    let follows = LeadershipEvent::Follows { term: 12, leader: name(MING), after: None };
    assert_eq!(hong.sees(20, Follower, 12, Some(MING)), [follows]);
    hong.hears(MING, 1_000);
    assert_eq!(hong.sees(1_500, Follower, 12, Some(MING)), []);
    let stands = LeadershipEvent::Stands {
        term: 13,
        reason: ElectionReason::LeaderSilent,
        last: Some((name(MING), ms(700))),
    };
    assert_eq!(hong.sees(1_700, Candidate, 13, None), [stands]);
    assert_eq!(hong.sees(1_705, Candidate, 13, None), []);
    let leads = LeadershipEvent::Leads { term: 13, after: Some(ms(712)) };
    assert_eq!(hong.sees(1_712, Leader, 13, Some(HONG)), [leads]);
    assert_eq!(hong.sees(1_800, Leader, 13, Some(HONG)), []);
}

#[test]
fn a_follower_says_whom_it_follows_and_after_how_long() {
    let mut hong = WatchedLeadership::new();
    hong.hears(MING, 0);
    hong.sees(1, Follower, 12, Some(MING));
    hong.hears(MING, 1_000);
    assert_eq!(hong.sees(1_700, Follower, 13, None), [], "it voted for peng");
    assert_eq!(hong.sees(1_701, Follower, 13, Some(PENG)), [], "not heard yet");
    hong.hears(PENG, 1_710);
    let follows = |term, after| LeadershipEvent::Follows { term, leader: name(PENG), after };
    assert_eq!(hong.sees(1_715, Follower, 13, Some(PENG)), [follows(13, Some(ms(715)))]);
    hong.hears(PENG, 2_000);
    assert_eq!(hong.sees(2_001, Follower, 14, Some(PENG)).len(), 1, "the same leader in a new term");
}

#[test]
fn a_transfer_raises_no_alarm() {
    let mut hong = WatchedLeadership::new();
    hong.hears(MING, 0);
    hong.sees(1, Follower, 12, Some(MING));
    hong.hears(MING, 1_000);
    // Too fast to be seen as a candidate.
    let [stands, leads] = &hong.sees(1_030, Leader, 13, Some(HONG))[..] else { panic!("two events") };
    let last = Some((name(MING), ms(30)));
    assert_eq!(*stands, LeadershipEvent::Stands { term: 13, reason: ElectionReason::Transfer, last });
    assert_eq!(*leads, LeadershipEvent::Leads { term: 13, after: Some(ms(30)) });
    hong.transfer_term = 13;
    let lost = LeadershipEvent::LeadsNoLonger {
        term: 13,
        reason: LossReason::Transfer,
        quorum_silence: Some(ms(40)),
    };
    assert_eq!(hong.sees(1_060, Follower, 14, None), [lost]);
    hong.hears(PENG, 1_070);
    let follows = LeadershipEvent::Follows { term: 14, leader: name(PENG), after: Some(ms(40)) };
    assert_eq!(hong.sees(1_070, Follower, 14, Some(PENG)), [follows], "since it led itself");
}

#[test]
fn a_leader_says_why_it_lost_the_lead() {
    let mut hong = WatchedLeadership::new();
    let first = hong.sees(0, Leader, 1, Some(HONG));
    let no_leader = LeadershipEvent::Stands { term: 1, reason: ElectionReason::NoLeader, last: None };
    assert_eq!(first, [no_leader, LeadershipEvent::Leads { term: 1, after: None }]);
    assert_eq!(hong.quorum_silent_for(100, Leader, 1, Some(HONG), Some(450)), []);
    let silent = LeadershipEvent::QuorumSilent { silence: ms(451) };
    assert_eq!(hong.quorum_silent_for(101, Leader, 1, Some(HONG), Some(451)), [silent]);
    assert_eq!(hong.quorum_silent_for(601, Leader, 1, Some(HONG), Some(951)), []);
    let back = LeadershipEvent::QuorumBack { after: ms(960) };
    assert_eq!(hong.quorum_silent_for(610, Leader, 1, Some(HONG), Some(0)), [back]);
    let lost =
        |term, reason, ago| LeadershipEvent::LeadsNoLonger { term, reason, quorum_silence: Some(ms(ago)) };
    assert_eq!(hong.sees(1_300, Follower, 2, None), [lost(1, LossReason::QuorumSilent, 690)]);
    assert_eq!(hong.sees(1_400, Leader, 3, Some(HONG)).len(), 2);
    assert_eq!(hong.sees(1_500, Follower, 4, None), [lost(3, LossReason::HigherTerm, 110)]);
}

#[test]
fn a_leader_that_was_never_acknowledged_counts_from_its_election() {
    let mut hong = WatchedLeadership::new();
    let leads =
        |hong: &mut WatchedLeadership, at, term| hong.quorum_silent_for(at, Leader, term, Some(HONG), None);
    assert_eq!(leads(&mut hong, 100, 1).len(), 2, "it stands, and leads");
    assert_eq!(leads(&mut hong, 550, 1), []);
    assert!(!hong.observer.is_quorum_lost());
    assert_eq!(leads(&mut hong, 551, 1), [LeadershipEvent::QuorumSilent { silence: ms(451) }]);
    assert!(hong.observer.is_quorum_lost());
    let lost = |term| LeadershipEvent::LeadsNoLonger {
        term,
        reason: LossReason::QuorumSilent,
        quorum_silence: None,
    };
    assert_eq!(hong.sees(700, Follower, 2, None), [lost(1)]);
    assert!(!hong.observer.is_quorum_lost());
    assert_eq!(leads(&mut hong, 1_000, 3).len(), 2);
    assert!(!hong.observer.is_quorum_lost(), "it leads since now");
}

#[test]
fn the_absence_of_a_leader_is_reported_once() {
    let mut hong = WatchedLeadership::new();
    hong.hears(MING, 0);
    hong.sees(1, Follower, 12, Some(MING));
    assert_eq!(hong.sees(1_801, Follower, 12, Some(MING)), [], "it may have stood still itself");
    let absent = LeadershipEvent::NoLeader { last: Some(name(MING)), silence: ms(2_251) };
    assert_eq!(hong.sees(2_251, Follower, 12, Some(MING)), [absent]);
    assert_eq!(hong.sees(2_701, Follower, 12, Some(MING)), []);
    hong.hears(MING, 3_000);
    let back = LeadershipEvent::LeaderBack { leader: name(MING), after: ms(3_000) };
    assert_eq!(hong.sees(3_000, Follower, 12, Some(MING)), [back]);
    // A node that has never heard a leader.
    let mut hong = WatchedLeadership::new();
    assert_eq!(hong.sees(2_000, Follower, 0, None), []);
    assert_eq!(
        hong.sees(2_450, Follower, 0, None),
        [LeadershipEvent::NoLeader { last: None, silence: ms(2_450) }]
    );
}
