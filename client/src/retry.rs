//! Decides the next step of a call: send, wait or give up.
//!
//! Pure: a state machine per call that maps events to steps. Knows no network, no
//! clock and no task. Guards that no write is executed twice and no uncertain
//! outcome is reported as certain: once a write was in doubt, only its outcome
//! settles it.

mod lasting;
mod policy;

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, RequestId, Revision},
    protocol::Rejection,
};

pub(crate) use self::policy::{RetryPolicy, policy_of};

use crate::{
    error::{Error, NotSentReason},
    routing::{Choice, Route, RouteContext, RouteTarget, Routes},
    timing,
};

/// Maximum number of concurrent tries per call.
const TRIES_AT_ONCE_MAX: usize = 4;

/// How often a write may get a new request id because the cluster no longer
/// remembers the old one.
const RENEWALS_MAX: u32 = 3;

/// How one try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TryOutcome {
    /// A response settles the call.
    Settled,
    /// The write's request id is older than what the cluster remembers.
    Forgotten(Revision),
    /// The node rejected the request.
    Rejected(Rejection),
    /// The request was certainly not sent.
    NotSent(NotSentReason),
    /// There is no connection yet. Dialling goes on.
    SlowDial(String),
    /// The request was sent, and no response will arrive.
    Lost(String),
}

/// An event of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RetryEvent {
    /// The call begins, or continues with a new request id.
    Begin,
    /// A try ended.
    Ended(Arc<RouteTarget>, TryOutcome),
    /// A try is unanswered for too long, or its node is silent.
    Quiet,
    /// The client learned of a leader that this call has not asked yet.
    News,
    /// A pause is over.
    Resumed,
    /// The deadline has passed.
    Late,
}

/// The next step of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RetryStep {
    /// Start another try.
    Ask(Choice),
    /// Continue after this pause.
    Pause(Duration),
    /// Draw a new request id based on this revision, and start again.
    Renew(Revision),
    /// Wait for the tries in flight.
    Wait,
    /// Return the response to the caller.
    Done,
    /// Return the error to the caller.
    Fail(Error),
}

/// The inputs of a decision besides the call's own state.
pub(crate) struct RetryContext<'a> {
    /// The known nodes.
    pub(crate) routes: &'a Routes,
    /// Whether an endpoint is connected and responsive.
    pub(crate) connected: &'a dyn Fn(&Address) -> bool,
    /// The time since the client started.
    pub(crate) now: Duration,
    /// A random number.
    pub(crate) roll: u64,
    /// The other tries of this call in flight.
    pub(crate) in_flight: &'a InFlightTries,
}

/// Tries that have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlightTries {
    /// The nodes that they ask.
    pub(crate) targets: Vec<Arc<RouteTarget>>,
    /// Whether any of them may have reached its node.
    pub(crate) sent: bool,
}

/// The retry state of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    route: Route,
    policy: RetryPolicy,
    begin: Duration,
    deadline: Duration,
    /// After this time, a request that was never in doubt is not sent any more.
    last_ask: Duration,
    tried: Vec<Arc<RouteTarget>>,
    not_sent_reasons: Vec<(Address, NotSentReason)>,
    /// A dial took long. It may succeed yet.
    dials_slowly: bool,
    /// Endpoints whose nodes wait without a cluster, or were left out of a restore.
    outside: Vec<Address>,
    /// Fails once no endpoint reaches a quorum, instead of at the deadline.
    needs_quorum: bool,
    /// Endpoints whose nodes reach no quorum, with what the last one said.
    no_quorum: (Vec<Address>, Option<Rejection>),
    /// A try may have been executed, and its end did not say.
    in_doubt: bool,
    renewals: u32,
    pauses: u32,
    /// The last failure.
    last_failure: Option<String>,
}

impl Retry {
    /// Creates the state of a call that runs from `begin` to `deadline`, in the time of
    /// [`RetryContext::now`].
    pub(crate) fn new(route: Route, policy: RetryPolicy, begin: Duration, deadline: Duration) -> Self {
        Self {
            route,
            policy,
            begin,
            deadline,
            last_ask: timing::last_ask(begin, deadline),
            tried: Vec::new(),
            not_sent_reasons: Vec::new(),
            dials_slowly: false,
            outside: Vec::new(),
            needs_quorum: false,
            no_quorum: (Vec::new(), None),
            // A caller that supplies a request id may have sent it before.
            in_doubt: matches!(policy, RetryPolicy::WithRequestId { id: Some(_) }),
            renewals: 0,
            pauses: 0,
            last_failure: None,
        }
    }

    /// Makes the call fail once no endpoint reaches a quorum, instead of at the deadline.
    pub(crate) fn needing_quorum(self, needs_quorum: bool) -> Self {
        Self { needs_quorum, ..self }
    }

