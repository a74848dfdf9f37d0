//! The two ends of a stream of frames.

use std::sync::Arc;

use bytes::Bytes;
use quinn::VarInt;

use super::{Priority, error::StreamError, registry::Live};
use crate::frame::Deframer;

/// The error code of aborted streams. It has no meaning.
const STREAM_ABORTED: VarInt = VarInt::from_u32(0);

/// The most chunks that are read from a stream at once.
const CHUNKS: usize = 16;

/// Sends frames on a stream.
///
/// Dropped between two frames, it ends the stream like [`FrameSender::finish`]; dropped in the
/// middle of one, it resets the stream. The end of a stream therefore does not mean that the sender
/// was done: where that matters, a message must say so.
#[derive(Debug)]
pub struct FrameSender {
    stream: quinn::SendStream,
    /// Keeps the connection registered while the stream lives.
    _connection: Option<Arc<Live>>,
    state: SendState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendState {
    /// Between two frames.
    AtBoundary,
    /// A send was cancelled: part of a frame may have been sent.
    Partial,
    /// Finished or reset.
    Ended,
}

impl FrameSender {
    pub(super) fn new(stream: quinn::SendStream, connection: Option<Arc<Live>>) -> Self {
        Self { stream, _connection: connection, state: SendState::AtBoundary }
    }

    /// Sends an encoded frame (see [`crate::frame::encode`]). Returns when it is queued, not when
    /// it has arrived; waits while the peer does not keep up.
    ///
    /// Not cancel-safe: cancelling closes the stream.
    ///
    /// # Errors
    /// The stream or its connection has ended.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), StreamError> {
        self.send_all(&mut [frame]).await
    }

    /// Sends several frames, which is cheaper than one by one. Leaves the slice with empty `Bytes`.
    ///
    /// Not cancel-safe: cancelling closes the stream.
    ///
    /// # Errors
    /// The stream or its connection has ended.
    pub async fn send_all(&mut self, frames: &mut [Bytes]) -> Result<(), StreamError> {
        if self.state != SendState::AtBoundary {
            return Err(StreamError::Closed);
        }
        self.state = SendState::Partial;
        self.stream.write_all_chunks(frames).await?;
        self.state = SendState::AtBoundary;
        Ok(())
    }

    /// Ends the stream after the frames sent so far.
    pub fn finish(&mut self) {
        if self.state == SendState::AtBoundary {
            self.state = SendState::Ended;
            // Fails only if the stream has ended already.
            let _ = self.stream.finish();
        }
    }

    /// Ends the stream, and waits until the peer has received all of it.
    ///
    /// # Errors
    /// The peer stopped reading, or the connection has ended.
    pub async fn finish_and_wait(&mut self) -> Result<(), StreamError> {
        self.finish();
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StreamError::Stopped),
            Err(quinn::StoppedError::ConnectionLost(lost)) => Err(lost.into()),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(StreamError::Closed),
        }
    }

    /// Resolves when the peer does not read this stream any more: it gave up, it has received all
    /// of a finished stream, or the connection has ended. Does not borrow the sender.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let stopped = self.stream.stopped();
        async move { drop(stopped.await) }
    }

    /// Aborts the stream: unsent data is dropped.
    pub fn reset(&mut self) {
        self.state = SendState::Ended;
        // Fails only if the stream has ended already.
        let _ = self.stream.reset(STREAM_ABORTED);
    }

    /// Sets the priority of the stream among those of its connection.
    pub fn set_priority(&mut self, priority: Priority) {
        // Fails only if the stream has ended already.
        let _ = self.stream.set_priority(priority.level());
    }
}

impl Drop for FrameSender {
    fn drop(&mut self) {
        match self.state {
            SendState::AtBoundary => self.finish(),
            SendState::Partial => self.reset(),
            SendState::Ended => {}
        }
    }
}

/// Receives frames from a stream.
///
/// Dropped, it tells the peer to stop sending.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: quinn::RecvStream,
    /// As in [`FrameSender`].
    _connection: Option<Arc<Live>>,
    deframer: Deframer,
}

impl FrameReceiver {
    pub(super) fn new(stream: quinn::RecvStream, connection: Option<Arc<Live>>) -> Self {
        Self { stream, _connection: connection, deframer: Deframer::default() }
    }

    /// Cuts later messages to their first `kept_max` bytes; the rest is skipped as it arrives.
    pub fn set_kept_max(&mut self, kept_max: usize) {
        self.deframer.set_kept_max(kept_max);
    }

    /// Returns the next message: a frame without its header, for [`crate::frame::decode`]. `None`
    /// means that the stream ended after a complete frame.
    ///
    /// Cancel-safe: no data is lost.
    ///
    /// # Errors
    /// The peer aborted the stream, the connection has ended, or the bytes are not a valid frame.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, StreamError> {
        loop {
            if let Some(message) = self.deframer.next_message()? {
                return Ok(Some(message));
            }
            let mut chunks = [const { Bytes::new() }; CHUNKS];
            let Some(count) = self.stream.read_chunks(&mut chunks).await? else {
                let whole = self.deframer.is_at_boundary();
                return if whole { Ok(None) } else { Err(StreamError::Truncated) };
            };
            for chunk in &chunks[..count] {
                self.deframer.push(chunk);
            }
        }
    }

    /// Returns the next message if it has arrived; `None` if [`FrameReceiver::receive`] would wait.
    /// A reader can process everything that arrived together.
    ///
    /// # Errors
    /// The bytes are not a valid frame.
    pub fn ready(&mut self) -> Result<Option<Bytes>, StreamError> {
        Ok(self.deframer.next_message()?)
    }

    /// Tells the peer that nothing more will be read.
    pub fn stop(&mut self) {
        // Fails only if the stream has ended already.
        let _ = self.stream.stop(STREAM_ABORTED);
    }
}
