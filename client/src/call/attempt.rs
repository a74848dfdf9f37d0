//! One try of a call: a dial, then a request over a channel.
//!
//! Knows whether the request may have reached the node and whether it takes
//! suspiciously long. The consequences are decided elsewhere.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use coffee_common::protocol::{Request, ResponseFrame};

use crate::{
    channel::{Channel, ChannelError, Envelope, ResponseFuture},
    pool::Pool,
    retry::TryOutcome,
    routing::RouteTarget,
    timing,
};

/// One try.
pub(super) struct Try {
    pub(super) target: Arc<RouteTarget>,
    began: Duration,
    /// How long the try may take before it is examined.
    patience: Duration,
    state: TryState,
}

enum TryState {
    Dialling(Pin<Box<dyn Future<Output = Result<Channel, ChannelError>> + Send>>),
    SentRequest(SentRequest),
    Failed(Option<ChannelError>),
}

struct SentRequest {
    response: ResponseFuture,
    channel: Channel,
    /// When to check next whether the node is stuck.
    slow_at: Duration,
    /// The channel's count of responses at the last check.
    answers: u64,
    found_silent: bool,
}

/// The next event of a try.
pub(super) enum TryEvent {
    Connected(Result<Channel, ChannelError>),
    Answered(Result<ResponseFrame, ChannelError>),
}

impl Try {
    /// Starts to connect.
    pub(super) fn dial(pool: &Pool, target: Arc<RouteTarget>, now: Duration) -> Self {
        let (pool, to) = (pool.clone(), Arc::clone(&target));
        let dial = async move { pool.channel(&to.address, &to.expect()).await };
        Self {
            target,
            began: now,
            patience: timing::CONNECT_PATIENCE,
            state: TryState::Dialling(Box::pin(dial)),
        }
    }

    /// Sends the request over a channel; the node has `left` to answer.
    pub(super) fn ask(
        channel: Channel,
        target: Arc<RouteTarget>,
        request: &Request,
        envelope: Envelope<'_>,
        now: Duration,
        left: Duration,
    ) -> Self {
        // A node that waits for changes is not slow.
        let wait = match request {
            Request::Watch { wait_ms, .. } => Duration::from_millis((*wait_ms).into()),
            _ => Duration::ZERO,
        };
        let patience = channel.patience() + wait;
        let state = match channel.start(request, envelope, timing::node_timeout(left)) {
            Ok(response) => TryState::SentRequest(SentRequest {
                response,
                answers: channel.answers(),
                channel,
                slow_at: now + timing::SLOW + wait,
                found_silent: false,
            }),
            Err(error) => TryState::Failed(Some(error)),
        };
        Self { target, began: now, patience, state }
    }

    /// Returns whether the node may have received the request.
    pub(super) fn may_be_sent(&self) -> bool {
        matches!(self.state, TryState::SentRequest(_))
    }

    /// Returns whether the try takes longer than it should.
    pub(super) fn takes_long(&self, now: Duration) -> bool {
        now >= self.began + self.patience
    }

    /// Returns when to check the try next. `closely` is set once the call takes longer
    /// than it should.
    pub(super) fn wake_at(&self, closely: bool) -> Duration {
        match &self.state {
            TryState::SentRequest(sent) if closely => sent.slow_at,
            _ => self.began + self.patience,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TryEvent> {
        match &mut self.state {
            TryState::Dialling(dial) => dial.as_mut().poll(cx).map(TryEvent::Connected),
            TryState::SentRequest(sent) => Pin::new(&mut sent.response).poll(cx).map(TryEvent::Answered),
            TryState::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(TryEvent::Answered(Err(error))),
                None => Poll::Pending,
            },
        }
    }

    /// Withdraws the request. Returns whether it was certainly not sent and never will
    /// be.
    pub(super) fn withdraw(&mut self) -> bool {
        match &mut self.state {
            TryState::SentRequest(sent) => sent.response.withdraw(),
            TryState::Dialling(_) | TryState::Failed(_) => true,
        }
    }

    pub(super) fn dials_too_long(&self, now: Duration) -> bool {
        matches!(self.state, TryState::Dialling(_)) && self.takes_long(now)
    }

    /// Returns whether it is time to ask another node as well: once when the node falls
    /// silent, and again at intervals while it does not answer.
    pub(super) fn found_quiet(&mut self, now: Duration) -> bool {
        let TryState::SentRequest(sent) = &mut self.state else { return false };
        if !sent.found_silent && !sent.channel.is_well() {
            sent.found_silent = true;
            return true;
        }
        if now < sent.slow_at {
            return false;
        }
        let busy = std::mem::replace(&mut sent.answers, sent.channel.answers()) != sent.answers;
        sent.slow_at = now + timing::SLOW;
        !busy || now >= self.began + timing::BUSY
    }
}

/// Returns the next event of any of the tries, with the position of that try.
pub(super) fn poll_tries(tries: &mut [Try], cx: &mut Context<'_>) -> Poll<(usize, TryEvent)> {
    for (position, attempt) in tries.iter_mut().enumerate() {
        if let Poll::Ready(event) = attempt.poll(cx) {
            return Poll::Ready((position, event));
        }
    }
    Poll::Pending
}

/// Returns the outcome of a try that has no response.
pub(super) fn outcome_of(error: ChannelError) -> TryOutcome {
    match error {
        ChannelError::NotSent(fault) => TryOutcome::NotSent(fault),
        ChannelError::Lost(reason) => TryOutcome::Lost(reason),
        ChannelError::TimedOut => TryOutcome::Lost(ChannelError::TimedOut.to_string()),
    }
}
