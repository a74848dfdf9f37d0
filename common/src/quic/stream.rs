//! The two ends of a stream: frames go in at one and come out at the other.

use std::sync::Arc;

use bytes::Bytes;
use quinn::VarInt;

use super::{Priority, connection::Live, error::StreamError};
use crate::frame::Deframer;

/// The code with which streams are broken off; nobody reads a meaning into it.
const BROKEN_OFF: VarInt = VarInt::from_u32(0);

/// How many pieces are taken out of a stream at once.
const CHUNKS: usize = 16;

/// Sends frames on one stream.
///
/// Dropped between two frames, it ends the stream as [`FrameSender::finish`]
/// does; dropped in the middle of one, it breaks the stream off. So the end of
/// a stream does not say that all was said: where that matters, a message has to.
#[derive(Debug)]
pub struct FrameSender {
    stream: quinn::SendStream,
    /// Kept with the stream, so that it is found as long as it lives.
    _connection: Option<Arc<Live>>,
    state: SendState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendState {
    /// Between two frames.
    Whole,
    /// A call was dropped while it sent: nobody knows how much of it went out.
    Torn,
    /// Finished or reset.
    Ended,
}

impl FrameSender {
    pub(super) fn new(stream: quinn::SendStream, connection: Option<Arc<Live>>) -> Self {
        Self { stream, _connection: connection, state: SendState::Whole }
    }

    /// Sends one encoded frame (see [`crate::frame::encode`]). Returns when
    /// it is queued, not when it has arrived; waits while the other side does
    /// not keep up.
    ///
    /// Not to be cancelled: a stream on which that happened is closed.
    pub async fn send(&mut self, frame: Bytes) -> Result<(), StreamError> {
        self.send_all(&mut [frame]).await
    }

    /// Sends several frames, cheaper than one by one. Leaves empty `Bytes` behind.
    ///
    /// Not to be cancelled: a stream on which that happened is closed.
    pub async fn send_all(&mut self, frames: &mut [Bytes]) -> Result<(), StreamError> {
        if self.state != SendState::Whole {
            return Err(StreamError::Closed);
        }
        self.state = SendState::Torn;
        self.stream.write_all_chunks(frames).await?;
        self.state = SendState::Whole;
        Ok(())
    }

    /// Ends the stream behind what was sent.
    pub fn finish(&mut self) {
        if self.state == SendState::Whole {
            self.state = SendState::Ended;
            // Fails only if the stream has ended already.
            let _ = self.stream.finish();
        }
    }

    /// Ends the stream, and waits until the other side has received all of it.
    pub async fn finish_and_wait(&mut self) -> Result<(), StreamError> {
        self.finish();
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StreamError::Stopped),
            Err(quinn::StoppedError::ConnectionLost(lost)) => Err(lost.into()),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(StreamError::Closed),
        }
    }

    /// Breaks the stream off: what has not gone out yet is dropped.
    pub fn reset(&mut self) {
        self.state = SendState::Ended;
        // Fails only if the stream has ended already.
        let _ = self.stream.reset(BROKEN_OFF);
    }

    /// Changes when it goes, compared with other streams of the connection.
    pub fn set_priority(&mut self, priority: Priority) {
        // Fails only if the stream has ended already.
        let _ = self.stream.set_priority(priority.level());
    }
}

impl Drop for FrameSender {
    fn drop(&mut self) {
        match self.state {
            SendState::Whole => self.finish(),
            SendState::Torn => self.reset(),
            SendState::Ended => {}
        }
    }
}

/// Receives frames from one stream.
///
/// Dropped, it tells the other side that nobody reads any more.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: quinn::RecvStream,
    /// As with [`FrameSender`].
    _connection: Option<Arc<Live>>,
    deframer: Deframer,
}

impl FrameReceiver {
    pub(super) fn new(stream: quinn::RecvStream, connection: Option<Arc<Live>>) -> Self {
        Self { stream, _connection: connection, deframer: Deframer::default() }
    }

    /// The next message: a frame without its header, for
    /// [`crate::frame::decode`]. `None` where the stream ends behind a whole
    /// frame.
    ///
    /// May be cancelled: nothing is lost, the next call goes on.
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

    /// The next message if it has come already; `None` where
    /// [`FrameReceiver::receive`] would have to wait. Lets a reader take all
    /// that came at once, and answer it at once.
    pub fn ready(&mut self) -> Result<Option<Bytes>, StreamError> {
        Ok(self.deframer.next_message()?)
    }

    /// Tells the other side that nothing more will be read.
    pub fn stop(&mut self) {
        // Fails only if the stream has ended already.
        let _ = self.stream.stop(BROKEN_OFF);
    }
}
