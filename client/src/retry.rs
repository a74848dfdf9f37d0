//! What to do next about a request: ask, wait, give up.
//!
//! Pure: a state machine of one call, fed with what happened and answering
//! with what to do. Knows no network, no clock and no task. Guards the rule
//! that no write is done twice and no outcome is claimed that is not certain:
//! once a try of a write was in doubt, only an outcome settles it.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, RequestId, Revision},
    protocol::{Consistency, Rejection, Request},
};

use crate::{
    error::{Error, NotSentReason},
    routing::{Choice, Route, RouteContext, RouteTarget, Routes},
    timing,
};

/// Most tries of one call in flight at once.
const TRIES_AT_ONCE_MAX: usize = 4;

/// How often a write may be given a new request id because the old one was forgotten.
const RENEWALS_MAX: u32 = 3;

/// What makes it safe to send a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryPolicy {
    /// It changes nothing.
    ReadOnly,
    /// A write: its request id sees to it that it is done once.
    WithRequestId {
        /// The id; `None` until one is drawn, when the write is first sent.
        id: Option<RequestId>,
    },
    /// Done again, it leads to the same end.
    Idempotent,
    /// Done again, it does more: hand leadership over to anyone, take down whoever leads.
    AtMostOnce,
}

/// How one try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TryOutcome {
    /// With an answer that settles the call.
    Settled,
    /// The write's request id is older than what the cluster remembers.
    Forgotten(Revision),
    /// The node would not.
    Rejected(Rejection),
    /// Nothing was sent.
    NotSent(NotSentReason),
    /// It was sent, and no answer will come.
    Lost(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallEvent {
    /// The call begins, or its request id was renewed.
    Begin,
    /// A try ended.
    Ended(Arc<RouteTarget>, TryOutcome),
    /// A try has had no answer for long, or its node shows no signs of life.
    Quiet,
    /// A leader was heard of who has not been asked since.
    News,
    /// A pause is over.
    Resumed,
    /// The time is over.
    Late,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallStep {
    /// Start another try.
    Ask(Choice),
    /// Come back after this long.
    Pause(Duration),
    /// Draw a new request id, based on this revision, and begin again.
    Renew(Revision),
    /// Nothing: other tries are under way.
    Wait,
    /// Hand the answer to the caller.
    Done,
    /// Tell the caller.
    Fail(Error),
}

/// What a decision depends on besides the call itself.
pub(crate) struct RetryContext<'a> {
    /// What is known of the nodes.
    pub(crate) routes: &'a Routes,
    /// Whether an endpoint is connected and shows signs of life.
    pub(crate) connected: &'a dyn Fn(&Address) -> bool,
    /// The time since the client started.
    pub(crate) now: Duration,
    /// Some random number.
    pub(crate) roll: u64,
    /// The other tries of this call that are under way.
    pub(crate) in_flight: &'a InFlightTries,
}

/// Tries that have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlightTries {
    /// Whom they ask.
    pub(crate) targets: Vec<Arc<RouteTarget>>,
    /// Whether any of them may have reached its node.
    pub(crate) sent: bool,
}

/// The state of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    route: Route,
    policy: RetryPolicy,
    deadline: Duration,
    /// From now on, what has not come into doubt so far shall not.
    last_ask: Duration,
    tried: Vec<Arc<RouteTarget>>,
    not_sent_reasons: Vec<(Address, NotSentReason)>,
    /// A try may have been carried out, and ended without saying so.
    in_doubt: bool,
    renewals: u32,
    pauses: u32,
    /// The last thing that went wrong.
    last_failure: Option<String>,
}

/// Where a request is best sent, and what makes it safe to send it again.
pub(crate) fn policy_of(request: &Request) -> (Route, RetryPolicy) {
    let local = |consistency| match consistency {
        Consistency::Local => Route::First,
        Consistency::Linearizable => Route::Leader,
    };
    match request {
        Request::Ping | Request::Status | Request::List => (Route::First, RetryPolicy::ReadOnly),
        Request::Get { consistency, .. } | Request::Range { consistency, .. } => {
            (local(*consistency), RetryPolicy::ReadOnly)
        }
        Request::CanStop { .. } | Request::ReadIndex => (Route::Leader, RetryPolicy::ReadOnly),
        Request::Write { request, .. } => (Route::Leader, RetryPolicy::WithRequestId { id: Some(*request) }),
        Request::Down { dry_run: true, .. } | Request::Remove { dry_run: true, .. } => {
            (Route::Leader, RetryPolicy::ReadOnly)
        }
        Request::Transfer { to: None } | Request::Down { node: None, .. } => {
            (Route::Leader, RetryPolicy::AtMostOnce)
        }
        Request::Boot { .. }
        | Request::Transfer { .. }
        | Request::Down { .. }
        | Request::Remove { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. } => (Route::Leader, RetryPolicy::Idempotent),
        Request::StateDigest { .. } | Request::Backup { .. } => (Route::First, RetryPolicy::ReadOnly),
        Request::Invite { .. }
        | Request::ShutDownRemoved { .. }
        | Request::Reload
        | Request::LogLevel { .. } => (Route::First, RetryPolicy::Idempotent),
    }
}

