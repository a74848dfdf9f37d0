//! A request in flight, as a future of its response.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use coffee_common::{
    frame,
    protocol::{ResponseFrame, ServerMessage},
    quic::{FrameReceiver, Priority},
};

use super::{ChannelError, ChannelShared, request_table::ResponseReceiver};
use crate::error::NotSentReason;

/// Resolves to the response. Dropping it withdraws the request if it is still
/// unsent.
pub(crate) struct ResponseFuture {
    shared: Arc<ChannelShared>,
    id: u64,
    stream: RequestStream,
    settled: bool,
}

enum RequestStream {
    /// Queued for the stream that all small requests share.
    Shared(ResponseReceiver),
    /// On its own stream.
    Own {
        answer: Pin<Box<dyn Future<Output = Result<ResponseFrame, ChannelError>> + Send>>,
        sent: Arc<AtomicBool>,
    },
}

impl ResponseFuture {
    pub(super) fn on_shared_stream(
        shared: &Arc<ChannelShared>,
        id: u64,
        frame: Bytes,
    ) -> Result<Self, ChannelError> {
        Ok(Self::queued(shared, id, shared.table.queue(id, frame)?))
    }

    /// Of a request that the node answers after a while: no other one waits for it.
    pub(super) fn waiting(shared: &Arc<ChannelShared>, id: u64, frame: Bytes) -> Result<Self, ChannelError> {
        Ok(Self::queued(shared, id, shared.table.queue_waiting(id, frame)?))
    }

    fn queued(shared: &Arc<ChannelShared>, id: u64, (answered, busy): (ResponseReceiver, bool)) -> Self {
        shared.to_write.notify_one();
        if !busy {
            shared.to_watch.notify_one();
        }
        Self { shared: Arc::clone(shared), id, stream: RequestStream::Shared(answered), settled: false }
    }

    pub(super) fn on_own_stream(
        shared: &Arc<ChannelShared>,
        id: u64,
        frame: Bytes,
    ) -> Result<Self, ChannelError> {
        let (answered, busy) = shared.table.wait(id)?;
        if !busy {
            shared.to_watch.notify_one();
        }
        let sent = Arc::new(AtomicBool::new(false));
        let answer = Box::pin(exchange(Arc::clone(shared), frame, answered, Arc::clone(&sent)));
        Ok(Self {
            shared: Arc::clone(shared),
            id,
            stream: RequestStream::Own { answer, sent },
            settled: false,
        })
    }

    /// Withdraws the request. Returns whether it was certainly not sent and never will
    /// be.
    pub(crate) fn withdraw(&mut self) -> bool {
        if std::mem::replace(&mut self.settled, true) {
            return false;
        }
        let unqueued = self.shared.table.withdraw(self.id);
        if self.shared.table.has_queued() {
            self.shared.to_write.notify_one();
        }
        match &self.stream {
            RequestStream::Shared(_) => unqueued,
            RequestStream::Own { sent, .. } => !sent.load(Ordering::Acquire),
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<ResponseFrame, ChannelError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.stream {
            RequestStream::Shared(answered) => {
                ready!(Pin::new(answered).poll(cx)).unwrap_or_else(|_| Err(ended()))
            }
            RequestStream::Own { answer, .. } => ready!(answer.as_mut().poll(cx)),
        };
        if !matches!(self.stream, RequestStream::Shared(_)) {
            self.shared.table.withdraw(self.id);
        }
        self.settled = true;
        Poll::Ready(result)
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// Sends a large request on its own stream. The response arrives there or, if it is
/// large too, on a unidirectional stream.
async fn exchange(
    shared: Arc<ChannelShared>,
    frame: Bytes,
    answered: ResponseReceiver,
    sent: Arc<AtomicBool>,
) -> Result<ResponseFrame, ChannelError> {
    let opened = shared.connection.open(Priority::Bulk).await;
    let (mut sender, receiver) = opened.map_err(|error| {
        ChannelError::NotSent(NotSentReason::Unreachable(shared.lost(&error.to_string())))
    })?;
    sent.store(true, Ordering::Release);
    let mut reply = pin!(async {
        tokio::select! {
            reply = receive_reply(receiver) => reply,
            reply = answered => reply.unwrap_or_else(|_| Err(ended())),
        }
    });
    tokio::select! {
        biased;
        // A node that rejects the request does not wait for the rest of it.
        reply = &mut reply => return reply,
        end = sender.send(frame) => end.map_err(|error| ChannelError::Lost(error.to_string()))?,
    }
    sender.finish();
    reply.await
}

/// Receives the response on a request's own stream. Never resolves if the stream
/// ends without one.
async fn receive_reply(mut receiver: FrameReceiver) -> Result<ResponseFrame, ChannelError> {
    match receiver.receive().await {
        Ok(Some(message)) => match frame::decode(&message) {
            Ok(ServerMessage::Response(reply)) => Ok(reply),
            Ok(ServerMessage::Welcome(_)) => {
                Err(ChannelError::Lost("protocol error: a second welcome".into()))
            }
            Err(error) => Err(ChannelError::Lost(error.to_string())),
        },
        Ok(None) => std::future::pending().await,
        Err(error) => Err(ChannelError::Lost(error.to_string())),
    }
}

fn ended() -> ChannelError {
    ChannelError::Lost("the channel was closed".into())
}