    /// Returns the next step after `event`.
    pub(crate) fn next(&mut self, event: RetryEvent, context: &RetryContext<'_>) -> RetryStep {
        match event {
            RetryEvent::Begin => self.ask(context, false),
            RetryEvent::Resumed if self.is_over(context) => RetryStep::Fail(self.late(context)),
            RetryEvent::Resumed => self.ask(context, false),
            RetryEvent::Ended(target, outcome) => self.ended(&target, outcome, context),
            RetryEvent::Quiet => self.ask_meanwhile(context, false),
            RetryEvent::News if context.in_flight.targets.is_empty() => self.ask(context, true),
            RetryEvent::News => self.ask_meanwhile(context, true),
            RetryEvent::Late => RetryStep::Fail(self.late(context)),
        }
    }

    /// Continues with another request id.
    pub(crate) fn renewed(&mut self) {
        self.policy = RetryPolicy::WithRequestId { id: None };
        self.tried.clear();
    }

    /// Records the request id of the write; from here on it may be sent.
    pub(crate) fn named(&mut self, id: RequestId) {
        if self.policy == (RetryPolicy::WithRequestId { id: None }) {
            self.policy = RetryPolicy::WithRequestId { id: Some(id) };
        }
    }

    fn ended(&mut self, target: &RouteTarget, outcome: TryOutcome, context: &RetryContext<'_>) -> RetryStep {
        match outcome {
            TryOutcome::Settled => RetryStep::Done,
            TryOutcome::Forgotten(upto) => self.forgotten(upto, context),
            TryOutcome::Rejected(Rejection::Unknown(reason)) | TryOutcome::Lost(reason) => {
                self.has_quorum(target);
                self.doubt(reason, context)
            }
            TryOutcome::Rejected(
                rejection @ (Rejection::Unavailable(_)
                | Rejection::NoCluster { .. }
                | Rejection::LeftOut { .. }),
            ) => self.unavailable(target, rejection, context),
            TryOutcome::Rejected(rejection @ Rejection::NoQuorum { .. }) => {
                self.without_quorum(target, rejection, context)
            }
            TryOutcome::Rejected(rejection @ Rejection::OtherCluster { .. }) => {
                self.not_sent(target, NotSentReason::OtherCluster(rejection.to_string()), context)
            }
            // Sending the request through other nodes does not help an overloaded cluster.
            TryOutcome::Rejected(rejection @ Rejection::Overloaded) => {
                self.last_failure = Some(format!("{}: {rejection}", target.address));
                self.has_quorum(target);
                self.pause(context, timing::overload_pause)
            }
            // It has answered, and will not answer in other words.
            TryOutcome::Rejected(Rejection::Unreadable(reason)) => RetryStep::Fail(match self.policy {
                RetryPolicy::ReadOnly => Error::Unsupported(reason),
                _ => self.unknown(reason),
            }),
            TryOutcome::Rejected(rejection) if self.is_in_doubt(context) => RetryStep::Fail(
                self.unknown(format!("an earlier attempt may have been executed; then: {rejection}")),
            ),
            TryOutcome::Rejected(rejection) => RetryStep::Fail(Error::rejected(rejection)),
            TryOutcome::NotSent(NotSentReason::Unfit(reason)) => RetryStep::Fail(self.unfit(reason, context)),
            TryOutcome::NotSent(NotSentReason::Closed) => RetryStep::Fail(match self.is_in_doubt(context) {
                true => self.unknown(Error::Closed.to_string()),
                false => Error::Closed,
            }),
            TryOutcome::NotSent(reason) => self.not_sent(target, reason, context),
            TryOutcome::SlowDial(what) => {
                self.dials_slowly = true;
                self.not_sent(target, NotSentReason::Unreachable(what), context)
            }
        }
    }

    /// Retries, unless all nodes are outside of the cluster: waiting does not bring them into it.
    fn unavailable(
        &mut self,
        target: &RouteTarget,
        rejection: Rejection,
        context: &RetryContext<'_>,
    ) -> RetryStep {
        self.last_failure = Some(format!("{}: {rejection}", target.address));
        self.has_quorum(target);
        if matches!(rejection, Rejection::NoCluster { joining: false, .. } | Rejection::LeftOut { .. }) {
            self.outside.push(target.address.clone());
        }
        if !self.is_in_doubt(context) && context.routes.all_in(|address| self.outside.contains(address)) {
            return RetryStep::Fail(Error::rejected(rejection));
        }
        self.again(context)
    }

    fn forgotten(&mut self, upto: Revision, context: &RetryContext<'_>) -> RetryStep {
        if !matches!(self.policy, RetryPolicy::WithRequestId { .. }) {
            return RetryStep::Fail(Error::misfit());
        }
        if self.is_in_doubt(context) || self.renewals >= RENEWALS_MAX {
            return RetryStep::Fail(self.unknown(
                "the cluster no longer remembers this request: it may have been executed before".into(),
            ));
        }
        self.renewals += 1;
        RetryStep::Renew(upto)
    }

