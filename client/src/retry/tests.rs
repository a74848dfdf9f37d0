//! Table tests of the retry rule: each line of a table is a call, given as
//! the events that befall it and the steps that it must take.

use coffee_common::{
    command::{Batch, Operation},
    id::{ClientId, NodeName},
    key::Key,
};

use super::*;
use crate::error::OutcomeKind;

const DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn id(sequence: u64) -> RequestId {
    RequestId { client: ClientId(1), sequence, after: Revision(9) }
}

fn fresh() -> Repeat {
    Repeat::Named { id: None }
}

fn given() -> Repeat {
    Repeat::Named { id: Some(id(1)) }
}

pub(super) fn target(letter: char) -> Arc<Target> {
    Arc::new(Target { address: Address::new(format!("{letter}:1")).expect("legal"), name: None })
}

fn under_way(targets: &str, sent: bool) -> UnderWay {
    UnderWay { targets: targets.chars().map(target).collect(), sent }
}

/// One call among the endpoints a, b and c.
struct Script {
    routes: Routes,
    retry: Retry,
    now: Duration,
    under_way: UnderWay,
}

impl Script {
    fn new(repeat: Repeat) -> Self {
        let routes = Routes::new("abc".chars().map(|c| target(c).address.clone()), true);
        let mut retry = Retry::new(Route::Leader, repeat, Duration::ZERO, DEADLINE);
        retry.named(id(1));
        Self { routes, retry, now: Duration::ZERO, under_way: UnderWay::default() }
    }

    fn next(&mut self, event: Event) -> Step {
        let view = View {
            routes: &self.routes,
            connected: &|_| false,
            now: self.now,
            roll: 50,
            under_way: &self.under_way,
        };
        self.retry.next(event, &view)
    }

    /// Plays events, written as letters, and writes down the steps: see `event` and `shown`.
    fn play(&mut self, events: &str) -> String {
        let mut last = 'a';
        let mut steps = Vec::new();
        for word in events.split_whitespace() {
            let step = match word {
                "late" => {
                    self.now = DEADLINE;
                    self.next(Event::Late)
                }
                _ => self.next(event(word, last)),
            };
            match &step {
                Step::Ask(choice) => {
                    last = choice.target.address.as_str().chars().next().expect("a letter");
                }
                Step::Renew(_) => {
                    self.retry.renewed();
                    self.retry.named(id(2));
                }
                _ => {}
            }
            steps.push(shown(&step));
        }
        steps.join(" ")
    }
}

fn event(word: &str, last: char) -> Event {
    let ended = |ending| Event::Ended(target(last), ending);
    match word {
        "begin" => Event::Begin,
        "resume" => Event::Resumed,
        "quiet" => Event::Quiet,
        "news" => Event::News,
        "settled" => ended(Ending::Settled),
        "forgotten" => ended(Ending::Forgotten(Revision(77))),
        "unavailable" => ended(Ending::Rejected(Rejection::Unavailable("no leader".into()))),
        "overloaded" => ended(Ending::Rejected(Rejection::Overloaded)),
        "unknown" => ended(Ending::Rejected(Rejection::Unknown("deposed".into()))),
        "denied" => ended(Ending::Rejected(Rejection::Denied("a reader".into()))),
        "refused" => {
            ended(Ending::Rejected(Rejection::Refused { reason: "quorum".into(), hint: "boot".into() }))
        }
        "notsent" => ended(Ending::NotSent(Fault::Unreachable("no route".into()))),
        "identity" => ended(Ending::NotSent(Fault::Identity("wrong CA".into()))),
        "lost" => ended(Ending::Lost("cut off".into())),
        other => panic!("no such event: {other}"),
    }
}

fn shown(step: &Step) -> String {
    match step {
        Step::Ask(choice) => choice.target.address.as_str().replace(":1", ""),
        Step::Pause(pause) => format!("{}ms", pause.as_millis()),
        Step::Renew(upto) => format!("renew{upto}"),
        Step::Wait => "wait".into(),
        Step::Done => "done".into(),
        Step::Fail(error) => match error {
            Error::Unavailable(_) => "UNAVAILABLE",
            Error::Unknown { .. } => "UNKNOWN",
            Error::Identity(_) => "IDENTITY",
            Error::Denied(_) => "DENIED",
            Error::Refused { .. } => "REFUSED",
            other => panic!("unexpected {other:?}"),
        }
        .into(),
    }
}

fn table(repeat: Repeat, rows: &[(&str, &str)]) {
    for (events, steps) in rows {
        assert_eq!(Script::new(repeat).play(events), *steps, "{repeat:?}: {events}");
    }
}

