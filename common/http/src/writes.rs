//! Writes: set, delete, add.

use coffee_common::{
    command::{Batch, Condition, Effect, Operation, Outcome},
    id::{RequestId, Revision},
    key::{Key, Value},
    protocol::Response,
    transaction::{Step, StepEffect, Transaction},
};
use hyper::{HeaderMap, StatusCode, header};
use serde::Serialize;

use super::{
    backend::{BackendAnswer, Change, ResponseHold},
    error::{HttpError, REQUEST_ID},
    exchange::{Exchange, HttpReply, REVISION, mismatch, text_header},
    json::{self, KeyJson},
    request_body::ReceivedBody,
};

#[derive(Serialize)]
struct WriteDocument {
    #[serde(flatten)]
    key: KeyJson,
    /// Whether anything is different now.
    changed: bool,
    revision: u64,
    /// The revision of the key before; `null` if it did not exist.
    previous: Option<u64>,
    request_id: String,
}

#[derive(Serialize)]
struct CounterDocument {
    #[serde(flatten)]
    key: KeyJson,
    number: i64,
    revision: u64,
    request_id: String,
}

/// A write that took effect.
pub(super) struct AppliedWrite {
    pub(super) outcome: Outcome,
    /// With the reads of a transaction.
    pub(super) response: Response,
    pub(super) request_id: RequestId,
    pub(super) held: ResponseHold,
}

/// Has a write carried out. Each failure names its request id.
pub(super) async fn write(
    exchange: &Exchange,
    id: Option<RequestId>,
    change: Change,
) -> Result<AppliedWrite, HttpError> {
    let (request_id, BackendAnswer { response, held }) = exchange.write(id, change).await?;
    let outcome = match &response {
        Response::Written(outcome) | Response::Transacted { outcome, .. } => outcome.clone(),
        _ => return Err(mismatch().of_request(request_id)),
    };
    match HttpError::of_outcome(&outcome) {
        Some(error) => Err(error.of_request(request_id)),
        None => Ok(AppliedWrite { outcome, response, request_id, held }),
    }
}

/// `PUT /v1/kv/KEY`: the body is the value.
pub(super) async fn put(
    mut exchange: Exchange,
    key: Key,
    body: ReceivedBody,
) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    let condition = condition(&exchange.headers, &key)?;
    let value = Value::new(body.bytes).map_err(|error| HttpError::bad(error.to_string()))?;
    change(&exchange, &key, Operation::Set(key.clone(), value), condition).await
}

/// `DELETE /v1/kv/KEY`.
pub(super) async fn delete(mut exchange: Exchange, key: Key) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    let condition = condition(&exchange.headers, &key)?;
    change(&exchange, &key, Operation::Delete(key.clone()), condition).await
}

async fn change(
    exchange: &Exchange,
    key: &Key,
    operation: Operation,
    condition: Option<Condition>,
) -> Result<HttpReply, HttpError> {
    let is_set = matches!(operation, Operation::Set(..));
    let id = exchange.request_id()?;
    let batch = Batch { conditions: condition.into_iter().collect(), operations: vec![operation] };
    let written = write(exchange, id, Change::Batch(batch)).await?;
    let Outcome::Applied { revision, effects } = written.outcome else { return Err(mismatch()) };
    let [Effect { previous }] = effects[..] else { return Err(mismatch()) };
    let document = WriteDocument {
        key: key.into(),
        changed: is_set || previous.is_some(),
        revision: revision.0,
        previous: previous.map(|revision| revision.0),
        request_id: written.request_id.to_string(),
    };
    let mut reply = of_write(&document.request_id, revision, json::document(&document), written.held);
    if is_set {
        reply = reply.header(header::ETAG, &json::etag(revision));
        if previous.is_none() {
            reply.status = StatusCode::CREATED;
        }
    }
    Ok(reply)
}