    fn doubt(&mut self, reason: String, context: &RetryContext<'_>) -> RetryStep {
        self.in_doubt |= self.policy != RetryPolicy::ReadOnly;
        if self.policy == RetryPolicy::AtMostOnce {
            return RetryStep::Fail(self.unknown(reason));
        }
        self.last_failure = Some(reason);
        self.again(context)
    }

    fn not_sent(
        &mut self,
        target: &RouteTarget,
        reason: NotSentReason,
        context: &RetryContext<'_>,
    ) -> RetryStep {
        self.last_failure = Some(reason.to_string());
        self.not_sent_reasons.retain(|(address, _)| *address != target.address);
        self.not_sent_reasons.push((target.address.clone(), reason));
        match self.identity_failure(context).or_else(|| self.quorum_failure(context)) {
            Some(error) => RetryStep::Fail(error),
            None => self.again(context),
        }
    }

    /// Retries at once if an untried healthy endpoint is left, otherwise after a pause.
    fn again(&mut self, context: &RetryContext<'_>) -> RetryStep {
        if self.is_over(context) {
            return RetryStep::Fail(self.late(context));
        }
        if context.routes.untried(&self.route_context(context, false)) {
            return self.ask(context, false);
        }
        self.pause(context, timing::pause)
    }

    fn pause(&mut self, context: &RetryContext<'_>, length: fn(u32, u64) -> Duration) -> RetryStep {
        if self.is_over(context) {
            return RetryStep::Fail(self.late(context));
        }
        let pause = length(self.pauses, context.roll);
        self.pauses = self.pauses.saturating_add(1);
        RetryStep::Pause(pause.min(self.deadline - context.now))
    }

    fn ask(&mut self, context: &RetryContext<'_>, news: bool) -> RetryStep {
        match context.routes.choose(self.route, &self.route_context(context, news)) {
            Some(choice) => self.chosen(choice),
            None => RetryStep::Fail(Error::Setup("no endpoint is configured".into())),
        }
    }

    fn chosen(&mut self, choice: Choice) -> RetryStep {
        self.tried.push(choice.target.clone());
        RetryStep::Ask(choice)
    }

    fn route_context<'a>(&'a self, context: &'a RetryContext<'a>, news: bool) -> RouteContext<'a> {
        RouteContext { tried: &self.tried, connected: context.connected, news, now: context.now }
    }

    /// Starts a concurrent try if that is safe and goes to another node: sending a slow
    /// node the same request again makes it slower.
    fn ask_meanwhile(&mut self, context: &RetryContext<'_>, news: bool) -> RetryStep {
        let safe = matches!(self.policy, RetryPolicy::ReadOnly | RetryPolicy::WithRequestId { .. });
        if !safe || context.in_flight.targets.len() >= TRIES_AT_ONCE_MAX {
            return RetryStep::Wait;
        }
        match context.routes.choose(self.route, &self.route_context(context, news)) {
            Some(choice) if !context.in_flight.targets.contains(&choice.target) => self.chosen(choice),
            _ => RetryStep::Wait,
        }
    }

    fn is_in_doubt(&self, context: &RetryContext<'_>) -> bool {
        self.in_doubt || self.policy != RetryPolicy::ReadOnly && context.in_flight.sent
    }

    /// Returns whether it is too late for another try. A request sent at the last
    /// moment would turn the certainty that nothing was done into doubt.
    fn is_over(&self, context: &RetryContext<'_>) -> bool {
        let certain = self.policy != RetryPolicy::ReadOnly && !self.is_in_doubt(context);
        context.now >= if certain { self.last_ask } else { self.deadline }
    }

    fn late(&self, context: &RetryContext<'_>) -> Error {
        // A node that works on the request says no longer that it reaches no quorum. One that is being
        // dialled does not work on it.
        let is_worked_on = context.in_flight.sent;
        let no_quorum = self.no_quorum.1.as_ref();
        let last_failure = self.last_failure.clone().filter(|_| no_quorum.is_none() || !is_worked_on);
        let last_failure = last_failure.unwrap_or_else(|| "no response".into());
        if self.is_in_doubt(context) {
            return self.unknown(format!("timed out with the outcome unknown: {last_failure}"));
        }
        if let Some(rejection) = no_quorum.filter(|_| !is_worked_on) {
            return Error::rejected(rejection.clone());
        }
        Error::Unavailable(match self.policy {
            RetryPolicy::ReadOnly => last_failure,
            _ => format!("{last_failure}; nothing was done"),
        })
    }

    fn unfit(&self, reason: String, context: &RetryContext<'_>) -> Error {
        if self.is_in_doubt(context) { self.unknown(reason) } else { Error::Invalid(reason) }
    }

    fn unknown(&self, reason: String) -> Error {
        let request = match self.policy {
            RetryPolicy::WithRequestId { id } => id,
            _ => None,
        };
        Error::Unknown { reason, request }
    }
}

#[cfg(test)]
mod outcome_tests;
#[cfg(test)]
mod tests;
