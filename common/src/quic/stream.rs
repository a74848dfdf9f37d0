//! The two ends of a stream of frames.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use quinn::VarInt;
use tokio::{
    task::coop::consume_budget,
    time::{Instant, timeout_at},
};

use super::{Priority, error::StreamError, registry::Live};
use crate::{
    budget::{ByteCharge, ByteShare},
    frame::Deframer,
};

/// The error code of aborted streams. It has no meaning.
const STREAM_ABORTED: VarInt = VarInt::from_u32(0);

/// The most chunks that are read from a stream at once.
const CHUNKS: usize = 16;

/// The largest incomplete frame that is not charged to a share, in bytes: small requests are bounded
/// by the number of streams.
const UNCHARGED_BYTES_MAX: usize = 4 << 10;

/// The bytes that are kept of a message for which a share has no room, or which arrives too slowly:
/// enough for its envelope.
const CUT_BYTES: usize = 1 << 10;

/// Why only the beginning of a message was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutReason {
    /// The share had no room for it.
    NoRoom,
    /// It was not complete in time.
    Late,
}

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

    /// Like [`FrameSender::send_all`], while the peer keeps up: it has to make room for each frame
    /// within `within` of the one before.
    ///
    /// Not cancel-safe: cancelling closes the stream.
    ///
    /// # Errors
    /// The stream or its connection has ended, or the peer did not make room in time.
    pub async fn send_all_moving(
        &mut self,
        mut frames: &mut [Bytes],
        within: Duration,
    ) -> Result<(), StreamError> {
        if self.state != SendState::AtBoundary {
            return Err(StreamError::Closed);
        }
        self.state = SendState::Partial;
        let mut deadline = Instant::now() + within;
        while !frames.is_empty() {
            let write = timeout_at(deadline, self.stream.write_chunks(frames)).await;
            let written = write.map_err(|_| StreamError::Late)??;
            if written.chunks > 0 {
                deadline = Instant::now() + within;
                frames = &mut frames[written.chunks..];
            }
        }
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
    bounds: Option<Box<FrameBounds>>,
    last_cut: Option<CutReason>,
}

/// The bounds of the frames of a stream.
#[derive(Debug)]
struct FrameBounds {
    kept_max: usize,
    complete_within: Duration,
    /// `None` for a peer that may make this node hold any frame.
    share: Option<ByteShare>,
    /// The frame that is not complete yet.
    incomplete: Option<IncompleteFrame>,
}

#[derive(Debug)]
struct IncompleteFrame {
    deadline: Instant,
    charge: Option<ByteCharge>,
    cut: Option<CutReason>,
}

impl FrameReceiver {
    pub(super) fn new(stream: quinn::RecvStream, connection: Option<Arc<Live>>) -> Self {
        let deframer = Deframer::default();
        Self { stream, _connection: connection, deframer, bounds: None, last_cut: None }
    }

    /// Bounds what later frames cost. Of a message, the first `kept_max` bytes are kept, and the rest
    /// is skipped as it arrives. An incomplete frame is charged to the share, and has to be complete
    /// within `complete_within` of its beginning. If the share has no room, or the frame is late, the
    /// message is cut to its first 1 KiB (see [`FrameReceiver::last_cut`]). The rest is skipped, and has
    /// as long again to arrive.
    pub fn bound(&mut self, kept_max: usize, share: ByteShare, complete_within: Duration) {
        self.set_bounds(kept_max, Some(share), complete_within);
    }

    /// Like [`FrameReceiver::bound`] for a peer whose frames are not charged. A late one is an error.
    pub fn limit(&mut self, kept_max: usize, complete_within: Duration) {
        self.set_bounds(kept_max, None, complete_within);
    }

    /// Charges later frames to another share.
    pub fn charge_to(&mut self, share: ByteShare) {
        if let Some(bounds) = &mut self.bounds {
            bounds.share = Some(share);
        }
    }

    fn set_bounds(&mut self, kept_max: usize, share: Option<ByteShare>, complete_within: Duration) {
        self.deframer.set_kept_max(kept_max);
        self.bounds = Some(Box::new(FrameBounds { kept_max, complete_within, share, incomplete: None }));
    }

    /// Returns why the last message was cut to its first 1 KiB; `None` if it was not.
    pub fn last_cut(&self) -> Option<CutReason> {
        self.last_cut
    }

