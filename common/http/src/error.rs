//! Failures as HTTP: the status, whether the request was applied, and a body with a hint.
//!
//! Guards that *not applied* and *outcome unknown* stay apart: `Coffee-Applied` says `no` or `unknown`
//! in every failure, and only 504 goes with `unknown`.

use coffee_common::{
    command::Outcome,
    id::{RequestId, Revision},
    protocol::Rejection,
    transaction::{TransactionFailure, TransactionPart},
};
use hyper::{HeaderMap, StatusCode, header};
use serde::Serialize;

use super::json;

/// The header with the id of a write.
pub(super) const REQUEST_ID: &str = "coffee-request-id";

/// Says in each failure whether the request was applied: `no` or `unknown`.
pub(super) const APPLIED: &str = "coffee-applied";

/// A failed request.
#[derive(Debug)]
pub struct HttpError {
    pub(super) status: StatusCode,
    /// The code, if it is not that of the status.
    code: Option<&'static str>,
    error: String,
    hint: String,
    /// Further headers.
    pub(super) headers: Box<HeaderMap>,
    /// The first revision that can be read, if the history does not reach back.
    floor: Option<Revision>,
    /// The id under which a write can be repeated.
    request_id: Option<String>,
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    /// For programs: a word that stays the same.
    code: &'static str,
    error: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl HttpError {
    /// A failure with this status and text. Only 504 means that the outcome is unknown.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let applied = if status == StatusCode::GATEWAY_TIMEOUT { "unknown" } else { "no" };
        let mut headers = HeaderMap::new();
        headers.insert(APPLIED, header::HeaderValue::from_static(applied));
        Self {
            status,
            code: None,
            error: error.into(),
            hint: "GET /v1/openapi.json describes all requests".to_owned(),
            headers: Box::new(headers),
            floor: None,
            request_id: None,
        }
    }

    /// A request that is malformed.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// A failure that a repetition may get over.
    pub fn later(status: StatusCode, error: impl Into<String>) -> Self {
        Self::new(status, error).header(header::RETRY_AFTER, "1")
    }

    /// A write whose outcome is unknown.
    pub fn unknown(error: impl Into<String>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, error)
            .hint("send it again; a write with this Coffee-Request-Id, so that it is applied at most once")
    }

    /// Sets the word for programs, if it is not that of the status.
    #[must_use]
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// Sets what the client can do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    pub(super) fn header(mut self, name: impl header::IntoHeaderName, value: &str) -> Self {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the same request may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        let statuses =
            [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        statuses.contains(&self.status)
    }

    /// Adds the id of a write, to repeat it.
    #[must_use]
    pub fn of_request(self, id: RequestId) -> Self {
        let id = id.to_string();
        Self { request_id: Some(id.clone()), ..self }.header(REQUEST_ID, &id)
    }

    /// The failure of a command that the cluster has decided; `None` if it was carried out.
    pub(super) fn of_outcome(outcome: &Outcome) -> Option<Self> {
        let error = match outcome {
            Outcome::ConditionFalse { actual: Some(revision), .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                format!("the key exists, last changed at revision {revision}; nothing was changed"),
            )
            .header(header::ETAG, &json::etag(*revision))
            .hint("read the key, and send If-Match with its ETag"),
            Outcome::ConditionFalse { actual: None, .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "the key does not exist; nothing was changed",
            )
            .hint("send If-None-Match: * to create it"),
            Outcome::RequestIdReused => {
                Self::new(StatusCode::CONFLICT, "this request id was already used for another write")
                    .code("request_id_reused")
                    .hint("use a new request id for a new write")
            }
            Outcome::Forgotten { upto } => Self::unknown(format!(
                "the request id is older than what the cluster remembers (up to revision {upto}): it may have \
                 been applied before"
            ))
            .hint("read the key to see; use a Coffee-Request-Id with a recent Coffee-Revision for a new write"),
            Outcome::TransactionFailed { part, why } => Self::of_transaction(*part, *why),
            Outcome::Applied { .. } | Outcome::Transacted { .. } => return None,
            other => Self::unknown(format!("the cluster answered {other}, which does not match the request")),
        };
        Some(error)
    }

    fn of_transaction(part: TransactionPart, why: TransactionFailure) -> Self {
        let part = match part {
            TransactionPart::Condition(n) => format!("condition {}", n + 1),
            TransactionPart::Then(n) => format!("step {} of then", n + 1),
            TransactionPart::Otherwise(n) => format!("step {} of else", n + 1),
        };
        let conflict = |why: &str, hint: &str| {
            Self::new(StatusCode::CONFLICT, format!("{part}: {why}; nothing was changed")).hint(hint)
        };
        match why {
            TransactionFailure::NotANumber => {
                conflict("the value is not a number in decimal", "set the key to a number first")
            }
            TransactionFailure::OutOfBounds(number) => Self::new(
                StatusCode::PRECONDITION_FAILED,
                format!(
                    "{part}: the number is {number}, and the sum would be out of bounds; nothing was changed"
                ),
            )
            .hint("min and max bound the sum"),
            TransactionFailure::TooManyKeys => conflict(
                "the range has more keys than one transaction deletes",
                "delete a smaller range in each transaction",
            ),
            TransactionFailure::ValuesTooLong => conflict(
                "the values to compare are too long together",
                "compare revisions or versions instead",
            ),
        }
    }

    /// The body.
    pub(super) fn document(&self) -> Vec<u8> {
        json::document(&ErrorDocument {
            code: self.code.unwrap_or_else(|| code(self.status)),
            error: &self.error,
            hint: &self.hint,
            floor: self.floor.map(|floor| floor.0),
            request_id: self.request_id.as_deref(),
        })
    }
}

