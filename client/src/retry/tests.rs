//! Table tests of the retry rules: each line is a call, given as its events and the
//! expected steps.

use coffee_common::{
    command::{Batch, Operation},
    id::{ClientId, NodeName},
    key::Key,
    protocol::{Consistency, Request},
};

use super::*;
use crate::error::OutcomeKind;

const DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn id(sequence: u64) -> RequestId {
    RequestId { client: ClientId(1), sequence, after: Revision(9) }
}

pub(super) fn fresh() -> RetryPolicy {
    RetryPolicy::WithRequestId { id: None }
}

pub(super) fn given() -> RetryPolicy {
    RetryPolicy::WithRequestId { id: Some(id(1)) }
}

pub(super) fn target(letter: char) -> Arc<RouteTarget> {
    Arc::new(RouteTarget { address: Address::new(format!("{letter}:1")).expect("legal"), name: None })
}

pub(super) fn in_flight(targets: &str, sent: bool) -> InFlightTries {
    InFlightTries { targets: targets.chars().map(target).collect(), sent }
}

/// One call with the endpoints a, b and c.
pub(super) struct ScriptedCall {
    routes: Routes,
    pub(super) retry: Retry,
    now: Duration,
    pub(super) in_flight: InFlightTries,
}

impl ScriptedCall {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        let routes = Routes::new("abc".chars().map(|c| target(c).address.clone()), true);
        let mut retry = Retry::new(Route::Leader, policy, Duration::ZERO, DEADLINE);
        retry.named(id(1));
        Self { routes, retry, now: Duration::ZERO, in_flight: InFlightTries::default() }
    }

    fn next(&mut self, event: RetryEvent) -> RetryStep {
        let context = RetryContext {
            routes: &self.routes,
            connected: &|_| false,
            now: self.now,
            roll: 50,
            in_flight: &self.in_flight,
        };
        self.retry.next(event, &context)
    }

    /// Plays events, written as words, and returns the steps: see `event` and `shown`.
    pub(super) fn play(&mut self, events: &str) -> String {
        let mut last = 'a';
        let mut steps = Vec::new();
        for word in events.split_whitespace() {
            let step = match word {
                "late" => {
                    self.now = DEADLINE;
                    self.next(RetryEvent::Late)
                }
                _ => self.next(event(word, last)),
            };
            match &step {
                RetryStep::Ask(choice) => {
                    last = choice.target.address.as_str().chars().next().expect("a letter");
                }
                RetryStep::Renew(_) => {
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

fn event(word: &str, last: char) -> RetryEvent {
    let ended = |ending| RetryEvent::Ended(target(last), ending);
    match word {
        "begin" => RetryEvent::Begin,
        "resume" => RetryEvent::Resumed,
        "quiet" => RetryEvent::Quiet,
        "news" => RetryEvent::News,
        "settled" => ended(TryOutcome::Settled),
        "forgotten" => ended(TryOutcome::Forgotten(Revision(77))),
        "unavailable" => ended(TryOutcome::Rejected(Rejection::Unavailable("no leader".into()))),
        "noquorum" => {
            let reached = vec![NodeName::new("hong").expect("legal")];
            ended(TryOutcome::Rejected(Rejection::NoQuorum { reached, voters: 3 }))
        }
        "overloaded" => ended(TryOutcome::Rejected(Rejection::Overloaded)),
        "unknown" => ended(TryOutcome::Rejected(Rejection::Unknown("deposed".into()))),
        "unsupported" => ended(TryOutcome::Rejected(Rejection::Unsupported("older".into()))),
        "unreadable" => ended(TryOutcome::Rejected(Rejection::Unreadable("newer".into()))),
        "denied" => ended(TryOutcome::Rejected(Rejection::Denied("a reader".into()))),
        "refused" => {
            ended(TryOutcome::Rejected(Rejection::Refused { reason: "quorum".into(), hint: "boot".into() }))
        }
        "notsent" => ended(TryOutcome::NotSent(NotSentReason::Unreachable("no route".into()))),
        "slowdial" => ended(TryOutcome::SlowDial("no connection yet".into())),
        "closed" => ended(TryOutcome::NotSent(NotSentReason::Closed)),
        "identity" => ended(TryOutcome::NotSent(NotSentReason::Identity("wrong CA".into()))),
        "lost" => ended(TryOutcome::Lost("cut off".into())),
        other => panic!("no such event: {other}"),
    }
}

fn shown(step: &RetryStep) -> String {
    match step {
        RetryStep::Ask(choice) => choice.target.address.as_str().replace(":1", ""),
        RetryStep::Pause(pause) => format!("{}ms", pause.as_millis()),
        RetryStep::Renew(upto) => format!("renew{upto}"),
        RetryStep::Wait => "wait".into(),
        RetryStep::Done => "done".into(),
        RetryStep::Fail(error) => match error {
            Error::Unavailable(_) => "UNAVAILABLE",
            Error::NoQuorum(_) => "NOQUORUM",
            Error::Unknown { .. } => "UNKNOWN",
            Error::Identity(_) => "IDENTITY",
            Error::Closed => "CLOSED",
            Error::Denied(_) => "DENIED",
            Error::Refused { .. } => "REFUSED",
            Error::Unsupported(_) => "UNSUPPORTED",
            other => panic!("unexpected {other:?}"),
        }
        .into(),
    }
}

pub(super) fn table(policy: RetryPolicy, rows: &[(&str, &str)]) {
    for (events, steps) in rows {
        assert_eq!(ScriptedCall::new(policy).play(events), *steps, "{policy:?}: {events}");
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
            ("begin notsent closed", "a b CLOSED"),
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
            ("begin lost closed", "a b UNKNOWN"),
            ("begin lost unavailable settled", "a b c done"),
        ],
    );
}

#[test]
fn a_write_still_under_way_at_the_deadline_is_unknown() {
    let mut call = ScriptedCall::new(fresh());
    call.play("begin");
    call.in_flight = in_flight("a", true);
    assert_eq!(call.play("late"), "UNKNOWN");
    let mut call = ScriptedCall::new(fresh());
    call.play("begin");
    call.in_flight = in_flight("a", false);
    assert_eq!(call.play("late"), "UNAVAILABLE");
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
    let mut hedged = ScriptedCall::new(fresh());
    hedged.play("begin");
    hedged.in_flight = in_flight("a", true);
    assert_eq!(hedged.play("forgotten"), "UNKNOWN");
}

#[test]
fn a_renewed_write_begins_afresh_and_names_its_new_id() {
    let mut call = ScriptedCall::new(fresh());
    assert_eq!(call.play("begin forgotten begin lost"), "a renew77 a b");
    let RetryStep::Fail(Error::Unknown { request, .. }) = call.next(RetryEvent::Late) else {
        panic!("unknown")
    };
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
        RetryPolicy::ReadOnly,
        &[
            ("begin lost settled", "a b done"),
            ("begin unknown lost unavailable late", "a b c 10ms UNAVAILABLE"),
            ("begin lost denied", "a b DENIED"),
        ],
    );
    let mut call = ScriptedCall::new(RetryPolicy::ReadOnly);
    call.play("begin");
    call.in_flight = in_flight("a", true);
    assert_eq!(call.play("late"), "UNAVAILABLE");
}

#[test]
fn what_is_idempotent_is_tried_again_but_not_twice_at_once() {
    let mut call = ScriptedCall::new(RetryPolicy::Idempotent);
    call.play("begin");
    call.in_flight = in_flight("a", true);
    assert_eq!(call.play("quiet news settled"), "wait wait done");
    table(
        RetryPolicy::Idempotent,
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
        RetryPolicy::AtMostOnce,
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
    for policy in [RetryPolicy::ReadOnly, fresh()] {
        let mut call = ScriptedCall::new(policy);
        assert_eq!(call.play("begin quiet quiet"), "a b c");
        call.in_flight = in_flight("xxxx", true);
        assert_eq!(call.play("quiet news settled"), "wait wait done");
    }
}

#[test]
fn a_node_that_is_being_asked_is_not_asked_again() {
    let mut call = ScriptedCall::new(fresh());
    call.play("begin");
    for (targets, expected) in [("a", "b"), ("ab", "c"), ("abc", "wait")] {
        call.in_flight = in_flight(targets, true);
        assert_eq!(call.play("quiet"), expected);
    }
}

#[test]
fn a_new_leader_is_asked_at_once_tried_before_or_not() {
    let mut call = ScriptedCall::new(fresh());
    call.play("begin unavailable unavailable unavailable");
    let leader = coffee_common::protocol::Leader {
        name: NodeName::new("hong").expect("legal"),
        address: target('b').address.clone(),
    };
    call.routes.heard_of_leader(&leader);
    assert_eq!(call.play("news"), "b");
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
    for (policy, events, expected) in [
        (fresh(), "unavailable", "UNAVAILABLE"),
        (fresh(), "resume", "UNAVAILABLE"),
        (fresh(), "lost", "b"),
        (RetryPolicy::AtMostOnce, "notsent", "UNAVAILABLE"),
        (RetryPolicy::ReadOnly, "unavailable", "b"),
    ] {
        let mut call = ScriptedCall::new(policy);
        call.play("begin");
        call.now = DEADLINE - Duration::from_millis(200);
        assert_eq!(call.play(events), expected, "{policy:?} {events}");
    }
}

#[test]
fn a_pause_never_reaches_past_the_deadline() {
    let mut call = ScriptedCall::new(RetryPolicy::ReadOnly);
    call.play("begin unavailable unavailable");
    call.now = DEADLINE - Duration::from_millis(3);
    assert_eq!(call.play("unavailable"), "3ms");
}

#[test]
fn each_request_has_its_manner() {
    let node = || NodeName::new("hong").expect("legal");
    let key = || Key::new("k").expect("legal");
    let get = |consistency| Request::Get { key: key(), consistency };
    let batch = Batch::of(Operation::Delete(key()));
    for (request, route, policy) in [
        (Request::Status, Route::First, RetryPolicy::ReadOnly),
        (Request::List, Route::First, RetryPolicy::ReadOnly),
        (get(Consistency::Local), Route::First, RetryPolicy::ReadOnly),
        (get(Consistency::Linearizable), Route::Leader, RetryPolicy::ReadOnly),
        (Request::Write { request: id(1), batch: batch.into() }, Route::Leader, given()),
        (Request::Transfer { to: Some(node()) }, Route::Leader, RetryPolicy::Idempotent),
        (Request::Transfer { to: None }, Route::Leader, RetryPolicy::AtMostOnce),
        (Request::Down { node: Some(node()), dry_run: false }, Route::Leader, RetryPolicy::Idempotent),
        (Request::Down { node: None, dry_run: false }, Route::Leader, RetryPolicy::AtMostOnce),
        (Request::Down { node: None, dry_run: true }, Route::Leader, RetryPolicy::ReadOnly),
    ] {
        assert_eq!(policy_of(&request), (route, policy), "{request:?}");
    }
}

#[test]
fn a_failed_call_says_what_went_wrong() {
    let mut call = ScriptedCall::new(fresh());
    call.play("begin notsent notsent unavailable");
    let RetryStep::Fail(error) = call.next(RetryEvent::Late) else { panic!("fails") };
    assert_eq!(error.to_string(), "unavailable: c:1: no leader; nothing was done");
    assert_eq!(error.outcome(), OutcomeKind::NotApplied);
}
