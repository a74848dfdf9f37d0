//! Watches: server-sent events, JSON lines, and the long poll.
//!
//! Each is a chain of the requests by which any client watches. The next one is made once the client has
//! taken the response to the one before, so a slow client costs the node nothing but its cursor. Guards
//! that the changes of a revision stay together in one document, so that a client which continues after
//! the last revision that it has misses none and is told none twice.

use coffee_common::{
    id::Revision,
    limits::WATCH_WAIT_MS_MAX,
    protocol::{ChangeKinds, ChangeView, Consistency, Request, Response, WatchSpec},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use hyper::header;
use serde::Serialize;

use super::{
    backend::ResponseHold,
    body::BodyPart,
    error::HttpError,
    exchange::{Exchange, HttpReply, REVISION, mismatch, text_header},
    json::{self, KeyJson, ValueJson},
    reads::watched_range,
};

/// A stream says after so much quiet how far it is.
const BEAT_MS: u32 = 5_000;

/// Has an EventSource that was cut off come back after a second.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// How much longer than it waits a watch may take.
const READ_WITHIN_MS: u32 = 10_000;

/// A response to a watch.
pub(super) enum WatchReply {
    Once(HttpReply),
    Stream { content_type: &'static str, parts: BoxStream<'static, BodyPart> },
}

/// How changes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatchForm {
    /// Server-sent events (WHATWG HTML, section 9.2).
    Events,
    /// A JSON document per line.
    Lines,
}

/// The changes of a revision, or of all revisions up to one.
#[derive(Serialize)]
struct ChangesDocument<'a> {
    /// All changes up to this one are known: the next watch begins after it.
    revision: u64,
    changes: Vec<WatchedChangeJson<'a>>,
}

#[derive(Serialize)]
struct WatchedChangeJson<'a> {
    event: &'static str,
    #[serde(flatten)]
    key: KeyJson,
    #[serde(flatten)]
    value: Option<ValueJson>,
    revision: u64,
    version: Option<u64>,
    /// The revision of the key before; `null` if it did not exist.
    previous: Option<u64>,
    time: String,
    role: Option<&'a str>,
    author: Option<&'a str>,
}

impl<'a> WatchedChangeJson<'a> {
    fn new(change: &'a ChangeView, with_value: bool) -> Self {
        let entry = change.entry.as_ref();
        let (role, author) = change.author.split_once(' ').unzip();
        Self {
            event: if entry.is_some() { "set" } else { "del" },
            key: (&change.key).into(),
            value: entry.filter(|_| with_value).map(ValueJson::from),
            revision: change.revision.0,
            version: entry.map(|entry| entry.version),
            previous: change.previous.map(|previous| previous.0),
            time: json::utc(change.at_ms),
            role,
            author,
        }
    }
}

/// A stream of changes, between two requests.
struct WatchStream {
    exchange: Exchange,
    spec: WatchSpec,
    form: WatchForm,
    after: Revision,
    /// The changes that were found before the stream began.
    first: Option<BodyPart>,
    has_ended: bool,
}