impl Retry {
    /// A call that has from `begin` until `deadline`, in the time of [`RetryContext::now`].
    pub(crate) fn new(route: Route, policy: RetryPolicy, begin: Duration, deadline: Duration) -> Self {
        Self {
            route,
            policy,
            deadline,
            last_ask: timing::last_ask(begin, deadline),
            tried: Vec::new(),
            not_sent_reasons: Vec::new(),
            // Whoever brings a request id along may have sent it before.
            in_doubt: matches!(policy, RetryPolicy::WithRequestId { id: Some(_) }),
            renewals: 0,
            pauses: 0,
            last_failure: None,
        }
    }

    /// What to do about `event`.
    pub(crate) fn next(&mut self, event: CallEvent, context: &RetryContext<'_>) -> CallStep {
        match event {
            CallEvent::Begin => self.ask(context, false),
            CallEvent::Resumed if self.is_over(context) => CallStep::Fail(self.late(context)),
            CallEvent::Resumed => self.ask(context, false),
            CallEvent::Ended(target, outcome) => self.ended(&target, outcome, context),
            CallEvent::Quiet => self.ask_meanwhile(context, false),
            CallEvent::News if context.in_flight.targets.is_empty() => self.ask(context, true),
            CallEvent::News => self.ask_meanwhile(context, true),
            CallEvent::Late => CallStep::Fail(self.late(context)),
        }
    }

    /// Goes on under another request id.
    pub(crate) fn renewed(&mut self) {
        self.policy = RetryPolicy::WithRequestId { id: None };
        self.tried.clear();
    }

    /// The write has got its request id: from now on it may be sent.
    pub(crate) fn named(&mut self, id: RequestId) {
        if self.policy == (RetryPolicy::WithRequestId { id: None }) {
            self.policy = RetryPolicy::WithRequestId { id: Some(id) };
        }
    }

    fn ended(&mut self, target: &RouteTarget, outcome: TryOutcome, context: &RetryContext<'_>) -> CallStep {
        match outcome {
            TryOutcome::Settled => CallStep::Done,
            TryOutcome::Forgotten(upto) => self.forgotten(upto, context),
            TryOutcome::Rejected(Rejection::Unknown(reason)) | TryOutcome::Lost(reason) => {
                self.doubt(reason, context)
            }
            TryOutcome::Rejected(rejection @ Rejection::Unavailable(_)) => {
                self.last_failure = Some(format!("{}: {rejection}", target.address));
                self.again(context)
            }
            // Those that have too much to do are not helped by being asked through others.
            TryOutcome::Rejected(rejection @ Rejection::Overloaded) => {
                self.last_failure = Some(format!("{}: {rejection}", target.address));
                self.pause(context, timing::overload_pause)
            }
            TryOutcome::Rejected(rejection) if self.is_in_doubt(context) => CallStep::Fail(
                self.unknown(format!("an earlier try may have been carried out; then: {rejection}")),
            ),
            TryOutcome::Rejected(rejection) => CallStep::Fail(Error::rejected(rejection)),
            TryOutcome::NotSent(NotSentReason::Unfit(reason)) => CallStep::Fail(self.unfit(reason, context)),
            TryOutcome::NotSent(reason) => self.not_sent(target, reason, context),
        }
    }

    fn forgotten(&mut self, upto: Revision, context: &RetryContext<'_>) -> CallStep {
        if !matches!(self.policy, RetryPolicy::WithRequestId { .. }) {
            return CallStep::Fail(Error::misfit());
        }
        if self.is_in_doubt(context) || self.renewals >= RENEWALS_MAX {
            return CallStep::Fail(self.unknown(
                "the cluster no longer remembers this request: it may have been carried out before".into(),
            ));
        }
        self.renewals += 1;
        CallStep::Renew(upto)
    }

