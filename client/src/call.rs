//! One call: carries out what [`Retry`] decides.
//!
//! Starts tries, waits for what befalls them, and reports it; decides nothing
//! about repeating itself. Everything that it started ends with it.

mod attempt;

use std::{future::poll_fn, sync::Arc, time::Duration};

use coffee_common::{
    command::Outcome,
    id::{Address, RequestId, Revision},
    protocol::{Request, Response, ResponseFrame},
    quic::Expect,
};
use tokio::sync::watch;

use self::attempt::{Try, Turn, ending_of, poll_tries};
use crate::{
    channel::Channel,
    error::Error,
    hub::{Hub, Trouble},
    pace,
    retry::{Ending, Event, Fault, Repeat, Retry, Step, UnderWay, View, manner},
    routing::{Choice, Target},
};

/// Whoever wants to know the id of a write before it is sent.
pub(crate) type Witness<'a> = &'a mut (dyn FnMut(RequestId) + Send);

/// A call under way. Dropped, it takes back what has not been sent.
pub(crate) struct Call<'a> {
    hub: &'a Arc<Hub>,
    request: Request,
    /// The request's id is drawn when it is first sent.
    unnamed: bool,
    /// Is told the id before the request is sent under it.
    witness: Option<Witness<'a>>,
    retry: Retry,
    tries: Vec<Try>,
    deadline: Duration,
    resume_at: Option<Duration>,
    reply: Option<ResponseFrame>,
    /// Subscribed to once the call takes longer than it should.
    news: Option<watch::Receiver<u64>>,
    leaders_known: u64,
    trouble: Option<Trouble>,
}

impl<'a> Call<'a> {
    /// A call of a request whose id, if it is a write, the caller brings along.
    pub(crate) fn new(hub: &'a Arc<Hub>, request: Request, timeout: Duration) -> Self {
        Self::with(hub, request, timeout, false)
    }

    /// A write under an id of its own; the one in the request does not count.
    pub(crate) fn unnamed(hub: &'a Arc<Hub>, request: Request, timeout: Duration) -> Self {
        Self::with(hub, request, timeout, true)
    }

    /// Has `witness` told the id that is drawn.
    pub(crate) fn witnessed(mut self, witness: Witness<'a>) -> Self {
        self.witness = Some(witness);
        self
    }

    fn with(hub: &'a Arc<Hub>, request: Request, timeout: Duration, unnamed: bool) -> Self {
        let begin = hub.knowledge.now();
        let deadline = begin + timeout;
        let (route, repeat) = manner(&request);
        let repeat = if unnamed { Repeat::Named { id: None } } else { repeat };
        Self {
            hub,
            request,
            unnamed,
            witness: None,
            retry: Retry::new(route, repeat, begin, deadline),
            tries: Vec::new(),
            deadline,
            resume_at: None,
            reply: None,
            news: None,
            leaders_known: hub.knowledge.routes().leaders(),
            trouble: None,
        }
    }

    /// Carries the call to its end. The request comes back, for its id.
    pub(crate) async fn run(mut self) -> Result<(Response, Request), Error> {
        let mut event = Event::Begin;
        loop {
            match self.step(event) {
                Step::Ask(choice) => self.ask(choice),
                Step::Pause(pause) => {
                    self.resume_at = Some(self.hub.knowledge.now() + pause);
                    self.is_in_trouble();
                }
                Step::Renew(upto) => {
                    self.renew(upto);
                    event = Event::Begin;
                    continue;
                }
                Step::Wait => {}
                Step::Done => {
                    let response = self.reply.take().and_then(|reply| reply.result.ok());
                    return response.map(|response| (response, self.request)).ok_or_else(Error::misfit);
                }
                Step::Fail(error) => return Err(error),
            }
            event = self.happens().await;
        }
    }

    fn step(&mut self, event: Event) -> Step {
        let under_way = UnderWay {
            targets: self.tries.iter().map(|attempt| Arc::clone(&attempt.target)).collect(),
            sent: self.tries.iter().any(Try::may_be_sent),
        };
        let knowledge = &self.hub.knowledge;
        let view = View {
            routes: &knowledge.routes(),
            connected: &|address| self.hub.pool.is_ready(address),
            now: knowledge.now(),
            roll: knowledge.roll(),
            under_way: &under_way,
        };
        self.retry.next(event, &view)
    }

    fn renew(&mut self, upto: Revision) {
        self.hub.knowledge.ids().reached(upto);
        self.tries.clear();
        self.unnamed = true;
        self.retry.renewed();
    }

    /// Starts a try.
    fn ask(&mut self, choice: Choice) {
        if let Some(leader) = choice.connect {
            self.hub.pool.dial(&leader.address, &leader.expect());
        }
        let target = choice.target;
        match self.hub.pool.ready(&target.address, &target.expect()) {
            Some(channel) => self.send(target, channel),
            None => self.tries.push(Try::dial(&self.hub.pool, target, self.hub.knowledge.now())),
        }
    }

