//! Each check finds its violation, and reports none for a correct history.

use super::*;
use crate::sim::observation::{AppliedState, Inside, LogLine};

fn node(name: &str, id: u64, term: u64) -> Observation {
    Observation { name: name.to_owned(), id, term, ..Observation::default() }
}

/// A node whose log has entries of these terms, from 1 on.
fn with_log(name: &str, terms: &[u64], applied: u64) -> Observation {
    let line = |(index, term): (usize, &u64)| LogLine {
        index: index as u64 + 1,
        term: *term,
        hash: 100 * term + index as u64,
        ..LogLine::default()
    };
    let log: Vec<LogLine> = terms.iter().enumerate().map(line).collect();
    let last_log = log.len() as u64;
    let voted = terms.last().copied().unwrap_or_default();
    let inside = Inside { log, voted, durably_applied: applied, ..Inside::default() };
    Observation { applied, last_log, inside: Some(inside), ..node(name, 1, voted) }
}

fn leading(seen: Observation, term: u64) -> Observation {
    Observation { leads: true, term, ..seen }
}

fn inside(seen: &mut Observation) -> &mut Inside {
    seen.inside.as_mut().expect("was given one")
}

/// Runs the check on these observations in turn.
fn verdicts<const N: usize>(check: &mut dyn SafetyCheck, seen: [Observation; N]) -> [bool; N] {
    seen.map(|seen| check.look(&seen).is_ok())
}

#[test]
fn a_vote_that_a_power_cut_would_lose_is_found() {
    let with = |term, voted| {
        let inside = Inside { voted, ..Inside::default() };
        Observation { inside: Some(inside), ..node("a", 1, term) }
    };
    assert_eq!(
        verdicts(&mut DurableBeforeAnswered::default(), [with(3, 3), with(3, 4), with(4, 3)]),
        [true, true, false]
    );
    let waits = Observation { stalled: true, ..with(4, 3) };
    assert!(DurableBeforeAnswered::default().look(&waits).is_ok(), "it has not answered yet");
}

#[test]
fn entries_counted_that_a_power_cut_would_lose_are_found() {
    let follower = |entries: usize, term| Observation { term, id: 2, ..with_log("b", &vec![1; entries], 0) };
    let leader = || Observation { matched: vec![(2, 3)], ..leading(with_log("a", &[1], 0), 1) };
    let check = |follower: Observation| {
        let mut check = DurableBeforeAnswered::default();
        check.look(&follower).is_ok() && check.look(&leader()).is_ok()
    };
    assert!(check(follower(3, 1)) && check(follower(4, 1)));
    assert!(!check(follower(2, 1)));
    let mut from_snapshot = follower(2, 1);
    inside(&mut from_snapshot).durably_applied = 3;
    assert!(check(from_snapshot), "the state is on the disk");
    let mut later = DurableBeforeAnswered::default();
    let mut moved_on = follower(2, 5);
    inside(&mut moved_on).voted = 5;
    assert!(later.look(&moved_on).is_ok() && later.look(&leader()).is_ok(), "it follows another leader now");
}

#[test]
fn two_leaders_of_one_term_are_found() {
    let leads = |id, term| leading(node("n", id, term), term);
    let seen = [leads(1, 4), leads(2, 5), leads(1, 4), node("n", 3, 5), leads(3, 5)];
    assert_eq!(verdicts(&mut ElectionSafety::default(), seen), [true, true, true, true, false]);
}

#[test]
fn logs_that_do_not_match_are_found() {
    let good = [with_log("a", &[1, 1, 2], 0), with_log("b", &[1, 1, 3, 3], 0), with_log("c", &[1, 1], 0)];
    let mut check = LogMatching::default();
    assert_eq!(verdicts(&mut check, good), [true; 3]);
    assert!(check.look(&with_log("d", &[1, 2, 2], 0)).is_err(), "another entry before (3, 2)");
    let mut other = with_log("e", &[1, 1], 0);
    inside(&mut other).log[1].hash += 1;
    assert!(check.look(&other).is_err(), "another entry (2, 1)");
    let mut hole = with_log("f", &[1, 1, 2], 0);
    inside(&mut hole).log.remove(1);
    assert!(check.look(&hole).is_err(), "a hole");
    assert!(check.look(&with_log("g", &[9, 8], 0)).is_err(), "terms go back");
}

