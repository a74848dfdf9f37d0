//! The rules, one line each.
//!
//! A cluster is written as its nodes: `A` is the leader; a capital letter is a
//! voter, a small one a learner. A `!` after the letter means no recent contact,
//! and a number is the lag of its log in entries.

use std::{collections::BTreeMap, time::Duration};

use coffee_common::id::Address;

use super::*;

const LAST_LOG: u64 = 1_000_000;

fn name(letter: char) -> NodeName {
    NodeName::new(letter.to_ascii_lowercase().to_string()).expect("legal")
}

fn id(letter: char) -> NodeId {
    NodeId(u64::from(u32::from(letter.to_ascii_lowercase())))
}

fn view(nodes: &str) -> LeaderView {
    let mut view = LeaderView {
        me: id('a'),
        is_found: true,
        voters: vec![BTreeSet::new()],
        learners: BTreeSet::new(),
        names: BTreeMap::new(),
        last_contact: BTreeMap::new(),
        matched: BTreeMap::new(),
        last_log: LAST_LOG,
        recent: Duration::from_millis(300),
        since_asked: Duration::from_millis(200),
    };
    for (n, word) in (0u64..).zip(nodes.split_whitespace()) {
        let letter = word.chars().next().expect("a letter");
        let (silent, lag) = (word.contains('!'), word.trim_matches(|c: char| !c.is_ascii_digit()));
        let set = if letter.is_uppercase() { &mut view.voters[0] } else { &mut view.learners };
        set.insert(id(letter));
        view.names.insert(id(letter), name(letter));
        if id(letter) != view.me {
            view.last_contact.insert(id(letter), Duration::from_millis(if silent { 5_000 } else { 10 * n }));
            view.matched.insert(id(letter), LAST_LOG - lag.parse::<u64>().unwrap_or(0));
        }
    }
    view
}

#[track_caller]
fn says(rejection: &Rejection, words: &str) {
    assert!(rejection.to_string().contains(words), "{rejection:?} does not say {words:?}");
}

#[test]
fn leadership_goes_to_a_voter_that_is_there_and_close() {
    let to = |nodes: &str, to: char| successor(&view(nodes), Some(&name(to)));
    assert_eq!(to("A B C", 'c'), Ok(Some(id('c'))));
    assert_eq!(to("A B C", 'a'), Ok(None));
    says(&to("A B", 'x').expect_err("unknown"), "not a member");
    let moved = LeaderView { is_found: false, ..view("A B C") };
    says(
        &successor(&moved, None).expect_err("its vote cannot be asked for"),
        "does not know the new address of a",
    );
    says(&to("A B c", 'c').expect_err("a learner"), "not a voter");
    says(&to("A B C!", 'c').expect_err("silent"), "does not answer");
    says(&to("A B C5000", 'c').expect_err("it lags"), "lags the leader by 5000 entries");
    assert_eq!(to("A B C1000", 'c'), Ok(Some(id('c'))));
}

#[test]
fn without_a_name_leadership_goes_to_the_most_caught_up_voter() {
    let best = |nodes: &str| successor(&view(nodes), None);
    assert_eq!(best("A B9 C3 D7"), Ok(Some(id('c'))));
    assert_eq!(best("A B C"), Ok(Some(id('b'))), "of two, the one with the most recent contact");
    assert_eq!(best("A B! C500"), Ok(Some(id('c'))));
    assert_eq!(best("A b C"), Ok(Some(id('c'))));
    says(&best("A").expect_err("alone"), "no other voter to lead");
    says(&best("A b").expect_err("a learner alone"), "no other voter to lead");
    says(&best("A B! C9999").expect_err("none is ready"), "no other voter answers");
}

#[test]
fn a_voter_without_contact_yet_cannot_lead() {
    let mut view = view("A B");
    view.last_contact.clear();
    view.matched.clear();
    assert!(successor(&view, None).is_err());
    assert!(successor(&view, Some(&name('b'))).is_err());
}

/// A node that lost power a moment ago also had recent contact.
#[test]
fn nothing_depends_on_a_voter_that_has_not_answered_since_it_was_asked() {
    let mut view = view("A B C");
    view.last_contact.insert(id('c'), Duration::from_millis(250));
    assert!(view.is_there(id('c')) && !view.answers(id('c')));
    says(&successor(&view, Some(&name('c'))).expect_err("no answer"), "does not answer");
    assert_eq!(successor(&view, None), Ok(Some(id('b'))));
    says(&may_remove(&view, id('b')).expect_err("1 of 2"), "no answer from c");
    assert!(!may_stop(&view, id('b')).0);
    assert!(may_join(&view, &[], &name('c')).is_err(), "yet it does not count as down");
    assert!(may_force_remove(&view, id('c')).is_err(), "and must not be removed by force");
}

#[test]
fn leadership_stays_while_membership_changes() {
    let mut view = view("A B");
    view.voters.push(BTreeSet::from([id('b')]));
    assert!(matches!(successor(&view, None), Err(Rejection::Unavailable(_))));
}