    /// Sends the request over a channel.
    fn send(&mut self, target: Arc<Target>, channel: Channel) {
        self.name();
        let now = self.hub.knowledge.now();
        let left = self.deadline.saturating_sub(now);
        self.tries.push(Try::ask(channel, target, &self.request, now, left));
    }

    /// Draws the write's id. Only now, since the channel's welcome has said
    /// what the cluster has reached.
    fn name(&mut self) {
        if !std::mem::take(&mut self.unnamed) {
            return;
        }
        if let Request::Write { request, .. } = &mut self.request {
            *request = self.hub.knowledge.ids().draw();
            self.retry.named(*request);
            if let Some(witness) = &mut self.witness {
                witness(*request);
            }
        }
    }

    /// Waits until something happens that calls for a decision.
    async fn happens(&mut self) -> Event {
        loop {
            if let Some(event) = self.look() {
                return event;
            }
            let wake_at = self.hub.knowledge.instant(self.wake_at());
            let (tries, news) = (&mut self.tries, &mut self.news);
            let turn = tokio::select! {
                biased;
                turn = poll_fn(|cx| poll_tries(tries, cx)) => Some(turn),
                () = changed(news) => None,
                () = tokio::time::sleep_until(wake_at) => None,
            };
            if let Some((position, turn)) = turn
                && let Some(event) = self.turn(position, turn)
            {
                return event;
            }
        }
    }

    /// Takes in what became of a try.
    fn turn(&mut self, position: usize, turn: Turn) -> Option<Event> {
        let Try { target, .. } = self.tries.swap_remove(position);
        let ending = match turn {
            Turn::Connected(Ok(channel)) => {
                self.send(target, channel);
                return None;
            }
            Turn::Connected(Err(error)) | Turn::Answered(Err(error)) => ending_of(error),
            Turn::Answered(Ok(reply)) => self.answered(&target.address, reply),
        };
        Some(Event::Ended(target, ending))
    }

    fn answered(&mut self, address: &Address, reply: ResponseFrame) -> Ending {
        self.hub.knowledge.answered(address, &reply);
        match reply.result {
            Err(rejection) => Ending::Rejected(rejection),
            Ok(Response::Written(Outcome::Forgotten { upto })) => Ending::Forgotten(upto),
            Ok(_) => {
                self.reply = Some(reply);
                Ending::Settled
            }
        }
    }

    /// Looks whether time or news call for a decision.
    fn look(&mut self) -> Option<Event> {
        let now = self.hub.knowledge.now();
        if now >= self.deadline {
            self.tries.retain_mut(|attempt| !attempt.withdraw());
            return Some(Event::Late);
        }
        if self.resume_at.is_some_and(|at| now >= at) {
            self.resume_at = None;
            return Some(Event::Resumed);
        }
        if let Some(position) = self.tries.iter().position(|attempt| attempt.dials_too_long(now)) {
            let target = self.tries.swap_remove(position).target;
            let what = format!("{}: no connection within {} ms", target.address, pace::PATIENCE.as_millis());
            return Some(Event::Ended(target, Ending::NotSent(Fault::Unreachable(what))));
        }
        self.look_closer(now)
    }

    /// The same for a call that takes longer than it should.
    fn look_closer(&mut self, now: Duration) -> Option<Event> {
        if self.news.is_none() {
            if !self.tries.iter().any(|attempt| attempt.takes_long(now)) {
                return None;
            }
            self.heed_news();
        }
        if self.has_leader_news(now) {
            self.resume_at = None;
            return Some(Event::News);
        }
        let quiet = self.tries.iter_mut().any(|attempt| attempt.found_quiet(now));
        quiet.then(|| {
            self.is_in_trouble();
            Event::Quiet
        })
    }

    fn is_in_trouble(&mut self) {
        self.heed_news();
        if self.trouble.is_none() {
            self.trouble = Some(self.hub.trouble());
        }
    }

    fn heed_news(&mut self) {
        if self.news.is_none() {
            self.news = Some(self.hub.knowledge.news());
        }
    }

    /// Whether another leader was heard of who is not being asked already.
    fn has_leader_news(&mut self, now: Duration) -> bool {
        let routes = self.hub.knowledge.routes();
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

impl Target {
    /// Whom a connection to it must lead to.
    pub(crate) fn expect(&self) -> Expect {
        self.name.clone().map_or(Expect::AnyNode, Expect::Node)
    }
}

/// Waits for news; forever, if none is heeded.
async fn changed(news: &mut Option<watch::Receiver<u64>>) {
    if let Some(news) = news
        && news.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
