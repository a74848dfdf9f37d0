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
    error::Error,
    pace,
    routing::{Choice, Route, Routes, Scene, Target},
};

/// Most tries of one call in flight at once.
const TRIES_AT_ONCE_MAX: usize = 4;

/// How often a write may be given a new request id because the old one was forgotten.
const RENEWALS_MAX: u32 = 3;

/// What makes it safe to send a request again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Free,
    /// A write: its request id sees to it that it is done once.
    Named {
        /// The id; `None` until one is drawn, when the write is first sent.
        id: Option<RequestId>,
    },
    /// Done again, it leads to the same end.
    Idempotent,
    /// Done again, it does more: hand leadership over to anyone, take down whoever leads.
    Once,
}

/// Why something was certainly not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection came about, or it was gone before, or it was too busy.
    #[error("{0}")]
    Unreachable(String),
    /// The two ends do not accept each other's certificates.
    #[error("{0}")]
    Identity(String),
    /// It cannot be sent at all.
    #[error("{0}")]
    Unfit(String),
}

/// How one try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an answer that settles the call.
    Settled,
    /// The write's request id is older than what the cluster remembers.
    Forgotten(Revision),
    /// The node would not.
    Rejected(Rejection),
    /// Nothing was sent.
    NotSent(Fault),
    /// It was sent, and no answer will come.
    Lost(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The call begins, or its request id was renewed.
    Begin,
    /// A try ended.
    Ended(Arc<Target>, Ending),
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
pub(crate) enum Step {
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
pub(crate) struct View<'a> {
    /// What is known of the nodes.
    pub(crate) routes: &'a Routes,
    /// Whether an endpoint is connected and shows signs of life.
    pub(crate) connected: &'a dyn Fn(&Address) -> bool,
    /// The time since the client started.
    pub(crate) now: Duration,
    /// Some random number.
    pub(crate) roll: u64,
    /// The other tries of this call that are under way.
    pub(crate) under_way: &'a UnderWay,
}

/// Tries that have not ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay {
    /// Whom they ask.
    pub(crate) targets: Vec<Arc<Target>>,
    /// Whether any of them may have reached its node.
    pub(crate) sent: bool,
}

/// The state of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    route: Route,
    repeat: Repeat,
    deadline: Duration,
    /// From now on, what has not come into doubt so far shall not.
    last_ask: Duration,
    tried: Vec<Arc<Target>>,
    faults: Vec<(Address, Fault)>,
    /// A try may have been carried out, and ended without saying so.
    in_doubt: bool,
    renewals: u32,
    pauses: u32,
    /// The last thing that went wrong.
    trouble: Option<String>,
}

/// Where a request is best sent, and what makes it safe to send it again.
pub(crate) fn manner(request: &Request) -> (Route, Repeat) {
    let local = |consistency| match consistency {
        Consistency::Local => Route::First,
        Consistency::Linearizable => Route::Leader,
    };
    match request {
        Request::Ping | Request::Status | Request::List => (Route::First, Repeat::Free),
        Request::Get { consistency, .. } | Request::Range { consistency, .. } => {
            (local(*consistency), Repeat::Free)
        }
        Request::CanStop { .. } | Request::ReadIndex => (Route::Leader, Repeat::Free),
        Request::Write { request, .. } => (Route::Leader, Repeat::Named { id: Some(*request) }),
        Request::Down { dry_run: true, .. } | Request::Remove { dry_run: true, .. } => {
            (Route::Leader, Repeat::Free)
        }
        Request::Transfer { to: None } | Request::Down { node: None, .. } => (Route::Leader, Repeat::Once),
        Request::Boot { .. }
        | Request::Transfer { .. }
        | Request::Down { .. }
        | Request::Remove { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. } => (Route::Leader, Repeat::Idempotent),
        Request::StateDigest { .. } | Request::Backup { .. } => (Route::First, Repeat::Free),
        Request::Invite { .. }
        | Request::ShutDownRemoved { .. }
        | Request::Reload
        | Request::LogLevel { .. } => (Route::First, Repeat::Idempotent),
    }
}

