//! Requests as they arrive: the envelope is decoded first. The kind of a large request is judged
//! next, and only then the rest is decoded.
//!
//! Guards that a large request costs no more than its sender may have carried out. A small one costs
//! little, and is decoded at once: the audit log says what it was about, if it is denied. A request
//! with a part that only a newer version knows is rejected alone: the connection serves others.

use coffee_common::{
    envelope::{self, DecodeError, UnknownKind},
    frame::{self, FrameError},
    limits::READER_REQUEST_BYTES_MAX,
    protocol::{EnvelopeStart, Rejection, Request, RequestEnvelope},
    quic::CutReason,
};

use super::state::ConnectionState;
use crate::metrics::{ClientLimit, RequestKind};

/// The cost of an empty request.
const COST_MIN: usize = 4 << 10;

/// A request as it arrived.
pub(super) struct IncomingRequest {
    pub(super) envelope: RequestEnvelope,
    pub(super) kind: RequestKind,
    /// The bytes that were kept of it.
    bytes: usize,
    /// The request; if it is large, only if its sender may send requests of this kind.
    pub(super) request: Result<Request, Rejection>,
}

impl IncomingRequest {
    /// The estimated cost of decoding and admitting it, in bytes that could be copied meanwhile.
    pub(super) fn cost(&self) -> usize {
        COST_MIN + self.bytes
    }
}

/// Decodes a request. `cut` says why only its beginning was kept. One that was cut for another reason
/// has a kind that its sender may not send, or is malformed.
pub(super) fn decode(
    state: &ConnectionState,
    message: &[u8],
    cut: Option<CutReason>,
) -> Result<IncomingRequest, FrameError> {
    let (envelope, encoded) = match envelope::decode_first::<RequestEnvelope>(message) {
        Ok(decoded) => decoded,
        Err(DecodeError::Unknown(part)) => return of_newer_sender(state, message, part),
        Err(error) => return Err(error.into()),
    };
    let number = envelope::kind(encoded)?;
    let kind = RequestKind::of_number(number);
    if kind == RequestKind::Unknown {
        let request = Err(state.session.unsupported(UnknownKind { of: "Request", kind: number }));
        return Ok(IncomingRequest { envelope, kind, bytes: message.len(), request });
    }
    let is_large = cut.is_some() || message.len() >= READER_REQUEST_BYTES_MAX;
    let verdict = if is_large { state.authorize_kind(&envelope, kind) } else { Ok(()) };
    let request = match (verdict, cut) {
        (Ok(()), None) => match frame::decode(encoded) {
            Err(FrameError::Unknown(part)) => Err(state.session.unsupported(part)),
            decoded => Ok(decoded?),
        },
        (Ok(()), Some(CutReason::NoRoom)) => Err(state.session.overloaded(ClientLimit::RequestBytes)),
        (Ok(()), Some(CutReason::Late)) => Err(state.late()),
        (Err(rejection), _) => Err(rejection),
    };
    Ok(IncomingRequest { envelope, kind, bytes: message.len(), request })
}

/// Rejects a request whose envelope has a part that this build does not know, such as a new role.
fn of_newer_sender(
    state: &ConnectionState,
    message: &[u8],
    part: UnknownKind,
) -> Result<IncomingRequest, FrameError> {
    let (EnvelopeStart { id, timeout_ms }, _) = envelope::decode_first(message)?;
    let envelope = RequestEnvelope { id, timeout_ms, on_behalf_of: None, sent_from: None, cluster: None };
    let (kind, request) = (RequestKind::Unknown, Err(state.session.unsupported(part)));
    Ok(IncomingRequest { envelope, kind, bytes: message.len(), request })
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        command::{Batch, Condition, Operation},
        id::{ClientId, ClusterId, RequestId, Revision},
        key::KeyRange,
        limits::{BATCH_CONDITIONS_MAX, BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, NODES_MAX},
        protocol::Consistency,
    };

    use super::*;

    /// A sequence costs as much as it may have elements, however many a frame could hold.
    #[test]
    fn longer_sequences_and_texts_are_not_decoded() {
        let id = RequestId { client: ClientId(1), sequence: 5, after: Revision(300) };
        let write = |conditions, operations| {
            let batch = Batch {
                conditions: vec![Condition::Absent("k".parse().expect("legal")); conditions],
                operations: vec![Operation::Delete("k".parse().expect("legal")); operations],
            };
            Request::Write { request: id, batch: batch.into() }
        };
        let range = |bytes| Request::Range {
            range: KeyRange::between("k".repeat(bytes), None),
            limit: 0,
            keys_only: true,
            consistency: Consistency::Local,
            empty_pages: true,
        };
        let invite = |members| Request::Invite {
            cluster: ClusterId(9),
            members: vec!["ming:7400".parse().expect("legal"); members],
        };
        for (longest, longer) in [
            (write(BATCH_CONDITIONS_MAX, 1), write(BATCH_CONDITIONS_MAX + 1, 1)),
            (write(0, BATCH_OPERATIONS_MAX), write(0, BATCH_OPERATIONS_MAX + 1)),
            (range(KEY_BYTES_MAX + 1), range(KEY_BYTES_MAX + 2)),
            (invite(NODES_MAX), invite(NODES_MAX + 1)),
        ] {
            let decoded = |request: &Request| {
                frame::decode::<Request>(&frame::encode(request).expect("encodes")[frame::HEADER_BYTES..])
                    .is_ok()
            };
            assert_eq!((decoded(&longest), decoded(&longer)), (true, false), "{longest:?}");
        }
    }
}
