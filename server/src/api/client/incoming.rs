//! Requests as they arrive: the envelope is decoded first. The kind of a large request is judged
//! next, and only then the rest is decoded.
//!
//! Guards that a large request costs no more than its sender may have carried out. A small one costs
//! little, and is decoded at once: the audit log says what it was about, if it is denied.

use coffee_common::{
    frame::{self, FrameError},
    limits::READER_REQUEST_BYTES_MAX,
    protocol::{Rejection, Request, RequestHead},
};

use super::state::ConnectionState;
use crate::metrics::RequestKind;

/// A request as it arrived.
pub(super) struct IncomingRequest {
    pub(super) head: RequestHead,
    pub(super) kind: RequestKind,
    /// The request; if it is large, only if its sender may send requests of this kind.
    pub(super) request: Result<Request, Rejection>,
}

/// Decodes a request. One that was cut has a kind that its sender may not send, or is malformed.
pub(super) fn decode(state: &ConnectionState, message: &[u8]) -> Result<IncomingRequest, FrameError> {
    let (head, encoded): (RequestHead, _) = frame::decode_first(message)?;
    let Some(kind) = RequestKind::of_encoded(encoded) else { return Err(FrameError::Unknown) };
    let is_large = message.len() >= READER_REQUEST_BYTES_MAX;
    let verdict = if is_large { state.authorize_kind(&head, kind) } else { Ok(()) };
    let request = match verdict {
        Ok(()) => Ok(frame::decode(encoded)?),
        Err(rejection) => Err(rejection),
    };
    Ok(IncomingRequest { head, kind, request })
}