/// `GET /v1/watch`.
pub(super) async fn watch(mut exchange: Exchange) -> Result<WatchReply, HttpError> {
    let consistency = exchange.consistency()?;
    let range = watched_range(&mut exchange)?;
    let from = exchange.query.revision("from")?;
    let wait_ms = exchange.query.duration_ms("wait")?;
    let with_values = exchange.query.parsed("values", "true or false")?.unwrap_or(true);
    let kinds = match exchange.query.take("only").as_deref() {
        None => ChangeKinds::All,
        Some(b"sets") => ChangeKinds::Sets,
        Some(b"deletes") => ChangeKinds::Deletes,
        Some(_) => return Err(HttpError::bad("only is neither sets nor deletes")),
    };
    exchange.finish_query()?;
    let last = text_header(&exchange.headers, "last-event-id")?.filter(|last| !last.is_empty());
    let last = last.map(|last| last.parse().map(Revision)).transpose();
    let last = last.map_err(|_| HttpError::bad("Last-Event-ID is not a revision"))?;
    let after = last.or(from);
    let spec = WatchSpec { range, kinds, keys_only: !with_values, with_previous: false };
    if exchange.is_head {
        next(&exchange, &spec, after, 0, consistency).await?;
        return Ok(WatchReply::Once(HttpReply::new(form(&exchange)?.content_type(), Vec::new())));
    }
    if let Some(wait_ms) = wait_ms {
        let wait_ms = wait_ms.min(WATCH_WAIT_MS_MAX);
        let after = match after {
            Some(after) => after,
            // The present revision is answered at once: wait for what comes after it.
            None => next(&exchange, &spec, None, 0, consistency).await?.1,
        };
        let (changes, upto, held) = next(&exchange, &spec, Some(after), wait_ms, consistency).await?;
        let changes = changes.iter().map(|change| WatchedChangeJson::new(change, with_values)).collect();
        let reply = HttpReply::json(json::document(&ChangesDocument { revision: upto.0, changes }));
        return Ok(WatchReply::Once(reply.header(REVISION, &upto.to_string()).holding(held)));
    }
    let form = form(&exchange)?;
    // Before the response begins: a failure has a status of its own.
    let (changes, upto, held) = match next(&exchange, &spec, after, 0, consistency).await {
        Ok(found) => found,
        // An EventSource that comes back would give up for good at any status but 200 (WHATWG HTML, section
        // 9.2.3); after an event it comes back again.
        Err(error) if form == WatchForm::Events && last.is_some() && error.may_pass() => {
            let bytes = [RETRY, &form.failure(&error)].concat();
            let only = BodyPart { bytes, held: ResponseHold::default() };
            let parts = stream::iter([only]).boxed();
            return Ok(WatchReply::Stream { content_type: form.content_type(), parts });
        }
        Err(error) => return Err(error),
    };
    let bytes = form.written(&changes, upto, with_values, true);
    let first = Some(BodyPart { bytes, held });
    let state = WatchStream { exchange, spec, form, after: upto, first, has_ended: false };
    let parts = stream::unfold(state, WatchStream::next).boxed();
    Ok(WatchReply::Stream { content_type: form.content_type(), parts })
}

/// Asks for the next changes. Returns them, and up to which revision all are known.
async fn next(
    exchange: &Exchange,
    spec: &WatchSpec,
    after: Option<Revision>,
    wait_ms: u32,
    consistency: Consistency,
) -> Result<(Vec<ChangeView>, Revision, ResponseHold), HttpError> {
    let request = Request::Watch { spec: spec.clone(), after, wait_ms, consistency };
    match exchange.call_within(request, wait_ms + READ_WITHIN_MS).await? {
        (Response::Changes { changes, upto }, held) => Ok((changes, upto, held)),
        _ => Err(mismatch()),
    }
}

impl WatchStream {
    async fn next(mut self) -> Option<(BodyPart, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        if self.has_ended {
            return None;
        }
        // This node was fresh when the stream began, and the cursor is one that it has reached.
        let found = next(&self.exchange, &self.spec, Some(self.after), BEAT_MS, Consistency::Local).await;
        let part = match found {
            Ok((changes, upto, held)) => {
                self.after = upto;
                BodyPart { bytes: self.form.written(&changes, upto, !self.spec.keys_only, false), held }
            }
            Err(error) => {
                self.has_ended = true;
                BodyPart { bytes: self.form.failure(&error), held: ResponseHold::default() }
            }
        };
        Some((part, self))
    }
}