/// `POST /v1/incr/KEY`: adds to the number that the key has as its value.
pub(super) async fn increment(mut exchange: Exchange, key: Key) -> Result<HttpReply, HttpError> {
    const NUMBER: &str = "a number from -2^63 to 2^63-1";
    let by = exchange.query.parsed("by", NUMBER)?.unwrap_or(1);
    let min = exchange.query.parsed("min", NUMBER)?.unwrap_or(i64::MIN);
    let max = exchange.query.parsed("max", NUMBER)?.unwrap_or(i64::MAX);
    exchange.finish_query()?;
    let step = Step::Add { key: key.clone(), by, min, max };
    let transaction = Transaction { then: vec![step], ..Transaction::default() };
    let id = exchange.request_id()?;
    let written = write(&exchange, id, Change::Transaction(transaction)).await?;
    let Outcome::Transacted { revision, effects, .. } = written.outcome else { return Err(mismatch()) };
    let [StepEffect::Added { sum, .. }] = effects[..] else { return Err(mismatch()) };
    let document = CounterDocument {
        key: (&key).into(),
        number: sum,
        revision: revision.0,
        request_id: written.request_id.to_string(),
    };
    Ok(of_write(&document.request_id, revision, json::document(&document), written.held))
}

/// The response to a write.
pub(super) fn of_write(
    request_id: &str,
    revision: Revision,
    document: Vec<u8>,
    held: ResponseHold,
) -> HttpReply {
    HttpReply::json(document)
        .header(REVISION, &revision.to_string())
        .header(REQUEST_ID, request_id)
        .holding(held)
}

/// Returns the condition on a key that the headers set (RFC 9110, section 13.1).
fn condition(headers: &HeaderMap, key: &Key) -> Result<Option<Condition>, HttpError> {
    let if_match = text_header(headers, header::IF_MATCH.as_str())?;
    let if_none_match = text_header(headers, header::IF_NONE_MATCH.as_str())?;
    match (if_match, if_none_match) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(Condition::Absent(key.clone()))),
        (Some("*"), None) => Ok(Some(Condition::Present(key.clone()))),
        (Some(tag), None) => {
            let revision = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let revision = revision.and_then(|revision| revision.parse().ok());
            let revision = revision.ok_or_else(|| {
                HttpError::bad("If-Match is not an ETag of this API")
                    .hint("send it in quotes: If-Match: \"17\"")
            })?;
            Ok(Some(Condition::RevisionIs(key.clone(), Revision(revision))))
        }
        _ => {
            Err(HttpError::bad("only If-Match: \"REVISION\", If-Match: * and If-None-Match: * are possible")
                .hint("use POST /v1/txn for other conditions"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_those_of_http() {
        let key = Key::new("k").expect("legal");
        let of = |headers: &[(header::HeaderName, &'static str)]| {
            let headers = headers.iter().cloned();
            let headers = headers.map(|(name, value)| (name, header::HeaderValue::from_static(value)));
            condition(&headers.collect(), &key).map_err(|error| error.status.as_u16())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[(header::IF_NONE_MATCH, "*")]), Ok(Some(Condition::Absent(key.clone()))));
        assert_eq!(of(&[(header::IF_MATCH, "*")]), Ok(Some(Condition::Present(key.clone()))));
        let revision = Condition::RevisionIs(key.clone(), Revision(17));
        assert_eq!(of(&[(header::IF_MATCH, "\"17\"")]), Ok(Some(revision)));
        for bad in ["17", "W/\"17\"", "\"x\"", "\"1\", \"2\"", "\"-1\""] {
            assert_eq!(of(&[(header::IF_MATCH, bad)]), Err(400), "{bad}");
        }
        assert_eq!(of(&[(header::IF_NONE_MATCH, "\"17\"")]), Err(400));
        assert_eq!(of(&[(header::IF_NONE_MATCH, "*"), (header::IF_MATCH, "*")]), Err(400));
    }
}
