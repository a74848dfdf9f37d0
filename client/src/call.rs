//! Runs one call: carries out the steps that [`Retry`] decides.
//!
//! Starts tries, waits for their events and reports them to [`Retry`]. Makes no
//! retry decision. Everything a call starts ends with it.

mod attempt;

use std::{future::poll_fn, sync::Arc, time::Duration};

use coffee_common::{
    command::Outcome,
    id::{Address, RequestId, Revision},
    protocol::{Rejection, Request, Response, ResponseFrame},
    quic::Expect,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use self::attempt::{Try, TryEvent, outcome_of, poll_tries};
use crate::{
    channel::Channel,
    error::Error,
    retry::{InFlightTries, Retry, RetryContext, RetryEvent, RetryPolicy, RetryStep, TryOutcome, policy_of},
    routing::{Choice, RouteTarget},
    shared::{ClientShared, LeaderSearchGuard},
    timing,
};

/// Receives the request id of a write before the write is sent.
pub(crate) type OnRequestId<'a> = &'a mut (dyn FnMut(RequestId) + Send);

/// A call in progress. Dropping it withdraws whatever has not been sent.
pub(crate) struct Call<'a> {
    shared: &'a Arc<ClientShared>,
    request: Request,
    /// The request id is still to be drawn, when the write is first sent.
    unnamed: bool,
    /// Called with the request id before the request is sent under it.
    on_request_id: Option<OnRequestId<'a>>,
    retry: Retry,
    tries: Vec<Try>,
    deadline: Duration,
    resume_at: Option<Duration>,
    reply: Option<ResponseFrame>,
    /// Subscribed to once the call takes longer than it should.
    news: Option<watch::Receiver<u64>>,
    leaders_known: u64,
    leader_search: Option<LeaderSearchGuard>,
}

impl<'a> Call<'a> {
    /// Creates a call. A write is sent under the request id it contains.
    pub(crate) fn new(shared: &'a Arc<ClientShared>, request: Request, timeout: Duration) -> Self {
        Self::with(shared, request, timeout, false)
    }

    /// Creates a write that gets a new request id; the one in `request` is ignored.
    pub(crate) fn unnamed(shared: &'a Arc<ClientShared>, request: Request, timeout: Duration) -> Self {
        Self::with(shared, request, timeout, true)
    }

    /// Has `on_request_id` called with each id that is drawn.
    pub(crate) fn on_request_id(mut self, on_request_id: OnRequestId<'a>) -> Self {
        self.on_request_id = Some(on_request_id);
        self
    }

    /// Fails once no endpoint reaches a quorum, instead of at the deadline.
    pub(crate) fn needing_quorum(mut self, needs_quorum: bool) -> Self {
        self.retry = self.retry.needing_quorum(needs_quorum);
        self
    }

    fn with(shared: &'a Arc<ClientShared>, request: Request, timeout: Duration, unnamed: bool) -> Self {
        let begin = shared.cache.now();
        let deadline = begin + timeout;
        let (route, policy) = policy_of(&request);
        let policy = if unnamed { RetryPolicy::WithRequestId { id: None } } else { policy };
        Self {
            shared,
            request,
            unnamed,
            on_request_id: None,
            retry: Retry::new(route, policy, begin, deadline),
            tries: Vec::new(),
            deadline,
            resume_at: None,
            reply: None,
            news: None,
            leaders_known: shared.cache.routes().leaders(),
            leader_search: None,
        }
    }