    fn doubt(&mut self, reason: String, context: &RetryContext<'_>) -> CallStep {
        self.in_doubt |= self.policy != RetryPolicy::ReadOnly;
        if self.policy == RetryPolicy::AtMostOnce {
            return CallStep::Fail(self.unknown(reason));
        }
        self.last_failure = Some(reason);
        self.again(context)
    }

    fn not_sent(
        &mut self,
        target: &RouteTarget,
        reason: NotSentReason,
        context: &RetryContext<'_>,
    ) -> CallStep {
        self.last_failure = Some(reason.to_string());
        self.not_sent_reasons.retain(|(address, _)| *address != target.address);
        self.not_sent_reasons.push((target.address.clone(), reason));
        match self.identity_failure(context) {
            Some(error) => CallStep::Fail(error),
            None => self.again(context),
        }
    }

    /// Certificates do not mend themselves: if that is what keeps every
    /// endpoint out of reach, there is nothing to wait for.
    fn identity_failure(&self, context: &RetryContext<'_>) -> Option<Error> {
        let is_identity = |address: &Address| {
            self.not_sent_reasons
                .iter()
                .any(|(at, reason)| at == address && matches!(reason, NotSentReason::Identity(_)))
        };
        if self.is_in_doubt(context) || !context.routes.all_in(is_identity) {
            return None;
        }
        let (_, reason) = self.not_sent_reasons.last()?;
        Some(Error::Identity(reason.to_string()))
    }

    /// At once where an endpoint is left that may do better, or else after a pause.
    fn again(&mut self, context: &RetryContext<'_>) -> CallStep {
        if self.is_over(context) {
            return CallStep::Fail(self.late(context));
        }
        if context.routes.untried(&self.route_context(context, false)) {
            return self.ask(context, false);
        }
        self.pause(context, timing::pause)
    }

    fn pause(&mut self, context: &RetryContext<'_>, length: fn(u32, u64) -> Duration) -> CallStep {
        if self.is_over(context) {
            return CallStep::Fail(self.late(context));
        }
        let pause = length(self.pauses, context.roll);
        self.pauses = self.pauses.saturating_add(1);
        CallStep::Pause(pause.min(self.deadline - context.now))
    }

    fn ask(&mut self, context: &RetryContext<'_>, news: bool) -> CallStep {
        match context.routes.choose(self.route, &self.route_context(context, news)) {
            Some(choice) => self.chosen(choice),
            None => CallStep::Fail(Error::Setup("there is no endpoint to ask".into())),
        }
    }

    fn chosen(&mut self, choice: Choice) -> CallStep {
        self.tried.push(choice.target.clone());
        CallStep::Ask(choice)
    }

    fn route_context<'a>(&'a self, context: &'a RetryContext<'a>, news: bool) -> RouteContext<'a> {
        RouteContext { tried: &self.tried, connected: context.connected, news, now: context.now }
    }

    /// Starts another try beside those under way, if that is safe, and if it
    /// is at somebody else: to ask a node that is slow once more makes it slower.
    fn ask_meanwhile(&mut self, context: &RetryContext<'_>, news: bool) -> CallStep {
        let safe = matches!(self.policy, RetryPolicy::ReadOnly | RetryPolicy::WithRequestId { .. });
        if !safe || context.in_flight.targets.len() >= TRIES_AT_ONCE_MAX {
            return CallStep::Wait;
        }
        match context.routes.choose(self.route, &self.route_context(context, news)) {
            Some(choice) if !context.in_flight.targets.contains(&choice.target) => self.chosen(choice),
            _ => CallStep::Wait,
        }
    }

    fn is_in_doubt(&self, context: &RetryContext<'_>) -> bool {
        self.in_doubt || self.policy != RetryPolicy::ReadOnly && context.in_flight.sent
    }

    /// Whether there is no point in asking again. To ask at the last moment
    /// would turn what is certain, that nothing was done, into a doubt.
    fn is_over(&self, context: &RetryContext<'_>) -> bool {
        let certain = self.policy != RetryPolicy::ReadOnly && !self.is_in_doubt(context);
        context.now >= if certain { self.last_ask } else { self.deadline }
    }

    fn late(&self, context: &RetryContext<'_>) -> Error {
        let last_failure = self.last_failure.clone().unwrap_or_else(|| "no answer came".into());
        if self.is_in_doubt(context) {
            return self.unknown(format!("the time was over before an outcome was known: {last_failure}"));
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