#[test]
fn a_write_is_tried_elsewhere_until_the_deadline() {
    table(
        fresh(),
        &[
            ("begin settled", "a done"),
            ("begin unavailable settled", "a b done"),
            ("begin overloaded resume settled", "a 10ms b done"),
            ("begin notsent settled", "a b done"),
            ("begin lost settled", "a b done"),
            (
                "begin unavailable unavailable unavailable resume unavailable resume settled",
                "a b c 10ms a 20ms b done",
            ),
        ],
    );
}

#[test]
fn a_write_that_was_never_in_doubt_was_not_applied() {
    table(
        fresh(),
        &[
            ("begin late", "a UNAVAILABLE"),
            ("begin notsent notsent notsent late", "a b c 10ms UNAVAILABLE"),
            ("begin unavailable notsent overloaded late", "a b c 10ms UNAVAILABLE"),
            ("begin overloaded late", "a 10ms UNAVAILABLE"),
            ("begin denied", "a DENIED"),
            ("begin unavailable refused", "a b REFUSED"),
        ],
    );
}

#[test]
fn only_an_outcome_settles_a_write_that_was_in_doubt() {
    table(
        fresh(),
        &[
            ("begin lost late", "a b UNKNOWN"),
            ("begin unknown late", "a b UNKNOWN"),
            ("begin lost unavailable notsent late", "a b c 10ms UNKNOWN"),
            ("begin lost denied", "a b UNKNOWN"),
            ("begin lost unavailable settled", "a b c done"),
        ],
    );
}

#[test]
fn a_write_still_under_way_at_the_deadline_is_unknown() {
    let mut script = Script::new(fresh());
    script.play("begin");
    script.under_way = under_way("a", true);
    assert_eq!(script.play("late"), "UNKNOWN");
    let mut script = Script::new(fresh());
    script.play("begin");
    script.under_way = under_way("a", false);
    assert_eq!(script.play("late"), "UNAVAILABLE");
}

#[test]
fn a_forgotten_write_is_renamed_only_if_it_was_never_in_doubt() {
    table(
        fresh(),
        &[
            ("begin forgotten begin settled", "a renew77 a done"),
            ("begin unavailable forgotten begin settled", "a b renew77 a done"),
            ("begin lost forgotten", "a b UNKNOWN"),
            (
                "begin forgotten begin forgotten begin forgotten begin forgotten",
                "a renew77 a renew77 a renew77 a UNKNOWN",
            ),
        ],
    );
    let mut hedged = Script::new(fresh());
    hedged.play("begin");
    hedged.under_way = under_way("a", true);
    assert_eq!(hedged.play("forgotten"), "UNKNOWN");
}

#[test]
fn a_renewed_write_begins_afresh_and_names_its_new_id() {
    let mut script = Script::new(fresh());
    assert_eq!(script.play("begin forgotten begin lost"), "a renew77 a b");
    let Step::Fail(Error::Unknown { request, .. }) = script.next(Event::Late) else { panic!("unknown") };
    assert_eq!(request, Some(id(2)));
}

#[test]
fn a_write_with_a_given_id_may_have_been_applied_before() {
    table(
        given(),
        &[
            ("begin settled", "a done"),
            ("begin forgotten", "a UNKNOWN"),
            ("begin notsent notsent notsent late", "a b c 10ms UNKNOWN"),
            ("begin denied", "a UNKNOWN"),
        ],
    );
}

#[test]
fn a_read_is_never_in_doubt() {
    table(
        Repeat::Free,
        &[
            ("begin lost settled", "a b done"),
            ("begin unknown lost unavailable late", "a b c 10ms UNAVAILABLE"),
            ("begin lost denied", "a b DENIED"),
        ],
    );
    let mut script = Script::new(Repeat::Free);
    script.play("begin");
    script.under_way = under_way("a", true);
    assert_eq!(script.play("late"), "UNAVAILABLE");
}

#[test]
fn what_is_idempotent_is_tried_again_but_not_twice_at_once() {
    let mut script = Script::new(Repeat::Idempotent);
    script.play("begin");
    script.under_way = under_way("a", true);
    assert_eq!(script.play("quiet news settled"), "wait wait done");
    table(
        Repeat::Idempotent,
        &[
            ("begin lost settled", "a b done"),
            ("begin lost late", "a b UNKNOWN"),
            ("begin lost refused", "a b UNKNOWN"),
            ("begin unavailable refused", "a b REFUSED"),
            ("begin notsent late", "a b UNAVAILABLE"),
        ],
    );
}