    /// Runs the call to its end. Returns the request as well, because it holds the id.
    ///
    /// Boxed so that the code of a call is compiled once, here, and not again in every
    /// crate that awaits it.
    pub(crate) fn run(self) -> BoxFuture<'a, Result<(Response, Request), Error>> {
        Box::pin(self.run_steps())
    }

    async fn run_steps(mut self) -> Result<(Response, Request), Error> {
        let mut event = RetryEvent::Begin;
        loop {
            match self.step(event) {
                RetryStep::Ask(choice) => self.ask(choice),
                RetryStep::Pause(pause) => {
                    self.resume_at = Some(self.shared.cache.now() + pause);
                    self.search_for_leader();
                }
                RetryStep::Renew(upto) => {
                    self.renew(upto);
                    event = RetryEvent::Begin;
                    continue;
                }
                RetryStep::Wait => {}
                RetryStep::Done => {
                    let response = self.reply.take().and_then(|reply| reply.result.ok());
                    return response.map(|response| (response, self.request)).ok_or_else(Error::misfit);
                }
                RetryStep::Fail(error) => return Err(error),
            }
            event = self.next_event().await;
        }
    }

    fn step(&mut self, event: RetryEvent) -> RetryStep {
        let in_flight = InFlightTries {
            targets: self.tries.iter().map(|attempt| Arc::clone(&attempt.target)).collect(),
            sent: self.tries.iter().any(Try::may_be_sent),
        };
        let cache = &self.shared.cache;
        let context = RetryContext {
            routes: &cache.routes(),
            connected: &|address| self.shared.pool.is_ready(address),
            now: cache.now(),
            roll: cache.roll(),
            in_flight: &in_flight,
        };
        self.retry.next(event, &context)
    }

    fn renew(&mut self, upto: Revision) {
        self.shared.cache.ids().reached(upto);
        self.tries.clear();
        self.unnamed = true;
        self.retry.renewed();
    }

    /// Starts a try.
    fn ask(&mut self, choice: Choice) {
        if let Some(leader) = choice.connect {
            self.shared.pool.dial(&leader.address, &leader.expect());
        }
        let target = choice.target;
        match self.shared.pool.ready(&target.address, &target.expect()) {
            Some(channel) => self.send(target, channel),
            None => self.tries.push(Try::dial(&self.shared.pool, target, self.shared.cache.now())),
        }
    }

    /// Sends the request over a channel.
    fn send(&mut self, target: Arc<RouteTarget>, channel: Channel) {
        self.name();
        let now = self.shared.cache.now();
        let left = self.deadline.saturating_sub(now);
        let envelope = self.shared.cache.cluster().into();
        self.tries.push(Try::ask(channel, target, &self.request, envelope, now, left));
    }

    /// Draws the request id of a write, once a channel's welcome has said which
    /// revision the cluster has reached.
    fn name(&mut self) {
        if !std::mem::take(&mut self.unnamed) {
            return;
        }
        if let Request::Write { request, .. } | Request::Transact { request, .. } = &mut self.request {
            *request = self.shared.cache.ids().draw();
            self.retry.named(*request);
            if let Some(on_request_id) = &mut self.on_request_id {
                on_request_id(*request);
            }
        }
    }

    /// Waits for the next event that calls for a decision.
    async fn next_event(&mut self) -> RetryEvent {
        loop {
            if let Some(event) = self.check_timers() {
                return event;
            }
            let wake_at = self.shared.cache.instant(self.wake_at());
            let (tries, news) = (&mut self.tries, &mut self.news);
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| poll_tries(tries, cx)) => Some(event),
                () = changed(news) => None,
                () = tokio::time::sleep_until(wake_at) => None,
            };
            if let Some((position, event)) = event
                && let Some(event) = self.on_try_event(position, event)
            {
                return event;
            }
        }
    }

    /// Processes the event of a try.
    fn on_try_event(&mut self, position: usize, event: TryEvent) -> Option<RetryEvent> {
        let Try { target, .. } = self.tries.swap_remove(position);
        let outcome = match event {
            TryEvent::Connected(Ok(channel)) => {
                self.send(target, channel);
                return None;
            }
            TryEvent::Connected(Err(error)) | TryEvent::Answered(Err(error)) => outcome_of(error),
            TryEvent::Answered(Ok(reply)) => self.answered(&target.address, reply),
        };
        Some(RetryEvent::Ended(target, outcome))
    }

    fn answered(&mut self, address: &Address, reply: ResponseFrame) -> TryOutcome {
        self.shared.cache.answered(address, &reply);
        match reply.result {
            Err(rejection) => {
                // Its next welcome names the cluster, to which this client then keeps.
                if matches!(rejection, Rejection::NoCluster { joining: true, .. }) {
                    self.shared.pool.renew(address);
                }
                TryOutcome::Rejected(rejection)
            }
            Ok(
                Response::Written(Outcome::Forgotten { upto })
                | Response::Transacted { outcome: Outcome::Forgotten { upto }, .. },
            ) => TryOutcome::Forgotten(upto),
            Ok(_) => {
                self.reply = Some(reply);
                TryOutcome::Settled
            }
        }
    }

    /// Returns the event that is due now, if any: the deadline, the end of a pause, a
    /// dial that takes too long.
    fn check_timers(&mut self) -> Option<RetryEvent> {
        let now = self.shared.cache.now();
        if now >= self.deadline {
            self.tries.retain_mut(|attempt| !attempt.withdraw());
            return Some(RetryEvent::Late);
        }
        if self.resume_at.is_some_and(|at| now >= at) {
            self.resume_at = None;
            return Some(RetryEvent::Resumed);
        }
        if let Some(position) = self.tries.iter().position(|attempt| attempt.dials_too_long(now)) {
            let target = self.tries.swap_remove(position).target;
            let what = format!(
                "{}: no connection within {} ms",
                target.address,
                timing::CONNECT_PATIENCE.as_millis()
            );
            return Some(RetryEvent::Ended(target, TryOutcome::SlowDial(what)));
        }
        self.check_progress(now)
    }

    /// The same for a call that takes longer than it should: news of a leader, or a
    /// quiet node.
    fn check_progress(&mut self, now: Duration) -> Option<RetryEvent> {
        if self.news.is_none() {
            if !self.tries.iter().any(|attempt| attempt.takes_long(now)) {
                return None;
            }
            self.subscribe_to_news();
        }
        if self.has_leader_news(now) {
            self.resume_at = None;
            return Some(RetryEvent::News);
        }
        let quiet = self.tries.iter_mut().any(|attempt| attempt.found_quiet(now));
        quiet.then(|| {
            self.search_for_leader();
            RetryEvent::Quiet
        })
    }

    fn search_for_leader(&mut self) {
        self.subscribe_to_news();
        if self.leader_search.is_none() {
            self.leader_search = Some(self.shared.search_for_leader());
        }
    }

    fn subscribe_to_news(&mut self) {
        if self.news.is_none() {
            self.news = Some(self.shared.cache.news());
        }
    }

    /// Returns whether the client has learned of a new leader that this call is not
    /// asking yet.
    fn has_leader_news(&mut self, now: Duration) -> bool {
        let routes = self.shared.cache.routes();
        if std::mem::replace(&mut self.leaders_known, routes.leaders()) == routes.leaders() {
            return false;
        }
        let leader = routes.leader(now);
        leader.is_some_and(|leader| self.tries.iter().all(|attempt| attempt.target.address != *leader))
    }

    fn wake_at(&self) -> Duration {
        let closely = self.news.is_some();
        let tries = self.tries.iter().map(|attempt| attempt.wake_at(closely));
        tries.chain(self.resume_at).fold(self.deadline, Duration::min)
    }
}

impl RouteTarget {
    /// Returns the identity that a connection to this target must have.
    pub(crate) fn expect(&self) -> Expect {
        self.name.clone().map_or(Expect::AnyNode, Expect::Node)
    }
}

/// Waits for news; never returns without a subscription.
async fn changed(news: &mut Option<watch::Receiver<u64>>) {
    if let Some(news) = news
        && news.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