/// Returns the form that the client accepts.
fn form(exchange: &Exchange) -> Result<WatchForm, HttpError> {
    let accept = text_header(&exchange.headers, header::ACCEPT.as_str())?.unwrap_or_default();
    let types = accept.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    let is_lines = |name: &str| {
        ["application/jsonl", "application/x-ndjson", "application/json"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    Ok(
        match types.into_iter().find(|name| is_lines(name) || name.eq_ignore_ascii_case("text/event-stream"))
        {
            Some(name) if is_lines(name) => WatchForm::Lines,
            _ => WatchForm::Events,
        },
    )
}

impl WatchForm {
    fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/jsonl",
        }
    }

    /// Writes changes, and up to which revision all are known.
    fn written(self, changes: &[ChangeView], upto: Revision, with_values: bool, is_first: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        if is_first && self == Self::Events {
            bytes.extend_from_slice(RETRY);
        }
        for together in changes.chunk_by(|one, other| one.revision == other.revision) {
            let revision = together.first().map_or(upto, |change| change.revision);
            let changes = together.iter().map(|change| WatchedChangeJson::new(change, with_values)).collect();
            self.write(&mut bytes, revision, &ChangesDocument { revision: revision.0, changes });
        }
        if changes.last().is_none_or(|last| last.revision < upto) {
            match self {
                // Without data: the client remembers the id, and tells its program nothing.
                Self::Events => bytes.extend_from_slice(format!("id: {upto}\n\n").as_bytes()),
                Self::Lines => {
                    self.write(&mut bytes, upto, &ChangesDocument { revision: upto.0, changes: Vec::new() });
                }
            }
        }
        bytes
    }

    fn write(self, bytes: &mut Vec<u8>, revision: Revision, document: &ChangesDocument<'_>) {
        let line = json::document(document);
        match self {
            Self::Events => {
                bytes.extend_from_slice(format!("id: {revision}\ndata: ").as_bytes());
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
            Self::Lines => bytes.extend_from_slice(&line),
        }
    }

    /// Writes why the stream ends.
    fn failure(self, error: &HttpError) -> Vec<u8> {
        let line = error.document();
        match self {
            Self::Events => [b"event: failed\ndata: ".as_slice(), &line, b"\n"].concat(),
            Self::Lines => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        entry::Entry,
        key::{Key, Value},
    };

    use super::*;

    fn change(revision: u64, key: &str, value: Option<&'static str>) -> ChangeView {
        let revision = Revision(revision);
        ChangeView {
            revision,
            key: Key::new(key).expect("legal"),
            entry: value.map(|value| Entry {
                value: Value::new(value).expect("legal"),
                created: revision,
                modified: revision,
                version: 1,
            }),
            previous: None,
            previous_entry: None,
            at_ms: 1_795_399_453_999,
            author: "writer till".to_owned(),
        }
    }

    fn text(form: WatchForm, changes: &[ChangeView], upto: u64, is_first: bool) -> String {
        String::from_utf8(form.written(changes, Revision(upto), true, is_first)).expect("text")
    }

    #[test]
    fn the_changes_of_a_revision_are_one_event() {
        let changes = [change(7, "a", Some("x\ny")), change(7, "b", None), change(9, "a", Some("z"))];
        let events = text(WatchForm::Events, &changes, 12, true);
        let ids: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
        assert_eq!(ids, ["7", "9", "12"]);
        let data: Vec<&str> = events.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let first: serde_json::Value = serde_json::from_str(data[0]).expect("JSON");
        assert_eq!((data.len(), first["changes"].as_array().expect("a list").len()), (2, 2));
        assert_eq!(first["changes"][0]["value"], "x\ny");
        assert_eq!(first["changes"][1]["event"], "del");
        assert!(
            events.starts_with("retry: 1000\n\nid: 7\n") && events.ends_with("\n\nid: 12\n\n"),
            "{events}"
        );
    }

    #[test]
    fn quiet_tells_the_revision_alone() {
        assert_eq!(text(WatchForm::Events, &[], 12, false), "id: 12\n\n");
        assert_eq!(
            text(WatchForm::Lines, &[], 12, true),
            "{\"apiVersion\":\"coffee/v1\",\"revision\":12,\"changes\":[]}\n"
        );
        let upto_the_last = text(WatchForm::Lines, &[change(12, "a", None)], 12, false);
        assert_eq!(upto_the_last.lines().count(), 1, "{upto_the_last}");
    }
}