impl Retry {
    /// A call that has from `begin` until `deadline`, in the time of [`View::now`].
    pub(crate) fn new(route: Route, repeat: Repeat, begin: Duration, deadline: Duration) -> Self {
        Self {
            route,
            repeat,
            deadline,
            last_ask: pace::last_ask(begin, deadline),
            tried: Vec::new(),
            faults: Vec::new(),
            // Whoever brings a request id along may have sent it before.
            in_doubt: matches!(repeat, Repeat::Named { id: Some(_) }),
            renewals: 0,
            pauses: 0,
            trouble: None,
        }
    }

    /// What to do about `event`.
    pub(crate) fn next(&mut self, event: Event, view: &View<'_>) -> Step {
        match event {
            Event::Begin => self.ask(view, false),
            Event::Resumed if self.is_over(view) => Step::Fail(self.late(view)),
            Event::Resumed => self.ask(view, false),
            Event::Ended(target, ending) => self.ended(&target, ending, view),
            Event::Quiet => self.ask_meanwhile(view, false),
            Event::News if view.under_way.targets.is_empty() => self.ask(view, true),
            Event::News => self.ask_meanwhile(view, true),
            Event::Late => Step::Fail(self.late(view)),
        }
    }

    /// Goes on under another request id.
    pub(crate) fn renewed(&mut self) {
        self.repeat = Repeat::Named { id: None };
        self.tried.clear();
    }

    /// The write has got its request id: from now on it may be sent.
    pub(crate) fn named(&mut self, id: RequestId) {
        if self.repeat == (Repeat::Named { id: None }) {
            self.repeat = Repeat::Named { id: Some(id) };
        }
    }

    fn ended(&mut self, target: &Target, ending: Ending, view: &View<'_>) -> Step {
        match ending {
            Ending::Settled => Step::Done,
            Ending::Forgotten(upto) => self.forgotten(upto, view),
            Ending::Rejected(Rejection::Unknown(reason)) | Ending::Lost(reason) => self.doubt(reason, view),
            Ending::Rejected(rejection @ Rejection::Unavailable(_)) => {
                self.trouble = Some(format!("{}: {rejection}", target.address));
                self.again(view)
            }
            // Those that have too much to do are not helped by being asked through others.
            Ending::Rejected(rejection @ Rejection::Overloaded) => {
                self.trouble = Some(format!("{}: {rejection}", target.address));
                self.pause(view, pace::relief)
            }
            Ending::Rejected(rejection) if self.is_in_doubt(view) => Step::Fail(
                self.unknown(format!("an earlier try may have been carried out; then: {rejection}")),
            ),
            Ending::Rejected(rejection) => Step::Fail(Error::rejected(rejection)),
            Ending::NotSent(Fault::Unfit(reason)) => Step::Fail(self.unfit(reason, view)),
            Ending::NotSent(fault) => self.not_sent(target, fault, view),
        }
    }

    fn forgotten(&mut self, upto: Revision, view: &View<'_>) -> Step {
        if !matches!(self.repeat, Repeat::Named { .. }) {
            return Step::Fail(Error::misfit());
        }
        if self.is_in_doubt(view) || self.renewals >= RENEWALS_MAX {
            return Step::Fail(self.unknown(
                "the cluster no longer remembers this request: it may have been carried out before".into(),
            ));
        }
        self.renewals += 1;
        Step::Renew(upto)
    }

    fn doubt(&mut self, reason: String, view: &View<'_>) -> Step {
        self.in_doubt |= self.repeat != Repeat::Free;
        if self.repeat == Repeat::Once {
            return Step::Fail(self.unknown(reason));
        }
        self.trouble = Some(reason);
        self.again(view)
    }

    fn not_sent(&mut self, target: &Target, fault: Fault, view: &View<'_>) -> Step {
        self.trouble = Some(fault.to_string());
        self.faults.retain(|(address, _)| *address != target.address);
        self.faults.push((target.address.clone(), fault));
        match self.identity_fault(view) {
            Some(error) => Step::Fail(error),
            None => self.again(view),
        }
    }