#[test]
fn what_may_be_done_once_is_never_tried_again_in_doubt() {
    table(
        Repeat::Once,
        &[
            ("begin notsent unavailable settled", "a b c done"),
            ("begin lost", "a UNKNOWN"),
            ("begin unknown", "a UNKNOWN"),
            ("begin quiet late", "a wait UNAVAILABLE"),
        ],
    );
}

#[test]
fn reads_and_writes_are_asked_elsewhere_while_a_node_is_quiet_within_bounds() {
    for repeat in [Repeat::Free, fresh()] {
        let mut script = Script::new(repeat);
        assert_eq!(script.play("begin quiet quiet"), "a b c");
        script.under_way = under_way("xxxx", true);
        assert_eq!(script.play("quiet news settled"), "wait wait done");
    }
}

#[test]
fn nobody_is_asked_again_who_is_being_asked() {
    let mut script = Script::new(fresh());
    script.play("begin");
    for (targets, expected) in [("a", "b"), ("ab", "c"), ("abc", "wait")] {
        script.under_way = under_way(targets, true);
        assert_eq!(script.play("quiet"), expected);
    }
}

#[test]
fn a_new_leader_is_asked_at_once_tried_before_or_not() {
    let mut script = Script::new(fresh());
    script.play("begin unavailable unavailable unavailable");
    let leader = coffee_common::protocol::Leader {
        name: NodeName::new("hong").expect("legal"),
        address: target('b').address.clone(),
    };
    script.routes.heard_of_leader(&leader);
    assert_eq!(script.play("news"), "b");
}

#[test]
fn certificates_that_no_endpoint_accepts_end_the_call_at_once() {
    table(
        fresh(),
        &[
            ("begin identity identity identity", "a b c IDENTITY"),
            ("begin identity notsent identity late", "a b c 10ms UNAVAILABLE"),
            ("begin lost identity identity resume identity late", "a b c 10ms a 20ms UNKNOWN"),
        ],
    );
}

#[test]
fn what_is_certain_is_not_put_in_doubt_at_the_last_moment() {
    for (repeat, events, expected) in [
        (fresh(), "unavailable", "UNAVAILABLE"),
        (fresh(), "resume", "UNAVAILABLE"),
        (fresh(), "lost", "b"),
        (Repeat::Once, "notsent", "UNAVAILABLE"),
        (Repeat::Free, "unavailable", "b"),
    ] {
        let mut script = Script::new(repeat);
        script.play("begin");
        script.now = DEADLINE - Duration::from_millis(200);
        assert_eq!(script.play(events), expected, "{repeat:?} {events}");
    }
}

#[test]
fn a_pause_never_reaches_past_the_deadline() {
    let mut script = Script::new(Repeat::Free);
    script.play("begin unavailable unavailable");
    script.now = DEADLINE - Duration::from_millis(3);
    assert_eq!(script.play("unavailable"), "3ms");
}

#[test]
fn each_request_has_its_manner() {
    let node = || NodeName::new("hong").expect("legal");
    let key = || Key::new("k").expect("legal");
    let get = |consistency| Request::Get { key: key(), consistency };
    let batch = Batch::of(Operation::Delete(key()));
    for (request, route, repeat) in [
        (Request::Status, Route::First, Repeat::Free),
        (Request::List, Route::First, Repeat::Free),
        (get(Consistency::Local), Route::First, Repeat::Free),
        (get(Consistency::Linearizable), Route::Leader, Repeat::Free),
        (Request::Write { request: id(1), batch }, Route::Leader, given()),
        (Request::Transfer { to: Some(node()) }, Route::Leader, Repeat::Idempotent),
        (Request::Transfer { to: None }, Route::Leader, Repeat::Once),
        (Request::Down { node: Some(node()), dry_run: false }, Route::Leader, Repeat::Idempotent),
        (Request::Down { node: None, dry_run: false }, Route::Leader, Repeat::Once),
        (Request::Down { node: None, dry_run: true }, Route::Leader, Repeat::Free),
    ] {
        assert_eq!(manner(&request), (route, repeat), "{request:?}");
    }
}

#[test]
fn a_failed_call_says_what_went_wrong() {
    let mut script = Script::new(fresh());
    script.play("begin notsent notsent unavailable");
    let Step::Fail(error) = script.next(Event::Late) else { panic!("fails") };
    assert_eq!(error.to_string(), "unavailable: c:1: no leader; nothing was done");
    assert_eq!(error.outcome(), OutcomeKind::NotApplied);
}
