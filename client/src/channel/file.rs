//! An ask whose answer is a file: on a stream of its own, from which the rest
//! is read as fast as the sender takes it.

use std::{sync::atomic::Ordering, time::Duration};

use coffee_common::{
    frame,
    protocol::{Request, ResponseFrame, ServerMessage},
    quic::{FrameReceiver, Priority},
};

use super::{Channel, ChannelError, encode};
use crate::error::NotSentReason;

impl Channel {
    /// Asks, and waits for the answer for at most `timeout`. What follows the
    /// answer comes out of the receiver, for as long as the channel is kept.
    pub(crate) async fn ask_for_file(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> Result<(ResponseFrame, FrameReceiver), ChannelError> {
        let answer = self.exchange(request, timeout);
        tokio::time::timeout(timeout, answer).await.unwrap_or(Err(ChannelError::TimedOut))
    }

    async fn exchange(
        &self,
        request: &Request,
        timeout: Duration,
    ) -> Result<(ResponseFrame, FrameReceiver), ChannelError> {
        let shared = self.shared();
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode(id, request, None, timeout).map_err(ChannelError::NotSent)?;
        let opened = shared.connection.open(Priority::Normal).await;
        let (mut sender, mut receiver) = opened.map_err(|error| {
            ChannelError::NotSent(NotSentReason::Unreachable(shared.lost(&error.to_string())))
        })?;
        let lost = |error: &dyn std::fmt::Display| ChannelError::Lost(error.to_string());
        sender.send(frame).await.map_err(|error| lost(&error))?;
        sender.finish();
        let message = receiver.receive().await.map_err(|error| lost(&error))?;
        let message = message.ok_or_else(|| lost(&"the node ended the stream"))?;
        match frame::decode(&message) {
            Ok(ServerMessage::Response(reply)) => Ok((reply, receiver)),
            Ok(ServerMessage::Welcome(_)) => Err(lost(&"a second welcome")),
            Err(error) => Err(lost(&error)),
        }
    }
}
