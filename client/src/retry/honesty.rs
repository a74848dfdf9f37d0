//! The promise of honest outcomes, held against whatever may befall a call.
//!
//! A random world plays with one call and keeps book of what its nodes may
//! have carried out; the call knows only what it is told.

use proptest::prelude::*;

use super::{tests::target, *};
use crate::error::OutcomeKind;

const DEADLINE: Duration = Duration::from_secs(5);

/// What the world does next; applied to a random try, where it takes one.
#[derive(Debug, Clone, Copy)]
enum Blow {
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

/// The call, and what is true of it.
struct World {
    routes: Routes,
    retry: Retry,
    repeat: Repeat,
    now: Duration,
    /// Tries that have not ended, and whether each was sent.
    tries: Vec<(Arc<Target>, bool)>,
    pausing: bool,
    /// A try was sent, and what ended it did not say that it did nothing.
    maybe_done: bool,
}

impl World {
    fn new(repeat: Repeat) -> Self {
        let routes = Routes::new("abc".chars().map(|c| target(c).address.clone()), true);
        let mut retry = Retry::new(Route::Leader, repeat, Duration::ZERO, DEADLINE);
        if repeat == (Repeat::Named { id: None }) {
            retry.named(tests::id(1));
        }
        let maybe_done = matches!(repeat, Repeat::Named { id: Some(_) });
        Self { routes, retry, repeat, now: Duration::ZERO, tries: Vec::new(), pausing: false, maybe_done }
    }

    /// Tells the call, and does what it says. Whether it goes on.
    fn tell(&mut self, event: Event, sent: bool) -> Result<bool, TestCaseError> {
        let under_way = UnderWay {
            targets: self.tries.iter().map(|(target, _)| Arc::clone(target)).collect(),
            sent: self.tries.iter().any(|(_, sent)| *sent),
        };
        let step = self.retry.next(
            event.clone(),
            &View {
                routes: &self.routes,
                connected: &|_| false,
                now: self.now,
                roll: 7,
                under_way: &under_way,
            },
        );
        match step {
            Step::Ask(choice) => {
                let alone = matches!(self.repeat, Repeat::Once | Repeat::Idempotent);
                prop_assert!(!alone || self.tries.is_empty(), "twice at once");
                prop_assert!(self.repeat != Repeat::Once || !self.maybe_done, "twice");
                self.pausing = false;
                self.tries.push((choice.target, sent));
            }
            Step::Pause(_) => self.pausing = true,
            Step::Renew(_) => {
                prop_assert!(!self.maybe_done && !under_way.sent, "renamed in doubt");
                self.tries.clear();
                self.retry.renewed();
                self.retry.named(tests::id(2));
                return self.tell(Event::Begin, sent);
            }
            Step::Wait => prop_assert!(self.pausing || !self.tries.is_empty(), "stuck after {event:?}"),
            Step::Done => {
                let settled = matches!(event, Event::Ended(_, Ending::Settled));
                prop_assert!(settled, "done without an answer");
                return Ok(false);
            }
            Step::Fail(error) => {
                let maybe = self.maybe_done || under_way.sent;
                let honest = self.repeat == Repeat::Free || !maybe;
                prop_assert!(honest || error.outcome() == OutcomeKind::Unknown, "{error:?}");
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn strike(&mut self, blow: Blow, which: usize, sent: bool) -> Result<bool, TestCaseError> {
        let event = match blow {
            Blow::Quiet if self.tries.is_empty() => return Ok(true),
            Blow::Quiet => Event::Quiet,
            Blow::News => Event::News,
            Blow::Wait if self.pausing => {
                self.pausing = false;
                Event::Resumed
            }
            Blow::Wait => return Ok(true),
            _ if self.tries.is_empty() => return Ok(true),
            _ => {
                let (target, was_sent) = self.tries.swap_remove(which % self.tries.len());
                Event::Ended(target, self.ending(blow, was_sent))
            }
        };
        self.tell(event, sent)
    }

    /// How the try ends: one that was not sent cannot be answered.
    fn ending(&mut self, blow: Blow, was_sent: bool) -> Ending {
        let reason = || "the world is bad".to_owned();
        match (blow, was_sent) {
            (Blow::Identity, false) => Ending::NotSent(Fault::Identity(reason())),
            (_, false) | (Blow::Unreachable | Blow::Identity, true) => {
                Ending::NotSent(Fault::Unreachable(reason()))
            }
            (Blow::Settle, true) => Ending::Settled,
            (Blow::Forget, true) => Ending::Forgotten(Revision(9)),
            (Blow::Unavailable, true) => Ending::Rejected(Rejection::Unavailable(reason())),
            (Blow::Overloaded, true) => Ending::Rejected(Rejection::Overloaded),
            (Blow::Deny, true) => Ending::Rejected(Rejection::Denied(reason())),
            (Blow::Doubt, true) => {
                self.maybe_done = true;
                Ending::Rejected(Rejection::Unknown(reason()))
            }
            _ => {
                self.maybe_done = true;
                Ending::Lost(reason())
            }
        }
    }
}

fn blow() -> impl Strategy<Value = Blow> {
    use Blow::*;
    prop_oneof![
        1 => Just(Settle),
        2 => prop::sample::select(vec![Forget, Deny]),
        20 => prop::sample::select(vec![Unavailable, Overloaded, Doubt, Unreachable, Identity, Lose]),
        20 => prop::sample::select(vec![Quiet, News, Wait, Wait]),
    ]
}

fn repeat() -> impl Strategy<Value = Repeat> {
    let id = tests::id(1);
    let named = [Repeat::Named { id: None }, Repeat::Named { id: Some(id) }];
    prop::sample::select([&[Repeat::Free, Repeat::Idempotent, Repeat::Once][..], &named].concat())
}

proptest! {
    #[test]
    fn whatever_happens_no_certainty_is_claimed_that_is_none(
        repeat in repeat(),
        blows in prop::collection::vec((blow(), any::<usize>(), any::<bool>(), 0u64..400), 0..60),
    ) {
        let mut world = World::new(repeat);
        let mut goes_on = world.tell(Event::Begin, true)?;
        for (blow, which, sent, passes_ms) in blows {
            if !goes_on {
                return Ok(());
            }
            world.now += Duration::from_millis(passes_ms);
            goes_on = match world.now >= DEADLINE {
                true => world.tell(Event::Late, sent)?,
                false => world.strike(blow, which, sent)?,
            };
        }
        if goes_on {
            world.now = DEADLINE;
            prop_assert!(!world.tell(Event::Late, true)?, "no end at the deadline");
        }
    }
}