/// Returns the code of a failure with this status.
fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "invalid",
        StatusCode::FORBIDDEN => "denied",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "too_slow",
        StatusCode::CONFLICT => "refused",
        StatusCode::GONE => "compacted",
        StatusCode::PRECONDITION_FAILED => "condition_false",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::MISDIRECTED_REQUEST => "other_cluster",
        StatusCode::TOO_MANY_REQUESTS => "overloaded",
        StatusCode::NOT_IMPLEMENTED => "unsupported",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "unknown",
    }
}

impl From<Rejection> for HttpError {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::Unavailable(_) => Self::later(StatusCode::SERVICE_UNAVAILABLE, text)
                .hint("send it again, to this node or another one"),
            Rejection::Overloaded => Self::later(StatusCode::TOO_MANY_REQUESTS, text)
                .hint("have fewer requests in flight, and send it again later"),
            Rejection::Invalid(_) => Self::bad(text),
            Rejection::Denied(_) => Self::new(StatusCode::FORBIDDEN, text)
                .hint("use a certificate with this role and these keys: 'coffeectl cert client'"),
            Rejection::NotFound(_) => Self::new(StatusCode::NOT_FOUND, text),
            Rejection::Refused { hint, .. } => Self::new(StatusCode::CONFLICT, text).hint(hint),
            Rejection::Unknown(_) | Rejection::Unreadable(_) => Self::unknown(text),
            Rejection::NoCluster { .. } => Self::later(StatusCode::SERVICE_UNAVAILABLE, text)
                .code("no_cluster")
                .hint("use another node, or bring this one into the cluster: 'coffeectl boot'"),
            Rejection::NoQuorum { .. } => Self::later(StatusCode::SERVICE_UNAVAILABLE, text)
                .code("no_quorum")
                .hint("start the other voters; reads with consistency=local work meanwhile"),
            Rejection::OtherCluster { .. } => Self::new(StatusCode::MISDIRECTED_REQUEST, text)
                .hint("send it to a node of the cluster in Coffee-Cluster, or without that header"),
            Rejection::LeftOut { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
                .code("left_out")
                .hint("use another node; 'coffeectl list' says how to bring this one back"),
            Rejection::Unsupported(_) => Self::new(StatusCode::NOT_IMPLEMENTED, text)
                .hint("upgrade all nodes, then finish the upgrade"),
            Rejection::Compacted { floor } => Self {
                floor: Some(floor),
                ..Self::new(StatusCode::GONE, text).hint("read the present state, and go on from there")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> coffee_common::id::NodeName {
        "ming".parse().expect("legal")
    }

    #[test]
    fn each_rejection_says_whether_it_was_applied() {
        let text = || "why".to_owned();
        let cluster = coffee_common::id::ClusterId(9);
        let from = "ming:7400".parse().expect("legal");
        for (rejection, status) in [
            (Rejection::Unavailable(text()), 503),
            (Rejection::Overloaded, 429),
            (Rejection::Invalid(text()), 400),
            (Rejection::Denied(text()), 403),
            (Rejection::NotFound(text()), 404),
            (Rejection::Refused { reason: text(), hint: text() }, 409),
            (Rejection::Unknown(text()), 504),
            (Rejection::NoCluster { node: name(), joining: true }, 503),
            (Rejection::OtherCluster { node: name(), cluster }, 421),
            (Rejection::LeftOut { node: name(), peers: cluster, from }, 503),
            (Rejection::NoQuorum { reached: vec![name()], voters: 3 }, 503),
            (Rejection::Unsupported(text()), 501),
            (Rejection::Unreadable(text()), 504),
            (Rejection::Compacted { floor: Revision(7) }, 410),
        ] {
            let is_not_applied = rejection.is_not_applied();
            let error = HttpError::from(rejection.clone());
            assert_eq!(error.status.as_u16(), status, "{rejection:?}");
            let applied = error.headers.get(APPLIED).expect("it says so");
            assert_eq!(applied == "no", is_not_applied, "{rejection:?}");
            let body: serde_json::Value = serde_json::from_slice(&error.document()).expect("JSON");
            assert!(body["error"].is_string() && !body["hint"].as_str().expect("a hint").is_empty());
        }
    }

    #[test]
    fn an_outcome_that_changed_nothing_is_a_failure() {
        let failed = |part, why| Outcome::TransactionFailed { part, why };
        for (outcome, status) in [
            (Outcome::ConditionFalse { condition: 0, actual: Some(Revision(7)) }, 412),
            (Outcome::ConditionFalse { condition: 0, actual: None }, 412),
            (Outcome::RequestIdReused, 409),
            (Outcome::Forgotten { upto: Revision(7) }, 504),
            (failed(TransactionPart::Then(0), TransactionFailure::OutOfBounds(3)), 412),
            (failed(TransactionPart::Then(0), TransactionFailure::NotANumber), 409),
        ] {
            let error = HttpError::of_outcome(&outcome).expect("a failure");
            assert_eq!(error.status.as_u16(), status, "{outcome:?}");
        }
        let applied = Outcome::Applied { revision: Revision(7), effects: Vec::new() };
        assert!(HttpError::of_outcome(&applied).is_none());
    }
}
