//! Errors of the client library as failures of the HTTP API.
//!
//! Guards that the status and `Coffee-Applied` say the same as at a node: what was certainly not applied is
//! never reported as unknown, nor the other way round.

use coffee_client::{Error, OutcomeKind};
use coffee_common::protocol::Rejection;
use coffee_http::HttpError;
use hyper::StatusCode;

/// Returns the failure that a node would answer with.
pub(super) fn http_error(error: Error) -> HttpError {
    let text = error.to_string();
    match error {
        Error::Invalid(_) | Error::RequestIdReused => Rejection::Invalid(text).into(),
        Error::NotFound(why) => Rejection::NotFound(why).into(),
        Error::Denied(why) => Rejection::Denied(why).into(),
        Error::Refused { reason, hint } => Rejection::Refused { reason, hint: hint.replace('`', "'") }.into(),
        Error::Unsupported(why) => Rejection::Unsupported(why).into(),
        Error::Compacted { floor } => Rejection::Compacted { floor }.into(),
        Error::Unknown { .. } => HttpError::unknown(text),
        Error::NoQuorum(_) => HttpError::later(StatusCode::SERVICE_UNAVAILABLE, text)
            .code("no_quorum")
            .hint("start the other voters; reads with consistency=local work meanwhile"),
        Error::OtherCluster(_) => HttpError::new(StatusCode::MISDIRECTED_REQUEST, text)
            .hint("start the proxy with endpoints of its cluster, or without --cluster"),
        Error::Identity(_) => HttpError::new(StatusCode::BAD_GATEWAY, text)
            .code("identity")
            .hint("start the proxy with a certificate of the cluster's CA: 'coffeectl cert list'"),
        error if error.outcome() == OutcomeKind::Unknown => HttpError::unknown(text),
        // `Unavailable`, `Closed`, and what this version does not know: not applied.
        _ => HttpError::later(StatusCode::SERVICE_UNAVAILABLE, text)
            .hint("send it again later; 'coffeectl list' shows which nodes are in reach"),
    }
}

#[cfg(test)]
mod tests {
    use coffee_client::Revision;

    use super::*;

    #[test]
    fn each_error_has_the_status_of_the_nodes() {
        let text = || "why".to_owned();
        for (error, status) in [
            (Error::Invalid(text()), 400),
            (Error::Denied(text()), 403),
            (Error::NotFound(text()), 404),
            (Error::Refused { reason: text(), hint: text() }, 409),
            (Error::Compacted { floor: Revision(7) }, 410),
            (Error::OtherCluster(text()), 421),
            (Error::Unsupported(text()), 501),
            (Error::Identity(text()), 502),
            (Error::Unavailable(text()), 503),
            (Error::NoQuorum(text()), 503),
            (Error::Closed, 503),
            (Error::Unknown { reason: text(), request: None }, 504),
        ] {
            let is_unknown = error.outcome() == OutcomeKind::Unknown;
            let failure = http_error(error.clone());
            assert_eq!(failure.status().as_u16(), status, "{error:?}");
            // The status is what decides about Coffee-Applied.
            assert_eq!(is_unknown, status == 504, "{error:?}");
        }
    }
}
