//! Transactions: the document of `coffeectl txn`, and its result as `-o json` prints it.

mod document;

use coffee_common::{
    command::Outcome,
    protocol::Response,
    transaction::{Step, StepEffect, StepRead},
};
use hyper::StatusCode;
use serde::Serialize;

pub use self::document::parse_transaction;
use super::{
    backend::Change,
    error::HttpError,
    exchange::{Exchange, HttpReply, mismatch},
    json::{self, KeyJson, ValueJson},
    reads::ListedKeyJson,
    request_body::ReceivedBody,
    writes,
};

#[derive(Serialize)]
struct TransactedJson {
    /// Whether all conditions held.
    succeeded: bool,
    revision: u64,
    request_id: String,
    steps: Vec<TakenStepJson>,
}

/// A step that was taken.
#[derive(Default, Serialize)]
struct TakenStepJson {
    step: &'static str,
    /// The key or prefix.
    #[serde(flatten)]
    key: KeyJson,
    /// The revision of the key before, of a step that sets or deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Option<u64>>,
    /// The sum of `add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    /// How many keys `del_prefix` has deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u32>,
    /// The entry that `get` has read; `null` if the key does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Option<EntryJson>>,
    /// The keys that `keys` has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<ListedKeyJson>>,
    /// Whether `keys` may have left out some.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// Whether the step took effect, but what it reads is not known any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_read: bool,
}

#[derive(Serialize)]
struct EntryJson {
    #[serde(flatten)]
    value: ValueJson,
    revision: u64,
    version: u64,
}

impl TakenStepJson {
    fn new(step: &Step, effect: &StepEffect, reads: &mut impl Iterator<Item = StepRead>) -> Self {
        let verb = match step {
            Step::Get(_) => "get",
            Step::Range { .. } => "keys",
            Step::Set(..) => "set",
            Step::Delete(_) => "del",
            Step::DeleteRange { .. } => "del_prefix",
            Step::Add { .. } => "add",
        };
        let key = match step {
            Step::Range { range, .. } | Step::DeleteRange { range, .. } => {
                KeyJson::of_bytes(AsRef::<[u8]>::as_ref(range.from()))
            }
            step => step.key().map(KeyJson::from).unwrap_or_default(),
        };
        let row = Self { step: verb, key, ..Self::default() };
        match effect {
            StepEffect::Changed(previous) => {
                Self { previous: Some(previous.map(|revision| revision.0)), ..row }
            }
            StepEffect::RangeDeleted { count, .. } => Self { deleted: Some(*count), ..row },
            StepEffect::Added { sum, .. } => Self { number: Some(*sum), ..row },
            StepEffect::Read => row.with_read(step, reads.next()),
        }
    }

    fn with_read(self, step: &Step, read: Option<StepRead>) -> Self {
        match read {
            Some(StepRead::Entry(entry)) => {
                let entry = entry.map(|entry| EntryJson {
                    value: (&entry).into(),
                    revision: entry.modified.0,
                    version: entry.version,
                });
                Self { entry: Some(entry), ..self }
            }
            Some(StepRead::Page { entries, upto }) => {
                let with_values = matches!(step, Step::Range { keys_only: false, .. });
                let keys = entries.iter().map(|(key, entry)| ListedKeyJson::new(key, entry, with_values));
                Self { keys: Some(keys.collect()), more: Some(upto.is_some()), ..self }
            }
            Some(StepRead::Omitted(_)) | None => Self { not_read: true, ..self },
        }
    }
}

/// `POST /v1/txn`: the body is the document.
pub(super) async fn transact(mut exchange: Exchange, body: ReceivedBody) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    let transaction = parse_transaction(&body.bytes).map_err(|why| {
        HttpError::bad(why).hint("'coffeectl help txn' and GET /v1/openapi.json show the form")
    })?;
    // Its share is free for the next request: the write has one of its own.
    drop(body);
    let id = exchange.request_id()?;
    let written = writes::write(&exchange, id, Change::Transaction(transaction.clone())).await?;
    let (Outcome::Transacted { revision, then, effects }, Response::Transacted { reads, .. }) =
        (written.outcome, written.response)
    else {
        return Err(mismatch());
    };
    if !then && transaction.otherwise.is_empty() {
        let error = HttpError::new(
            StatusCode::PRECONDITION_FAILED,
            "a condition does not hold, and there is nothing else to do; nothing was changed",
        );
        let error = error.hint("read the keys of the conditions, or add steps to else");
        return Err(error.of_request(written.request_id));
    }
    let mut reads = reads.into_iter();
    let steps = transaction.branch(then).iter().zip(&effects);
    let document = TransactedJson {
        succeeded: then,
        revision: revision.0,
        request_id: written.request_id.to_string(),
        steps: steps.map(|(step, effect)| TakenStepJson::new(step, effect, &mut reads)).collect(),
    };
    Ok(writes::of_write(&document.request_id, revision, json::document(&document), written.held))
}
