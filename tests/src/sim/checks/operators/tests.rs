//! Untrue answers are found, and true ones are not.

use super::*;
use crate::sim::observation::{CommittedMembers, MemberLine, RecordLine};

const ENTRY_OF_ADMISSION: u64 = 7;

/// A node that knows a membership at an index, with the votes of members, and records of nodes.
fn knows(index: u64, members: &[(u64, &str, bool)], records: &[(u64, &str, Standing)]) -> Observation {
    let member = |(id, name, votes): &(u64, &str, bool)| MemberLine {
        id: *id,
        name: (*name).to_owned(),
        votes: *votes,
    };
    let record = |(id, name, standing): &(u64, &str, Standing)| RecordLine {
        id: *id,
        name: (*name).to_owned(),
        standing: *standing,
    };
    Observation {
        applied: 100,
        members: Some(CommittedMembers { index, members: members.iter().map(member).collect() }),
        records: records.iter().map(record).collect(),
        ..Observation::default()
    }
}

const MING: (u64, &str, bool) = (1, "ming", true);
const MING_RECORD: (u64, &str, Standing) = (1, "ming", Standing::Live);

/// Hong votes from 10 ms on; from 100 ms on it has left, and from 110 ms on it is on record as shut
/// down.
fn hong_goes() -> MemberHistory {
    let mut history = MemberHistory::default();
    let hong = |standing| (ENTRY_OF_ADMISSION, "hong", standing);
    let voter = (ENTRY_OF_ADMISSION, "hong", true);
    history.look(10, &knows(8, &[MING, voter], &[MING_RECORD, hong(Standing::Live)]));
    history.look(100, &knows(20, &[MING], &[MING_RECORD, hong(Standing::Live)]));
    history.look(110, &knows(20, &[MING], &[MING_RECORD, hong(Standing::Shutdown)]));
    history
}

fn call(verb: OperatorVerb, called: u64, answer: Option<(u64, OperatorAnswer)>) -> OperatorCall {
    OperatorCall { verb, node: "hong".to_owned(), called, answer }
}

/// The call by which hong was admitted.
fn booted() -> OperatorCall {
    call(OperatorVerb::Boot, 1, Some((9, OperatorAnswer::Voter(ENTRY_OF_ADMISSION))))
}

fn nothing() -> OperatorAnswer {
    OperatorAnswer::NothingDone("no leader".to_owned())
}

fn doubt() -> OperatorAnswer {
    OperatorAnswer::InDoubt("no answer".to_owned())
}

/// The membership of a new cluster has index 0.
#[test]
fn the_founder_votes_before_another_node_joins() {
    let mut history = MemberHistory::default();
    history.look(10, &knows(0, &[MING], &[MING_RECORD]));
    let answer = Some((120, OperatorAnswer::Voter(1)));
    let call = OperatorCall { node: "ming".to_owned(), ..call(OperatorVerb::Boot, 110, answer) };
    assert_eq!(history.judge(&[call]), Vec::<String>::new());
}

#[test]
fn an_announcement_can_be_withdrawn() {
    let mut history = MemberHistory::default();
    history.look(10, &knows(0, &[MING], &[MING_RECORD, (5, "hong", Standing::Announced)]));
    let withdrawn = call(OperatorVerb::Remove, 20, Some((30, OperatorAnswer::Gone)));
    assert_eq!(history.judge(std::slice::from_ref(&withdrawn)), Vec::<String>::new());
    // It was admitted before, and is still there.
    history.look(15, &knows(8, &[MING, (7, "hong", true)], &[MING_RECORD, (7, "hong", Standing::Live)]));
    assert!(!history.judge(&[booted(), withdrawn]).is_empty());
}