#[test]
fn a_removal_leaves_a_quorum_in_reach() {
    let remove = |nodes: &str, node: char| may_remove(&view(nodes), id(node));
    let count = |before, after| Ok(Count { before, after });
    assert_eq!(remove("A B C", 'c'), count(3, 2));
    assert_eq!(remove("A B C!", 'c'), count(3, 2), "one that is down");
    assert_eq!(remove("A B", 'b'), count(2, 1));
    assert_eq!(remove("A B C D E!", 'd'), count(5, 4));
    assert_eq!(remove("A B C D! E!", 'd'), count(5, 4), "3 of 4");
    assert_eq!(remove("A B c", 'c'), count(2, 2), "a learner");
    assert_eq!(remove("A B c!", 'c'), count(2, 2));
    says(&remove("A", 'a').expect_err("the last"), "last voter");
    says(&remove("A b", 'a').expect_err("the last voter"), "last voter");
    says(&remove("A B C!", 'b').expect_err("1 of 2"), "1 of 2 voters would be reachable");
    says(&remove("A B C! D!", 'b').expect_err("1 of 3"), "no answer from c, d");
}

#[test]
fn a_stop_leaves_a_quorum_in_reach() {
    let stop = |nodes: &str, node: char| may_stop(&view(nodes), id(node)).0;
    assert!(stop("A B C", 'a'));
    assert!(stop("A B C!", 'c'), "it is down anyway");
    assert!(stop("A B c", 'c'));
    assert!(stop("A B C D E!", 'b'));
    assert!(!stop("A", 'a'));
    assert!(!stop("A B", 'b'));
    assert!(!stop("A B C!", 'b'));
    assert!(!stop("A B C D! E!", 'a'));
    let mut joint = view("A B C");
    joint.voters.push(BTreeSet::from([id('a'), id('b')]));
    assert!(!may_stop(&joint, id('b')).0, "of both sets");
}

#[test]
fn some_objections_go_away_by_waiting() {
    let may_go_away = |view: &LeaderView, verdict: &dyn Fn(&LeaderView) -> bool| {
        assert!(!verdict(view));
        view.possible_views().iter().any(verdict)
    };
    let successor = |view: &LeaderView| successor(view, None).is_ok();
    let removal = |view: &LeaderView| may_remove(view, id('b')).is_ok();
    let admission = |view: &LeaderView| may_join(view, &[], &name('c')).is_ok();
    let mut fresh = view("A B C");
    fresh.last_contact.clear();
    fresh.matched.clear();
    assert!(may_go_away(&fresh, &successor));
    assert!(may_go_away(&fresh, &removal));
    assert!(may_go_away(&view("A B C"), &admission));
    assert!(!may_go_away(&view("A"), &successor), "there is no node to wait for");
    assert!(!may_go_away(&view("B a"), &removal), "the last voter stays the last");
}

#[test]
fn only_a_node_that_is_down_is_removed_by_force() {
    let force = |nodes: &str| may_force_remove(&view(nodes), id('c'));
    assert_eq!(force("A B C!"), Ok(()));
    assert_eq!(force("A B c!"), Ok(()));
    assert_eq!(force("A B"), Ok(()), "not a member, but on record");
    says(&force("A B C").expect_err("it is up"), "is up");
    says(&force("A B c").expect_err("it is up"), "is up");
}

#[test]
fn only_a_node_that_is_alive_and_caught_up_becomes_a_voter() {
    let promote = |nodes: &str| may_promote(&view(nodes), id('d'));
    assert_eq!(promote("A B d"), Ok(()));
    assert_eq!(promote("A B d1024"), Ok(()));
    assert!(matches!(promote("A B d1025"), Err(Rejection::Unavailable(_))));
    assert!(matches!(promote("A B d!"), Err(Rejection::Unavailable(_))));
}

fn record(letter: char, standing: MemberState) -> NodeRecord {
    let address = Address::new("127.0.0.1:7400").expect("legal");
    NodeRecord { id: id(letter), name: name(letter), address, standing, since_ms: 0 }
}

#[test]
fn a_node_without_data_joins_once_its_old_incarnation_is_down() {
    let member = [record('c', MemberState::Member)];
    let joining = [record('c', MemberState::Joining)];
    let admit = |nodes: &str, records: &[NodeRecord]| may_join(&view(nodes), records, &name('c'));
    assert_eq!(admit("A B", &joining), Ok(JoinVerdict::Accept), "it has not heard of its admission");
    assert_eq!(admit("A B C!", &member), Ok(JoinVerdict::RemoveOldFirst(id('c'))));
    assert_eq!(admit("A B c!", &joining), Ok(JoinVerdict::RemoveOldFirst(id('c'))));
    assert!(matches!(admit("A B C", &member), Err(Rejection::Unavailable(_))), "it is alive");
    assert_eq!(admit("A B! C! D", &member), Ok(JoinVerdict::RemoveOldFirst(id('c'))), "2 of 3 are left");
    assert!(matches!(admit("A B! C!", &member), Err(Rejection::Refused { .. })), "no quorum without it");
}

#[test]
fn a_certificate_alone_admits_no_node() {
    let admit = |records: &[NodeRecord]| may_join(&view("A B"), records, &name('c'));
    assert_eq!(admit(&[record('c', MemberState::Announced)]), Ok(JoinVerdict::Accept));
    says(&admit(&[]).expect_err("never announced"), "is not announced");
    says(&admit(&[record('d', MemberState::Announced)]).expect_err("another one is"), "is not announced");
    says(&admit(&[record('c', MemberState::Shutdown)]).expect_err("it was shut down"), "is not announced");
    says(
        &admit(&[record('c', MemberState::Member)]).expect_err("its removal is not recorded"),
        "is not announced",
    );
}
