//! One stream of a client: questions come in, answers go out, many at a time.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    frame,
    limits::REQUEST_TIMEOUT_MS,
    protocol::{Ask, Rejection},
    quic::{FrameReceiver, FrameSender, StreamError},
};
use tokio::time::Instant;

use super::{
    answer::{self, Outbox},
    connection::Shared,
    dispatch,
    gate::Pass,
};

/// Takes questions until the stream ends. Answers go on until all are given.
pub(super) async fn serve(shared: Arc<Shared>, sender: FrameSender, mut receiver: FrameReceiver) {
    let (outbox, queued) = answer::outbox();
    tokio::spawn(answer::send(sender, queued));
    loop {
        match receiver.receive().await {
            Ok(Some(message)) => match frame::decode::<Ask>(&message) {
                Ok(ask) => take(&shared, &outbox, ask).await,
                Err(error) => return shared.expel(&error),
            },
            Ok(None) => return,
            Err(StreamError::Frame(error)) => return shared.expel(&error),
            // The client broke the stream or the connection off.
            Err(_) => return,
        }
    }
}

/// Takes a question, or turns it away at once where there is too much already.
async fn take(shared: &Arc<Shared>, outbox: &Outbox, ask: Ask) {
    let refusal = match (shared.api.0.gate.enter(), Arc::clone(&shared.room).try_acquire_owned()) {
        (Some(pass), Ok(room)) => {
            let (shared, outbox) = (Arc::clone(shared), outbox.clone());
            tokio::spawn(async move {
                carry_out(&shared, &outbox, ask, pass).await;
                drop(room);
            });
            return;
        }
        (None, _) => Rejection::Unavailable(format!("{} is stopping", shared.api.0.node.name())),
        (Some(_), Err(_)) => Rejection::Overloaded,
    };
    answer::reply(shared, outbox, ask.id, Err(refusal).into(), None).await;
}

async fn carry_out(shared: &Shared, outbox: &Outbox, ask: Ask, pass: Pass) {
    let deadline = Instant::now() + timeout(ask.timeout_ms);
    let id = ask.id;
    let answer = dispatch::dispatch(shared, ask, deadline).await;
    answer::reply(shared, outbox, id, answer, Some(pass)).await;
}

fn timeout(asked_ms: u32) -> Duration {
    Duration::from_millis(asked_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end()).into())
}