#[test]
fn a_removal_needs_a_call_that_owns_up_to_it() {
    use OperatorAnswer::Gone;
    for (calls, is_clean) in [
        (vec![], false),
        (vec![call(OperatorVerb::Down, 90, Some((120, Gone)))], true),
        (vec![call(OperatorVerb::Remove, 90, Some((95, doubt())))], true),
        (vec![call(OperatorVerb::Down, 90, None)], true),
        (vec![call(OperatorVerb::Down, 90, Some((120, nothing())))], false),
        // Too late, about another node, or something else.
        (vec![call(OperatorVerb::Down, 101, None)], false),
        (vec![OperatorCall { node: "peng".to_owned(), ..call(OperatorVerb::Down, 90, None) }], false),
        (vec![call(OperatorVerb::Boot, 90, None)], false),
        // Before this id was admitted.
        (vec![call(OperatorVerb::Down, 2, Some((5, doubt())))], false),
        // Two at once, of which one says so.
        (
            vec![
                call(OperatorVerb::Down, 90, Some((120, nothing()))),
                call(OperatorVerb::Down, 91, Some((130, Gone))),
            ],
            true,
        ),
    ] {
        let calls = [vec![booted()], calls].concat();
        let wrong = hong_goes().judge(&calls);
        assert_eq!(wrong.is_empty(), is_clean, "{calls:?}: {wrong:?}");
    }
}

#[test]
fn a_certificate_alone_admits_no_node() {
    let mut history = MemberHistory::default();
    let record = |standing| (ENTRY_OF_ADMISSION, "hong", standing);
    history.look(5, &knows(1, &[MING], &[MING_RECORD, (3, "hong", Standing::Announced)]));
    assert_eq!(history.judge(&[]), [""; 0], "it is only announced");
    history.look(10_000, &knows(8, &[MING], &[MING_RECORD, record(Standing::Live)]));
    let boot = |answer| call(OperatorVerb::Boot, 1, answer);
    for (calls, is_clean) in [
        (vec![], false),
        (vec![boot(None)], true),
        (vec![boot(Some((4, doubt())))], true),
        (vec![boot(Some((4, OperatorAnswer::Announced)))], true),
        (vec![boot(Some((4, nothing())))], false),
        (vec![OperatorCall { node: "peng".to_owned(), ..boot(None) }], false),
    ] {
        let wrong = history.judge(&calls);
        assert_eq!(wrong.is_empty(), is_clean, "{calls:?}: {wrong:?}");
    }
}

#[test]
fn a_node_that_lost_its_disk_may_be_replaced_without_an_operator() {
    let mut history = hong_goes();
    history.look_at_disk(50, "hong", 1);
    assert_eq!(history.judge(&[booted()]), [""; 0]);
}

#[test]
fn a_node_that_was_shut_down_comes_back_only_through_an_operator() {
    let down = || call(OperatorVerb::Down, 90, Some((120, OperatorAnswer::Gone)));
    let mut history = hong_goes();
    history.look(200, &knows(20, &[MING], &[MING_RECORD, (30, "hong", Standing::Live)]));
    assert_eq!(history.judge(&[booted(), down()]).len(), 1);
    let boot = |answer| vec![booted(), down(), call(OperatorVerb::Boot, 150, Some((190, answer)))];
    assert_eq!(history.judge(&boot(nothing())).len(), 1);
    assert_eq!(history.judge(&boot(doubt())), [""; 0]);
    history.look_at_disk(50, "hong", 1);
    assert_eq!(history.judge(&[booted(), down()]).len(), 1, "even if it lost its disk");
}

#[test]
fn a_node_is_gone_if_a_call_says_so() {
    let mut history = MemberHistory::default();
    let record = (ENTRY_OF_ADMISSION, "hong", Standing::Live);
    history.look(10, &knows(8, &[MING, (ENTRY_OF_ADMISSION, "hong", true)], &[MING_RECORD, record]));
    let calls = [booted(), call(OperatorVerb::Down, 20, Some((30, OperatorAnswer::Gone)))];
    assert_eq!(history.judge(&calls).len(), 1);
    history.look(40, &knows(20, &[MING], &[MING_RECORD, (ENTRY_OF_ADMISSION, "hong", Standing::Shutdown)]));
    assert_eq!(history.judge(&calls), [""; 0]);
}

