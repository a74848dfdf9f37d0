//! One try of a call: a dial, then an ask over a channel.
//!
//! Knows whether it may have reached its node, and whether it takes
//! suspiciously long; what follows from that is decided elsewhere.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use coffee_common::protocol::{Request, ResponseFrame};

use crate::{
    channel::{Answering, Channel, ChannelError},
    pace,
    pool::Pool,
    retry::Ending,
    routing::Target,
};

/// One try.
pub(super) struct Try {
    pub(super) target: Arc<Target>,
    began: Duration,
    /// For how long it is not looked at closely.
    patience: Duration,
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
pub(super) enum Turn {
    Connected(Result<Channel, ChannelError>),
    Answered(Result<ResponseFrame, ChannelError>),
}

impl Try {
    /// Begins to connect.
    pub(super) fn dial(pool: &Pool, target: Arc<Target>, now: Duration) -> Self {
        let (pool, to) = (pool.clone(), Arc::clone(&target));
        let dial = async move { pool.channel(&to.address, &to.expect()).await };
        Self { target, began: now, patience: pace::PATIENCE, state: State::Dialling(Box::pin(dial)) }
    }

    /// Asks over a channel; the node has `left` to answer.
    pub(super) fn ask(
        channel: Channel,
        target: Arc<Target>,
        request: &Request,
        now: Duration,
        left: Duration,
    ) -> Self {
        let patience = channel.patience();
        let state = match channel.start(request, None, pace::node_timeout(left)) {
            Ok(answering) => State::Asked(Asked {
                answering,
                answers: channel.answers(),
                channel,
                slow_at: now + pace::SLOW,
                found_silent: false,
            }),
            Err(error) => State::Failed(Some(error)),
        };
        Self { target, began: now, patience, state }
    }

    /// Whether the node may have received the request.
    pub(super) fn may_be_sent(&self) -> bool {
        matches!(self.state, State::Asked(_))
    }

    /// Whether it has taken longer than it should.
    pub(super) fn takes_long(&self, now: Duration) -> bool {
        now >= self.began + self.patience
    }

    /// When to look at it next. `closely` once it is known to take long.
    pub(super) fn wake_at(&self, closely: bool) -> Duration {
        match &self.state {
            State::Asked(asked) if closely => asked.slow_at,
            _ => self.began + self.patience,
        }
    }

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
    pub(super) fn withdraw(&mut self) -> bool {
        match &mut self.state {
            State::Asked(asked) => asked.answering.withdraw(),
            State::Dialling(_) | State::Failed(_) => true,
        }
    }

    pub(super) fn dials_too_long(&self, now: Duration) -> bool {
        matches!(self.state, State::Dialling(_)) && self.takes_long(now)
    }

    /// Whether it is time, for the first time, to ask somebody else as well.
    pub(super) fn found_quiet(&mut self, now: Duration) -> bool {
        let State::Asked(asked) = &mut self.state else { return false };
        if !asked.found_silent && !asked.channel.is_well() {
            asked.found_silent = true;
            return true;
        }
        if now < asked.slow_at {
            return false;
        }
        let busy = std::mem::replace(&mut asked.answers, asked.channel.answers()) != asked.answers;
        asked.slow_at = now + pace::SLOW;
        !busy || now >= self.began + pace::BUSY
    }
}

/// What becomes of any of the tries, and of which.
pub(super) fn poll_tries(tries: &mut [Try], cx: &mut Context<'_>) -> Poll<(usize, Turn)> {
    for (position, attempt) in tries.iter_mut().enumerate() {
        if let Poll::Ready(turn) = attempt.poll(cx) {
            return Poll::Ready((position, turn));
        }
    }
    Poll::Pending
}

/// How a try ends that has no answer.
pub(super) fn ending_of(error: ChannelError) -> Ending {
    match error {
        ChannelError::NotSent(fault) => Ending::NotSent(fault),
        ChannelError::Lost(reason) => Ending::Lost(reason),
        ChannelError::TimedOut => Ending::Lost(ChannelError::TimedOut.to_string()),
    }
}