    /// Certificates do not mend themselves: if that is what keeps every
    /// endpoint out of reach, there is nothing to wait for.
    fn identity_fault(&self, view: &View<'_>) -> Option<Error> {
        let is_identity = |address: &Address| {
            self.faults.iter().any(|(at, fault)| at == address && matches!(fault, Fault::Identity(_)))
        };
        if self.is_in_doubt(view) || !view.routes.all_in(is_identity) {
            return None;
        }
        let (_, fault) = self.faults.last()?;
        Some(Error::Identity(fault.to_string()))
    }

    /// At once where an endpoint is left that may do better, or else after a pause.
    fn again(&mut self, view: &View<'_>) -> Step {
        if self.is_over(view) {
            return Step::Fail(self.late(view));
        }
        if view.routes.untried(&self.scene(view, false)) {
            return self.ask(view, false);
        }
        self.pause(view, pace::pause)
    }

    fn pause(&mut self, view: &View<'_>, length: fn(u32, u64) -> Duration) -> Step {
        if self.is_over(view) {
            return Step::Fail(self.late(view));
        }
        let pause = length(self.pauses, view.roll);
        self.pauses = self.pauses.saturating_add(1);
        Step::Pause(pause.min(self.deadline - view.now))
    }

    fn ask(&mut self, view: &View<'_>, news: bool) -> Step {
        match view.routes.choose(self.route, &self.scene(view, news)) {
            Some(choice) => self.chosen(choice),
            None => Step::Fail(Error::Setup("there is no endpoint to ask".into())),
        }
    }

    fn chosen(&mut self, choice: Choice) -> Step {
        self.tried.push(choice.target.clone());
        Step::Ask(choice)
    }

    fn scene<'a>(&'a self, view: &'a View<'a>, news: bool) -> Scene<'a> {
        Scene { tried: &self.tried, connected: view.connected, news, now: view.now }
    }

    /// Starts another try beside those under way, if that is safe, and if it
    /// is at somebody else: to ask a node that is slow once more makes it slower.
    fn ask_meanwhile(&mut self, view: &View<'_>, news: bool) -> Step {
        let safe = matches!(self.repeat, Repeat::Free | Repeat::Named { .. });
        if !safe || view.under_way.targets.len() >= TRIES_AT_ONCE_MAX {
            return Step::Wait;
        }
        match view.routes.choose(self.route, &self.scene(view, news)) {
            Some(choice) if !view.under_way.targets.contains(&choice.target) => self.chosen(choice),
            _ => Step::Wait,
        }
    }

    fn is_in_doubt(&self, view: &View<'_>) -> bool {
        self.in_doubt || self.repeat != Repeat::Free && view.under_way.sent
    }

    /// Whether there is no point in asking again. To ask at the last moment
    /// would turn what is certain, that nothing was done, into a doubt.
    fn is_over(&self, view: &View<'_>) -> bool {
        let certain = self.repeat != Repeat::Free && !self.is_in_doubt(view);
        view.now >= if certain { self.last_ask } else { self.deadline }
    }

    fn late(&self, view: &View<'_>) -> Error {
        let trouble = self.trouble.clone().unwrap_or_else(|| "no answer came".into());
        if self.is_in_doubt(view) {
            return self.unknown(format!("the time was over before an outcome was known: {trouble}"));
        }
        Error::Unavailable(match self.repeat {
            Repeat::Free => trouble,
            _ => format!("{trouble}; nothing was done"),
        })
    }

    fn unfit(&self, reason: String, view: &View<'_>) -> Error {
        if self.is_in_doubt(view) { self.unknown(reason) } else { Error::Invalid(reason) }
    }

    fn unknown(&self, reason: String) -> Error {
        let request = match self.repeat {
            Repeat::Named { id } => id,
            _ => None,
        };
        Error::Unknown { reason, request }
    }
}

#[cfg(test)]
mod honesty;
#[cfg(test)]
mod tests;
