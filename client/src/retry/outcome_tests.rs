//! Property test of honest outcomes: random incidents against one call.
//!
//! The simulation records what its nodes may have executed; the call knows only the
//! events it receives.

use proptest::prelude::*;

use super::{tests::target, *};
use crate::error::OutcomeKind;

const DEADLINE: Duration = Duration::from_secs(5);

/// A simulated incident; most end a random try.
#[derive(Debug, Clone, Copy)]
enum Incident {
    Settle,
    Forget,
    Unavailable,
    Overloaded,
    Doubt,
    Deny,
    Unreachable,
    Identity,
    Lose,
    Quiet,
    News,
    Wait,
}

/// A call and the truth about it.
struct SimulatedCall {
    routes: Routes,
    retry: Retry,
    policy: RetryPolicy,
    now: Duration,
    /// Tries that have not ended, and whether each was sent.
    tries: Vec<(Arc<RouteTarget>, bool)>,
    pausing: bool,
    /// A try was sent and may have been executed.
    maybe_done: bool,
}

impl SimulatedCall {
    fn new(policy: RetryPolicy) -> Self {
        let routes = Routes::new("abc".chars().map(|c| target(c).address.clone()), true);
        let mut retry = Retry::new(Route::Leader, policy, Duration::ZERO, DEADLINE);
        if policy == (RetryPolicy::WithRequestId { id: None }) {
            retry.named(tests::id(1));
        }
        let maybe_done = matches!(policy, RetryPolicy::WithRequestId { id: Some(_) });
        Self { routes, retry, policy, now: Duration::ZERO, tries: Vec::new(), pausing: false, maybe_done }
    }

    /// Passes an event to the call and applies its step. Returns whether the call
    /// continues.
    fn tell(&mut self, event: RetryEvent, sent: bool) -> Result<bool, TestCaseError> {
        let in_flight = InFlightTries {
            targets: self.tries.iter().map(|(target, _)| Arc::clone(target)).collect(),
            sent: self.tries.iter().any(|(_, sent)| *sent),
        };
        let step = self.retry.next(
            event.clone(),
            &RetryContext {
                routes: &self.routes,
                connected: &|_| false,
                now: self.now,
                roll: 7,
                in_flight: &in_flight,
            },
        );
        match step {
            RetryStep::Ask(choice) => {
                let alone = matches!(self.policy, RetryPolicy::AtMostOnce | RetryPolicy::Idempotent);
                prop_assert!(!alone || self.tries.is_empty(), "twice at once");
                prop_assert!(self.policy != RetryPolicy::AtMostOnce || !self.maybe_done, "twice");
                self.pausing = false;
                self.tries.push((choice.target, sent));
            }
            RetryStep::Pause(_) => self.pausing = true,
            RetryStep::Renew(_) => {
                prop_assert!(!self.maybe_done && !in_flight.sent, "renamed in doubt");
                self.tries.clear();
                self.retry.renewed();
                self.retry.named(tests::id(2));
                return self.tell(RetryEvent::Begin, sent);
            }
            RetryStep::Wait => prop_assert!(self.pausing || !self.tries.is_empty(), "stuck after {event:?}"),
            RetryStep::Done => {
                let settled = matches!(event, RetryEvent::Ended(_, TryOutcome::Settled));
                prop_assert!(settled, "done without an answer");
                return Ok(false);
            }
            RetryStep::Fail(error) => {
                let maybe = self.maybe_done || in_flight.sent;
                let honest = self.policy == RetryPolicy::ReadOnly || !maybe;
                prop_assert!(honest || error.outcome() == OutcomeKind::Unknown, "{error:?}");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn apply(&mut self, incident: Incident, which: usize, sent: bool) -> Result<bool, TestCaseError> {
        let event = match incident {
            Incident::Quiet if self.tries.is_empty() => return Ok(true),
            Incident::Quiet => RetryEvent::Quiet,
            Incident::News => RetryEvent::News,
            Incident::Wait if self.pausing => {
                self.pausing = false;
                RetryEvent::Resumed
            }
            Incident::Wait => return Ok(true),
            _ if self.tries.is_empty() => return Ok(true),
            _ => {
                let (target, was_sent) = self.tries.swap_remove(which % self.tries.len());
                RetryEvent::Ended(target, self.ending(incident, was_sent))
            }
        };
        self.tell(event, sent)
    }

    /// Returns how the try ends: one that was not sent has no response.
    fn ending(&mut self, incident: Incident, was_sent: bool) -> TryOutcome {
        let reason = || "an incident".to_owned();
        match (incident, was_sent) {
            (Incident::Identity, false) => TryOutcome::NotSent(NotSentReason::Identity(reason())),
            (_, false) | (Incident::Unreachable | Incident::Identity, true) => {
                TryOutcome::NotSent(NotSentReason::Unreachable(reason()))
            }
            (Incident::Settle, true) => TryOutcome::Settled,
            (Incident::Forget, true) => TryOutcome::Forgotten(Revision(9)),
            (Incident::Unavailable, true) => TryOutcome::Rejected(Rejection::Unavailable(reason())),
            (Incident::Overloaded, true) => TryOutcome::Rejected(Rejection::Overloaded),
            (Incident::Deny, true) => TryOutcome::Rejected(Rejection::Denied(reason())),
            (Incident::Doubt, true) => {
                self.maybe_done = true;
                TryOutcome::Rejected(Rejection::Unknown(reason()))
            }
            _ => {
                self.maybe_done = true;
                TryOutcome::Lost(reason())
            }
        }
    }
}

fn incident() -> impl Strategy<Value = Incident> {
    use Incident::*;
    prop_oneof![
        1 => Just(Settle),
        2 => prop::sample::select(vec![Forget, Deny]),
        20 => prop::sample::select(vec![Unavailable, Overloaded, Doubt, Unreachable, Identity, Lose]),
        20 => prop::sample::select(vec![Quiet, News, Wait, Wait]),
    ]
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    let id = tests::id(1);
    let named = [RetryPolicy::WithRequestId { id: None }, RetryPolicy::WithRequestId { id: Some(id) }];
    prop::sample::select(
        [&[RetryPolicy::ReadOnly, RetryPolicy::Idempotent, RetryPolicy::AtMostOnce][..], &named].concat(),
    )
}

proptest! {
    #[test]
    fn whatever_happens_no_certainty_is_claimed_that_is_none(
        policy in policy(),
        incidents in prop::collection::vec((incident(), any::<usize>(), any::<bool>(), 0u64..400), 0..60),
    ) {
        let mut call = SimulatedCall::new(policy);
        let mut goes_on = call.tell(RetryEvent::Begin, true)?;
        for (incident, which, sent, passes_ms) in incidents {
            if !goes_on {
                return Ok(());
            }
            call.now += Duration::from_millis(passes_ms);
            goes_on = match call.now >= DEADLINE {
                true => call.tell(RetryEvent::Late, sent)?,
                false => call.apply(incident, which, sent)?,
            };
        }
        if goes_on {
            call.now = DEADLINE;
            prop_assert!(!call.tell(RetryEvent::Late, true)?, "no end at the deadline");
        }
    }
}
