//! One call: carries out what [`Retry`] decides.
//!
//! Starts tries, waits for what befalls them, and reports it; decides nothing
//! about repeating itself. Everything that it started ends with it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use coffee_common::{
    command::Outcome,
    id::{Address, RequestId, Revision},
    protocol::{Reply, Request, Response},
    quic::Expect,
};
use tokio::sync::watch;

use crate::{
    channel::{Answering, Channel, ChannelError},
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
    reply: Option<Reply>,
    /// Subscribed to once the call takes longer than it should.
    news: Option<watch::Receiver<u64>>,
    leaders_known: u64,
    trouble: Option<Trouble>,
}

struct Try {
    target: Arc<Target>,
    began: Duration,
    state: State,
}

enum State {
    Dialling(Pin<Box<dyn Future<Output = Result<Channel, ChannelError>> + Send>>),
    Asked(Asked),
    Failed(Option<ChannelError>),
}

struct Asked {
    answering: Answering,
    channel: Channel,
    /// When to wonder next whether the node is stuck.
    slow_at: Duration,
    /// How many answers its channel had brought to anyone by then.
    answers: u64,
    found_silent: bool,
}

/// What became of a try.
enum Turn {
    Connected(Result<Channel, ChannelError>),
    Answered(Result<Reply, ChannelError>),
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
            tries: self.tries.len(),
            sent: self.tries.iter().any(|attempt| matches!(attempt.state, State::Asked(_))),
        };
        let knowledge = &self.hub.knowledge;
        let view = View {
            routes: &knowledge.routes(),
            connected: &|address| self.hub.pool.is_ready(address),
            now: knowledge.now(),
            roll: knowledge.roll(),
            under_way,
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
            None => {
                let (pool, to) = (self.hub.pool.clone(), Arc::clone(&target));
                let dial = async move { pool.channel(&to.address, &to.expect()).await };
                self.begin(target, State::Dialling(Box::pin(dial)));
            }
        }
    }

    fn begin(&mut self, target: Arc<Target>, state: State) {
        self.tries.push(Try { target, began: self.hub.knowledge.now(), state });
    }

    /// Sends the request over a channel.
    fn send(&mut self, target: Arc<Target>, channel: Channel) {
        self.name();
        let now = self.hub.knowledge.now();
        let left = pace::node_timeout(self.deadline.saturating_sub(now));
        let state = match channel.start(&self.request, None, left) {
            Ok(answering) => State::Asked(Asked {
                answering,
                answers: channel.answers(),
                channel,
                slow_at: now + pace::SLOW,
                found_silent: false,
            }),
            Err(error) => State::Failed(Some(error)),
        };
        self.begin(target, state);
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

    fn answered(&mut self, address: &Address, reply: Reply) -> Ending {
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
            if !self.tries.iter().any(|attempt| now >= attempt.began + pace::PATIENCE) {
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
        let look_closer = self.news.is_none();
        let tries = self.tries.iter().filter_map(|attempt| match &attempt.state {
            State::Dialling(_) => Some(attempt.began + pace::PATIENCE),
            State::Asked(_) if look_closer => Some(attempt.began + pace::PATIENCE),
            State::Asked(asked) => Some(asked.slow_at),
            State::Failed(_) => None,
        });
        tries.chain(self.resume_at).fold(self.deadline, Duration::min)
    }
}

impl Try {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        match &mut self.state {
            State::Dialling(dial) => dial.as_mut().poll(cx).map(Turn::Connected),
            State::Asked(asked) => Pin::new(&mut asked.answering).poll(cx).map(Turn::Answered),
            State::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Turn::Answered(Err(error))),
                None => Poll::Pending,
            },
        }
    }

    /// Whether the request has certainly not been sent, and never will be.
    fn withdraw(&mut self) -> bool {
        match &mut self.state {
            State::Asked(asked) => asked.answering.withdraw(),
            State::Dialling(_) | State::Failed(_) => true,
        }
    }

    fn dials_too_long(&self, now: Duration) -> bool {
        matches!(self.state, State::Dialling(_)) && now >= self.began + pace::PATIENCE
    }

    /// Whether it is time, for the first time, to ask somebody else as well.
    fn found_quiet(&mut self, now: Duration) -> bool {
        let State::Asked(asked) = &mut self.state else { return false };
        if !asked.found_silent && !asked.channel.is_well() {
            asked.found_silent = true;
            return true;
        }
        if now < asked.slow_at {
            return false;
        }
        let busy = std::mem::replace(&mut asked.answers, asked.channel.answers()) != asked.answers;
        let again = now >= self.began + 2 * pace::SLOW;
        asked.slow_at = now + pace::SLOW;
        again || !busy
    }
}

impl Target {
    /// Whom a connection to it must lead to.
    pub(crate) fn expect(&self) -> Expect {
        self.name.clone().map_or(Expect::AnyNode, Expect::Node)
    }
}

fn poll_tries(tries: &mut [Try], cx: &mut Context<'_>) -> Poll<(usize, Turn)> {
    for (position, attempt) in tries.iter_mut().enumerate() {
        if let Poll::Ready(turn) = attempt.poll(cx) {
            return Poll::Ready((position, turn));
        }
    }
    Poll::Pending
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

fn ending_of(error: ChannelError) -> Ending {
    match error {
        ChannelError::NotSent(fault) => Ending::NotSent(fault),
        ChannelError::Lost(reason) => Ending::Lost(reason),
        ChannelError::TimedOut => Ending::Lost(ChannelError::TimedOut.to_string()),
    }
}