#[test]
fn a_node_that_is_shut_down_while_it_joins_does_not_join() {
    let mut history = MemberHistory::default();
    let record = |standing| (ENTRY_OF_ADMISSION, "hong", standing);
    history.look(10, &knows(1, &[MING], &[MING_RECORD, record(Standing::Live)]));
    history.look(20, &knows(1, &[MING], &[MING_RECORD, record(Standing::Shutdown)]));
    let boot = call(OperatorVerb::Boot, 1, Some((9, doubt())));
    let calls = [boot, call(OperatorVerb::Down, 15, Some((25, OperatorAnswer::Gone)))];
    assert_eq!(history.judge(&calls), [""; 0]);
    history.look(30, &knows(9, &[MING, (ENTRY_OF_ADMISSION, "hong", false)], &[]));
    assert_eq!(history.judge(&calls).len(), 1);
}

#[test]
fn a_node_ends_for_good_only_if_it_was_removed() {
    let mut history = hong_goes();
    let calls = [booted(), call(OperatorVerb::Down, 90, Some((120, OperatorAnswer::Gone)))];
    history.look_at_removed(115, "hong", ENTRY_OF_ADMISSION);
    assert_eq!(history.judge(&calls), [""; 0]);
    // Admitted twice, and told of the first id alone.
    let mut history = MemberHistory::default();
    history.look(10, &knows(1, &[MING], &[MING_RECORD, (ENTRY_OF_ADMISSION, "hong", Standing::Live)]));
    history.look(20, &knows(1, &[MING], &[MING_RECORD, (8, "hong", Standing::Live)]));
    history.look_at_removed(30, "hong", ENTRY_OF_ADMISSION);
    assert_eq!(history.judge(&[call(OperatorVerb::Boot, 1, None)]).len(), 1);
}

#[test]
fn a_voter_and_a_leader_are_what_a_call_says() {
    let mut history = MemberHistory::default();
    let hong = (ENTRY_OF_ADMISSION, "hong", true);
    let leads = Observation { name: "hong".to_owned(), term: 4, leads: true, ..knows(8, &[MING, hong], &[]) };
    history.look(10, &leads);
    let says = |verb, answer| history.judge(&[call(verb, 5, Some((12, answer)))]).is_empty();
    assert!(says(OperatorVerb::Boot, OperatorAnswer::Voter(ENTRY_OF_ADMISSION)));
    assert!(!says(OperatorVerb::Boot, OperatorAnswer::Voter(1)));
    assert!(says(OperatorVerb::Transfer, OperatorAnswer::Leads("hong".to_owned(), 4)));
    assert!(!says(OperatorVerb::Transfer, OperatorAnswer::Leads("hong".to_owned(), 5)));
    assert!(!says(OperatorVerb::Transfer, OperatorAnswer::Leads("ming".to_owned(), 4)));
}

#[test]
fn a_leadership_that_moved_needs_a_call_that_owns_up_to_it() {
    let leads = |name: &str, term, handed_over| Observation {
        name: name.to_owned(),
        term,
        leads: true,
        handed_over,
        ..Observation::default()
    };
    let moved = |successor: &str, third: &str| {
        let mut history = MemberHistory::default();
        history.look(10, &leads("ming", 4, 0));
        history.look(20, &leads("ming", 4, 4));
        history.look(30, &leads(successor, 5, 0));
        history.look(40, &leads(third, 6, 0));
        history
    };
    let history = moved("hong", "peng");
    let led = || OperatorAnswer::Leads("hong".to_owned(), 5);
    for (verb, called, answer, is_clean) in [
        (OperatorVerb::Transfer, 15, Some((35, led())), true),
        (OperatorVerb::Transfer, 15, Some((18, doubt())), true),
        (OperatorVerb::Transfer, 15, None, true),
        (OperatorVerb::Transfer, 15, Some((35, nothing())), false),
        (OperatorVerb::Transfer, 21, None, false),
        (OperatorVerb::Down, 15, Some((35, nothing())), true),
        (OperatorVerb::Boot, 15, None, false),
    ] {
        let calls = [call(verb, called, answer)];
        let wrong = history.judge(&calls);
        assert_eq!(wrong.is_empty(), is_clean, "{calls:?}: {wrong:?}");
    }
    let refused = [call(OperatorVerb::Transfer, 15, Some((35, nothing())))];
    assert_eq!(moved("ming", "ming").judge(&refused), [""; 0], "it was elected again itself");
    assert_eq!(moved("hong", "ming").judge(&refused), [""; 0], "it leads again");
}
