//! Receives the body of a request.
//!
//! Guards that a body is bounded in length and time, and charged to the share of its client before it
//! is in memory.

use std::{future::poll_fn, pin::pin, time::Duration};

use coffee_common::{budget::ByteCharge, limits::REQUEST_COMPLETE_WITHIN_S};
use hyper::{
    StatusCode,
    body::{Body, Bytes, Incoming},
};
use tokio::time::timeout;

use super::{backend::Backend, error::HttpError};

/// The time limit of a body.
const COMPLETE_WITHIN: Duration = Duration::from_secs(REQUEST_COMPLETE_WITHIN_S);

/// Bytes that are charged at least, for a body whose length is not known.
const CHARGE_BYTES_MIN: usize = 64 << 10;

/// A body as it was received.
pub(super) struct ReceivedBody {
    pub(super) bytes: Vec<u8>,
    /// Held until the request is carried out.
    _charges: Vec<ByteCharge>,
}

/// Receives a body of up to `max` bytes.
///
/// # Errors
/// It is longer, arrives too slowly, or the client has too much on its way.
pub(super) async fn receive(
    backend: &dyn Backend,
    body: Incoming,
    max: usize,
) -> Result<ReceivedBody, HttpError> {
    match timeout(COMPLETE_WITHIN, receive_all(backend, body, max)).await {
        Ok(received) => received,
        Err(_) => {
            backend.note_slow_body();
            let within = COMPLETE_WITHIN.as_secs();
            Err(HttpError::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {within} s: the link is too slow"),
            )
            .hint("send less at once"))
        }
    }
}

async fn receive_all(backend: &dyn Backend, body: Incoming, max: usize) -> Result<ReceivedBody, HttpError> {
    let too_long = || {
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {max} bytes"))
            .hint("nothing was done; store large data elsewhere and its location here")
    };
    let announced = body.size_hint().exact();
    if announced.is_some_and(|bytes| bytes > max as u64) {
        return Err(too_long());
    }
    let charge = |bytes| backend.charge_body(bytes);
    let first = announced.map_or(CHARGE_BYTES_MIN, |bytes| bytes as usize);
    let (mut charged, mut charges) = (first, vec![charge(first)?]);
    let mut bytes = Vec::with_capacity(first);
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|error| HttpError::bad(format!("the body is not complete: {error}")))?;
        // Trailers are not used.
        let Ok(piece): Result<Bytes, _> = frame.into_data() else { continue };
        if bytes.len() + piece.len() > max {
            return Err(too_long());
        }
        if bytes.len() + piece.len() > charged {
            // As much as the vector grows by.
            let more = charged.max(piece.len());
            charges.push(charge(more)?);
            charged += more;
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(ReceivedBody { bytes, _charges: charges })
}
