//! One stream of a client: questions come in, answers go out, many at a time.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame,
    limits::REQUEST_TIMEOUT_MS,
    protocol::{Rejection, Request, RequestFrame},
    quic::{FrameReceiver, FrameSender, StreamError},
};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    answer::{self, Outbox},
    backup,
    connection::Shared,
    dispatch,
    gate::Pass,
    writes::Writes,
};
use crate::metrics::{OutcomeKind, Verb};

/// So many questions are taken together at most.
const TOGETHER_MAX: usize = 256;

/// Takes questions until the stream ends. Answers go on until all are given.
pub(super) async fn serve(shared: Arc<Shared>, sender: FrameSender, mut receiver: FrameReceiver) {
    let Some(first) = next(&shared, &mut receiver).await else { return };
    if let Request::Backup { .. } = first.1.request {
        return backup::serve(&shared, sender, first.1).await;
    }
    let (outbox, queued) = answer::outbox();
    tokio::spawn(answer::send(sender, queued));
    let mut arrived = vec![first];
    loop {
        let mut end = Ok(());
        // What cannot be read is found again by the next `receive`.
        while end.is_ok()
            && arrived.len() < TOGETHER_MAX
            && let Ok(Some(message)) = receiver.ready()
        {
            match frame::decode(&message) {
                Ok(ask) => arrived.push((message, ask)),
                Err(error) => end = Err(error),
            }
        }
        take_all(&shared, &outbox, &mut arrived).await;
        if let Err(error) = end {
            return shared.expel(&error);
        }
        match next(&shared, &mut receiver).await {
            Some(next) => arrived.push(next),
            None => return,
        }
    }
}

/// A question, and the message that it came in.
type Arrived = (Bytes, RequestFrame);

/// The next question; `None` where there are no more.
async fn next(shared: &Shared, receiver: &mut FrameReceiver) -> Option<Arrived> {
    match receiver.receive().await {
        Ok(Some(message)) => match frame::decode(&message) {
            Ok(ask) => return Some((message, ask)),
            Err(error) => shared.expel(&error),
        },
        Err(StreamError::Frame(error)) => shared.expel(&error),
        // The client is done, or broke the stream or the connection off.
        Ok(None) | Err(_) => {}
    }
    None
}

/// Takes questions that came together.
async fn take_all(shared: &Arc<Shared>, outbox: &Outbox, arrived: &mut Vec<Arrived>) {
    let leading = Writes::leading(shared);
    let mut writes = None;
    for (message, ask) in arrived.drain(..) {
        let (pass, room) = match admit(shared) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                shared.api.0.node.metrics().requests.turned_away.increment();
                answer::reply(shared, outbox, ask.id, Err(refusal).into(), None).await;
                continue;
            }
        };
        let left = match &leading {
            Some(replica) => Writes::gather(&mut writes, replica, shared, (message, ask), (pass, room)),
            None => Some((ask, pass, room)),
        };
        if let Some((ask, pass, room)) = left {
            let (shared, outbox) = (Arc::clone(shared), outbox.clone());
            tokio::spawn(async move {
                let deadline = deadline(ask.timeout_ms);
                carry_out(&shared, &outbox, ask, deadline, pass).await;
                drop(room);
            });
        }
    }
    if let Some(writes) = writes {
        tokio::spawn(writes.carry_out(Arc::clone(shared), outbox.clone()));
    }
}

/// Lets a question in, unless there is too much already.
fn admit(shared: &Shared) -> Result<(Pass, OwnedSemaphorePermit), Rejection> {
    match (shared.api.0.gate.enter(), Arc::clone(&shared.room).try_acquire_owned()) {
        (Some(pass), Ok(room)) => Ok((pass, room)),
        (None, _) => Err(Rejection::Unavailable(format!("{} is stopping", shared.api.0.node.name()))),
        (Some(_), Err(_)) => Err(Rejection::Overloaded),
    }
}

/// Carries out a question alone.
pub(super) async fn carry_out(
    shared: &Shared,
    outbox: &Outbox,
    ask: RequestFrame,
    deadline: Instant,
    pass: Pass,
) {
    let (id, verb, begun) = (ask.id, Verb::of(&ask.request), Instant::now());
    let metrics = &shared.api.0.node.metrics().requests;
    let _counted = metrics.in_flight.hold(1);
    let answer = dispatch::dispatch(shared, ask, deadline).await;
    metrics.answered(verb, OutcomeKind::of(&answer.result), begun.elapsed());
    answer::reply(shared, outbox, id, answer, Some(pass)).await;
}

/// By when whoever asked now needs his answer.
pub(super) fn deadline(asked_ms: u32) -> Instant {
    let timeout_ms = asked_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end());
    Instant::now() + Duration::from_millis(timeout_ms.into())
}
