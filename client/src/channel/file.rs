//! A request whose response is a file: it uses its own stream, and the file is read
//! from there as fast as the caller consumes it.

use std::{sync::atomic::Ordering, time::Duration};

use coffee_common::{
    frame,
    protocol::{Request, ResponseFrame, ServerMessage},
    quic::{FrameReceiver, Priority},
};

use super::{Channel, ChannelError, Envelope, encode};
use crate::error::NotSentReason;

impl Channel {
    /// Sends a request and waits up to `timeout` for the response. The file then
    /// arrives from the receiver while the channel is kept open.
    pub(crate) async fn ask_for_file(
        &self,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<(ResponseFrame, FrameReceiver), ChannelError> {
        let answer = self.exchange(request, envelope, timeout);
        tokio::time::timeout(timeout, answer).await.unwrap_or(Err(ChannelError::TimedOut))
    }

    async fn exchange(
        &self,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<(ResponseFrame, FrameReceiver), ChannelError> {
        let shared = self.shared();
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode(shared.version, id, request, envelope, timeout).map_err(ChannelError::NotSent)?;
        let opened = shared.connection.open(Priority::Normal).await;
        let (mut sender, mut receiver) = opened.map_err(|error| {
            ChannelError::NotSent(NotSentReason::Unreachable(shared.lost(&error.to_string())))
        })?;
        let lost = |error: &dyn std::fmt::Display| ChannelError::Lost(error.to_string());
        sender.send(frame).await.map_err(|error| lost(&error))?;
        sender.finish();
        let message = receiver.receive().await.map_err(|error| lost(&error))?;
        let message = message.ok_or_else(|| lost(&"the node closed the stream"))?;
        match frame::decode(&message) {
            Ok(ServerMessage::Response(reply)) => Ok((reply, receiver)),
            Ok(ServerMessage::Welcome(_)) => Err(lost(&"protocol error: a second welcome")),
            Err(error) => Err(lost(&error)),
        }
    }
}
