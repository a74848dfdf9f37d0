//! The body of a response, and whether its client reads it.
//!
//! Guards that what a response holds is released only once its last byte is handed to the socket, and
//! that a client that stops reading is noticed: whatever was handed over to be sent has to be taken
//! within a bounded time.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::backend::ResponseHold;

/// The most bytes that are handed over at once. Progress is seen at this grain.
const PIECE_BYTES_MAX: usize = 32 << 10;

/// Bytes of a response, with what they hold until the last of them is sent.
struct HeldBytes {
    bytes: Vec<u8>,
    _held: ResponseHold,
    _reading: Arc<ReadingState>,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether a response has bytes that its client has not taken, and since when.
#[derive(Debug)]
pub(super) struct ReadingState(Mutex<Option<Instant>>);

impl ReadingState {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn unread_for(&self) -> Duration {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// The responses of a connection that are not sent yet.
#[derive(Debug, Default)]
pub struct UnreadResponses(Mutex<Vec<Weak<ReadingState>>>);

impl UnreadResponses {
    /// Adds a response, whose head is to be read now.
    pub(super) fn begin(&self) -> Arc<ReadingState> {
        let state = Arc::new(ReadingState(Mutex::new(Some(Instant::now()))));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|state| state.strong_count() > 0);
        all.push(Arc::downgrade(&state));
        state
    }

    /// Whether all responses are sent.
    pub fn is_empty(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().all(|state| state.strong_count() == 0)
    }

    /// Returns for how long the client has taken nothing of the response that waits longest.
    pub fn longest(&self) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).map(|state| state.unread_for()).max().unwrap_or_default()
    }
}

/// The body of a response.
pub struct HttpBody {
    content: BodyContent,
    reading: Arc<ReadingState>,
}

enum BodyContent {
    Whole(Bytes),
    /// Parts as they become known, each with what it holds.
    Parts(BoxStream<'static, BodyPart>),
    /// The rest of such a part.
    Rest(Bytes, BoxStream<'static, BodyPart>),
}

/// A part of a body whose end is not known.
pub(super) struct BodyPart {
    pub(super) bytes: Vec<u8>,
    pub(super) held: ResponseHold,
}

impl HttpBody {
    /// A body that is known as a whole.
    pub(super) fn whole(reading: Arc<ReadingState>, bytes: Vec<u8>, held: ResponseHold) -> Self {
        let content = BodyContent::Whole(held_bytes(&reading, BodyPart { bytes, held }));
        Self { content, reading }
    }

    /// A body of parts that become known one after another. The next one is asked for once the client has
    /// taken the one before.
    pub(super) fn parts(reading: Arc<ReadingState>, parts: BoxStream<'static, BodyPart>) -> Self {
        Self { content: BodyContent::Parts(parts), reading }
    }
}

fn held_bytes(reading: &Arc<ReadingState>, BodyPart { bytes, held }: BodyPart) -> Bytes {
    match bytes.is_empty() {
        true => Bytes::new(),
        false => Bytes::from_owner(HeldBytes { bytes, _held: held, _reading: Arc::clone(reading) }),
    }
}

/// Takes the next piece of bytes; `None` if there is none.
fn next_piece(bytes: &mut Bytes) -> Option<Bytes> {
    let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
    (!piece.is_empty()).then_some(piece)
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        // Whatever was handed over before is taken.
        this.reading.set(None);
        loop {
            let piece = match &mut this.content {
                BodyContent::Whole(bytes) | BodyContent::Rest(bytes, _) => next_piece(bytes),
                BodyContent::Parts(parts) => match Pin::new(parts).poll_next(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) => None,
                    Poll::Ready(Some(part)) => {
                        let bytes = held_bytes(&this.reading, part);
                        let content = std::mem::replace(&mut this.content, BodyContent::Whole(Bytes::new()));
                        if let BodyContent::Parts(parts) = content {
                            this.content = BodyContent::Rest(bytes, parts);
                        }
                        continue;
                    }
                },
            };
            if piece.is_some() {
                this.reading.set(Some(Instant::now()));
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            match std::mem::replace(&mut this.content, BodyContent::Whole(Bytes::new())) {
                BodyContent::Rest(_, parts) => this.content = BodyContent::Parts(parts),
                BodyContent::Whole(_) | BodyContent::Parts(_) => {
                    // Until the last byte is sent, which drops this.
                    this.reading.set(Some(Instant::now()));
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, BodyContent::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            BodyContent::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            BodyContent::Parts(_) | BodyContent::Rest(..) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use futures_util::{StreamExt, stream};

    use super::*;

    async fn next(body: &mut Pin<&mut HttpBody>) -> Option<usize> {
        let frame = poll_fn(|context| body.as_mut().poll_frame(context)).await?.expect("infallible");
        frame.into_data().ok().map(|bytes| bytes.len())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_noticed() {
        let unread = UnreadResponses::default();
        let bytes = vec![7; 2 * PIECE_BYTES_MAX + 1];
        let body = HttpBody::whole(unread.begin(), bytes, ResponseHold::default());
        let mut body = pin!(body);
        let pass = async |seconds| tokio::time::advance(Duration::from_secs(seconds)).await;
        pass(3).await;
        assert_eq!(unread.longest().as_secs(), 3, "its head");
        assert_eq!(next(&mut body).await, Some(PIECE_BYTES_MAX));
        assert_eq!(unread.longest().as_secs(), 0);
        pass(5).await;
        assert_eq!(unread.longest().as_secs(), 5);
        assert_eq!(next(&mut body).await, Some(PIECE_BYTES_MAX));
        assert_eq!(next(&mut body).await, Some(1));
        assert_eq!(next(&mut body).await, None);
        assert_eq!(unread.longest().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_not_sent_count_after_the_end_of_the_body() {
        let unread = UnreadResponses::default();
        let mut kept = Vec::new();
        {
            let body = HttpBody::whole(unread.begin(), vec![7; 9], ResponseHold::default());
            let mut body = pin!(body);
            let frame = poll_fn(|context| body.as_mut().poll_frame(context)).await;
            kept.extend(frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok()));
        }
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(unread.longest().as_secs(), 9);
        kept.clear();
        assert_eq!(unread.longest().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_has_nothing_to_send_is_not_held_against_its_client() {
        let unread = UnreadResponses::default();
        let part = |bytes: &[u8]| BodyPart { bytes: bytes.to_vec(), held: ResponseHold::default() };
        let parts = stream::iter([part(b"one"), part(b""), part(b"two!")]).chain(stream::pending());
        let body = HttpBody::parts(unread.begin(), parts.boxed());
        let mut body = pin!(body);
        assert_eq!(next(&mut body).await, Some(3));
        assert_eq!(next(&mut body).await, Some(4));
        let waiting = tokio::time::timeout(Duration::from_secs(60), next(&mut body)).await;
        assert!(waiting.is_err());
        assert_eq!(unread.longest().as_secs(), 0);
    }
}