#[test]
fn a_leader_without_a_committed_entry_is_found() {
    let mut check = LeaderCompleteness::default();
    let follower = with_log("a", &[1, 1, 2], 3);
    assert!(check.look(&follower).is_ok());
    assert!(check.look(&leading(with_log("b", &[1, 1, 2, 3], 0), 3)).is_ok());
    assert!(check.look(&with_log("c", &[1, 1], 0)).is_ok(), "followers may lag");
    assert!(check.look(&leading(with_log("c", &[1, 1], 0), 2)).is_ok(), "so may its own disk");
    assert!(check.look(&leading(with_log("c", &[1, 1], 0), 1)).is_ok(), "so may a leader of the past");
    assert!(check.look(&leading(with_log("c", &[1, 1], 0), 3)).is_err(), "entry 3 is missing");
    assert!(check.look(&leading(with_log("d", &[1, 1, 1], 0), 3)).is_err(), "entry 3 is another");
    let mut purged = leading(with_log("e", &[1, 1, 2, 3], 3), 3);
    inside(&mut purged).log.drain(..3);
    assert!(check.look(&purged).is_ok(), "what is purged is not missing");
    let mut from_snapshot = leading(with_log("f", &[1], 0), 3);
    inside(&mut from_snapshot).durably_applied = 3;
    assert!(check.look(&from_snapshot).is_ok(), "what is in the state is not missing");
}

#[test]
fn different_entries_applied_are_found() {
    let mut check = StateMachineSafety::default();
    assert!(check.look(&with_log("a", &[1, 1, 2], 2)).is_ok());
    assert!(check.look(&with_log("b", &[1, 1, 3], 2)).is_ok(), "entry 3 is not applied");
    assert!(check.look(&with_log("c", &[1, 2, 2], 1)).is_ok());
    assert!(check.look(&with_log("c", &[1, 2, 2], 2)).is_err());
}

#[test]
fn different_states_as_of_one_entry_are_found() {
    let mut check = StateMachineSafety::default();
    let with_state = |(index, hash)| {
        let mut seen = with_log("a", &[1], 1);
        inside(&mut seen).state = Some(AppliedState { index, hash, level: 1 });
        seen
    };
    let seen = [(1, 7), (2, 8), (1, 7), (2, 7)].map(with_state);
    assert_eq!(verdicts(&mut check, seen), [true, true, true, false]);
}

#[test]
fn a_log_purged_ahead_of_the_state_is_found() {
    let with = |purged, durably_applied| {
        let inside = Inside { purged, durably_applied, ..Inside::default() };
        Observation { inside: Some(inside), ..node("a", 1, 1) }
    };
    assert_eq!(verdicts(&mut PurgedIsApplied, [with(4, 4), with(4, 5), with(5, 4)]), [true, true, false]);
}

#[test]
fn two_changes_of_membership_at_once_are_found() {
    let with = |memberships: &[&[&[u64]]]| {
        let mut seen = with_log("a", &vec![1; memberships.len()], 0);
        for (line, sets) in inside(&mut seen).log.iter_mut().zip(memberships) {
            line.voters = Some(sets.iter().map(|set| set.to_vec()).collect());
        }
        OneChangeAtATime.look(&seen).is_ok()
    };
    assert!(with(&[&[&[1]], &[&[1], &[1, 2]], &[&[1, 2]], &[&[1, 2]]]), "joint, then uniform");
    assert!(with(&[&[&[1, 2, 3]], &[&[1, 2, 3], &[1, 4, 5]], &[&[1, 2, 3]]]), "joint, and back");
    assert!(with(&[&[&[1, 2]], &[&[1, 2, 3]]]), "one voter at a time needs no joint one");
    assert!(!with(&[&[&[1, 2]], &[&[1, 3]]]), "two voters at a time");
    assert!(!with(&[&[&[1, 2], &[1, 3]], &[&[1, 4], &[1, 5]]]), "a second change in the middle of the first");
    assert!(!with(&[&[&[1], &[2], &[3]]]), "three sets");
}