    /// Returns the next message: a frame without its header, for [`crate::frame::decode`]. `None`
    /// means that the stream ended after a complete frame.
    ///
    /// Cancel-safe: no data is lost.
    ///
    /// # Errors
    /// The peer aborted the stream, the connection has ended, the bytes are not a valid frame, or it
    /// was not complete in time.
    pub async fn receive(&mut self) -> Result<Option<Bytes>, StreamError> {
        loop {
            // Yields: a peer that sends without a pause would keep this loop busy.
            consume_budget().await;
            if let Some(message) = self.ready()? {
                return Ok(Some(message));
            }
            let (deadline, is_cut_now) = self.charge_incomplete();
            if is_cut_now {
                continue;
            }
            let mut chunks = [const { Bytes::new() }; CHUNKS];
            let read = self.stream.read_chunks(&mut chunks);
            let read = match deadline {
                Some(deadline) => match timeout_at(deadline, read).await {
                    Ok(read) => read,
                    Err(_) if self.cut_late() => continue,
                    Err(_) => return Err(StreamError::Late),
                },
                None => read.await,
            };
            let Some(count) = read? else {
                let whole = self.deframer.is_at_boundary();
                return if whole { Ok(None) } else { Err(StreamError::Truncated) };
            };
            for chunk in &chunks[..count] {
                self.deframer.push(chunk);
            }
        }
    }

    /// Returns the first message of the other side. It has a version that every version of coffeed can
    /// read, whatever both speak afterwards.
    ///
    /// # Errors
    /// As [`FrameReceiver::receive`].
    pub async fn receive_first(&mut self) -> Result<Option<Bytes>, StreamError> {
        self.deframer.set_first(true);
        let first = self.receive().await;
        self.deframer.set_first(false);
        first
    }

    /// Returns the version of the last message.
    pub fn version(&self) -> u8 {
        self.deframer.version()
    }

    /// Returns the next message if it has arrived; `None` if [`FrameReceiver::receive`] would wait.
    /// A reader can process everything that arrived together.
    ///
    /// # Errors
    /// The bytes are not a valid frame.
    pub fn ready(&mut self) -> Result<Option<Bytes>, StreamError> {
        let message = self.deframer.next_message()?;
        if let (Some(_), Some(bounds)) = (&message, &mut self.bounds) {
            let incomplete = bounds.incomplete.take();
            self.last_cut = incomplete.and_then(|frame| frame.cut);
            if self.last_cut.is_some() {
                self.deframer.set_kept_max(bounds.kept_max);
            }
        }
        Ok(message)
    }

    /// Charges an incomplete frame once its length is known. Returns when it has to be complete, and
    /// whether it is cut from now on.
    fn charge_incomplete(&mut self) -> (Option<Instant>, bool) {
        let Some(bounds) = &mut self.bounds else { return (None, false) };
        if self.deframer.is_at_boundary() {
            return (None, false);
        }
        let frame = bounds.incomplete.get_or_insert_with(|| IncompleteFrame {
            deadline: Instant::now() + bounds.complete_within,
            charge: None,
            cut: None,
        });
        let expected = self.deframer.expected();
        let is_free = expected <= UNCHARGED_BYTES_MAX || frame.cut.is_some() || frame.charge.is_some();
        let mut is_cut_now = false;
        if let Some(share) = bounds.share.as_ref().filter(|_| !is_free) {
            frame.charge = share.take(expected);
            is_cut_now = frame.charge.is_none();
        }
        if is_cut_now {
            frame.cut = Some(CutReason::NoRoom);
            self.deframer.set_kept_max(CUT_BYTES);
        }
        (Some(frame.deadline), is_cut_now)
    }

    /// Cuts an incomplete frame that is late, if enough of it is there. Returns whether it was cut.
    fn cut_late(&mut self) -> bool {
        let Some(bounds) = self.bounds.as_mut().filter(|bounds| bounds.share.is_some()) else { return false };
        let Some(frame) = &mut bounds.incomplete else { return false };
        let is_cut = frame.cut.is_none() && self.deframer.has_begun_with(CUT_BYTES);
        if is_cut {
            frame.cut = Some(CutReason::Late);
            self.deframer.set_kept_max(CUT_BYTES);
        }
        is_cut
    }

    /// Tells the peer that nothing more will be read.
    pub fn stop(&mut self) {
        // Fails only if the stream has ended already.
        let _ = self.stream.stop(STREAM_ABORTED);
    }
}