#[test]
fn an_id_of_two_disks_is_found() {
    let with = |name, id, disk| Observation { disk, ..node(name, id, 1) };
    let seen = [with("a", 1, 0), with("b", 2, 0), with("a", 9, 1), with("a", 1, 0), with("b", 1, 0)];
    assert_eq!(verdicts(&mut NodeIdsOnce::default(), seen), [true, true, true, true, false]);
    assert!(NodeIdsOnce::default().look(&with("a", 1, 0)).is_ok());
    assert_eq!(verdicts(&mut NodeIdsOnce::default(), [with("a", 1, 0), with("a", 1, 1)]), [true, false]);
}

/// A node whose state is of a level as of an entry.
fn at_level(id: u64, knows: u32, marked: u32, index: u64, level: u32) -> Observation {
    let state = Some(AppliedState { index, hash: 0, level });
    let inside = Inside { state, marked: Some(marked), ..Inside::default() };
    Observation { knows, inside: Some(inside), ..node("a", id, 1) }
}

#[test]
fn a_level_that_sinks_is_found() {
    let seen = [at_level(1, 2, 2, 5, 1), at_level(1, 2, 2, 7, 2), at_level(2, 2, 2, 6, 2)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true; 3], "it may be applied later elsewhere");
    let seen = [at_level(1, 2, 2, 7, 2), at_level(2, 2, 2, 8, 1)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true, false]);
}

#[test]
fn an_entry_of_a_level_that_is_not_reached_is_found() {
    let with = |raises, needs| {
        let mut seen = at_level(1, 2, 2, 1, 1);
        let line = |index| LogLine { index, ..LogLine::default() };
        inside(&mut seen).log = vec![LogLine { raises, ..line(2) }, LogLine { needs, ..line(3) }];
        FeatureLevels::default().look(&seen).is_ok()
    };
    assert!(with(2, 2) && with(0, 1) && with(0, 0));
    assert!(!with(0, 2));
    let mut purged = with_log("a", &[1, 1], 0);
    inside(&mut purged).log[1].needs = 2;
    inside(&mut purged).marked = Some(2);
    assert!(FeatureLevels::default().look(&purged).is_ok(), "the level as of its beginning is not known");
}

#[test]
fn data_of_a_level_that_is_not_noted_is_found() {
    let with = |marked, durable_level, raises| {
        let mut seen = with_log("a", &[1], 1);
        let inside = inside(&mut seen);
        (inside.marked, inside.durable_level, inside.log[0].raises) = (marked, durable_level, raises);
        seen
    };
    let judge = |seen| FeatureLevels::default().look(&seen).is_ok();
    assert!(judge(with(Some(2), 2, 2)) && judge(with(Some(2), 1, 0)) && judge(with(None, 2, 2)));
    assert!(!judge(with(Some(1), 2, 0)));
    assert!(!judge(with(Some(1), 1, 2)));
    let seen = [with(Some(2), 1, 0), with(Some(1), 1, 0)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true, false], "a mark sinks");
}

#[test]
fn a_node_that_does_not_know_its_level_is_found() {
    let seen = [at_level(1, 1, 1, 9, 1), at_level(1, 1, 2, 9, 1)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true, false], "on data of a later level");
    let seen = [at_level(1, 2, 2, 4, 1), at_level(1, 2, 2, 6, 2), at_level(3, 1, 1, 1, 1)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true; 3], "admitted before the level rose");
    let seen = [at_level(1, 2, 2, 6, 2), at_level(8, 1, 1, 1, 1)];
    assert_eq!(verdicts(&mut FeatureLevels::default(), seen), [true, false], "admitted afterwards");
}
