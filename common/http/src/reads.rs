//! Reads: a key, a list of keys, the history of a key.

use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    limits::{RANGE_KEYS_MAX, VERSIONS_MAX},
    protocol::{Consistency, Request, Response, VersionView},
};
use hyper::{StatusCode, header};
use serde::Serialize;

use super::{
    error::HttpError,
    exchange::{Exchange, HttpReply, REVISION, mismatch, text_header},
    json::{self, KeyJson, ValueJson},
    query,
};

/// `GET /v1/kv/KEY`: the bytes of the value.
pub(super) async fn get(mut exchange: Exchange, key: Key) -> Result<HttpReply, HttpError> {
    let consistency = exchange.consistency()?;
    let revision = exchange.query.revision("rev")?;
    exchange.finish_query()?;
    let request = match revision {
        None => Request::Get { key, consistency },
        Some(revision) => Request::GetAt { key, revision, consistency },
    };
    let (response, held) = exchange.call(request).await?;
    let Response::Value { entry, at } = response else { return Err(mismatch()) };
    let Some(entry) = entry else {
        return Err(HttpError::new(StatusCode::NOT_FOUND, "the key does not exist")
            .header(REVISION, &at.to_string())
            .hint("GET /v1/kv?prefix= lists the keys"));
    };
    let etag = json::etag(entry.modified);
    let is_known = text_header(&exchange.headers, header::IF_NONE_MATCH.as_str())?
        .is_some_and(|known| known == "*" || known.split(',').any(|known| weakly(known) == etag));
    let body = if is_known { Vec::new() } else { entry.value.as_bytes().to_vec() };
    let mut reply = HttpReply::new("application/octet-stream", body)
        .header(header::ETAG, &etag)
        .header(REVISION, &at.to_string())
        .header("coffee-created", &entry.created.to_string())
        .header("coffee-version", &entry.version.to_string())
        .holding(held);
    if is_known {
        reply.status = StatusCode::NOT_MODIFIED;
    }
    Ok(reply)
}

#[derive(Serialize)]
struct KeyListDocument {
    keys: Vec<ListedKeyJson>,
    /// Whether there may be more keys than these.
    more: bool,
    /// The request for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ListedKeyJson {
    #[serde(flatten)]
    key: KeyJson,
    #[serde(flatten)]
    value: Option<ValueJson>,
    revision: u64,
    created: u64,
    version: u64,
}

impl ListedKeyJson {
    pub(super) fn new(key: &Key, entry: &Entry, with_value: bool) -> Self {
        Self {
            key: key.into(),
            value: with_value.then(|| entry.into()),
            revision: entry.modified.0,
            created: entry.created.0,
            version: entry.version,
        }
    }
}

/// An entity tag that is compared weakly (RFC 9110, section 8.8.3.2).
fn weakly(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// `GET /v1/kv`: a page of keys.
pub(super) async fn list(mut exchange: Exchange) -> Result<HttpReply, HttpError> {
    let consistency = exchange.consistency()?;
    let prefix = exchange.query.take("prefix").unwrap_or_default();
    let range = query::prefix(prefix.clone())?;
    let after = exchange.query.take("after").map(query::key).transpose()?;
    let limit: u32 = exchange.query.parsed("limit", "a number")?.unwrap_or(RANGE_KEYS_MAX);
    let with_values = exchange.query.flag("values")?;
    let revision = exchange.query.revision("rev")?;
    exchange.finish_query()?;
    if limit == 0 {
        return Err(HttpError::bad("limit is 0"));
    }
    let (limit, keys_only) = (limit.min(RANGE_KEYS_MAX), !with_values);
    let range = match after {
        // A key before the range would widen it.
        Some(key) if key.as_bytes() >= range.from() => range.after(&key),
        _ => range,
    };
    let request = match revision {
        None => Request::Range { range, limit, keys_only, consistency, empty_pages: true },
        Some(revision) => Request::RangeAt { range, revision, limit, keys_only, consistency },
    };
    let (response, held) = exchange.call(request).await?;
    let (entries, upto, at) = match response {
        Response::Page { entries, more, at, upto } => {
            let last = upto.or_else(|| entries.last().map(|(key, _)| key.clone())).filter(|_| more);
            (entries, last, at)
        }
        Response::PastPage { entries, upto } => (entries, upto, revision.unwrap_or_default()),
        _ => return Err(mismatch()),
    };
    let keys = entries.iter().map(|(key, entry)| ListedKeyJson::new(key, entry, with_values)).collect();
    let next = upto.as_ref().map(|upto| {
        // All pages are of one revision only if the client asks for one: without, each is the present one.
        let revision = revision.map(|revision| format!("&rev={revision}")).unwrap_or_default();
        let values = if with_values { "&values=true" } else { "" };
        let local = if consistency == Consistency::Local { "&consistency=local" } else { "" };
        let (prefix, after) = (query::encode(&prefix), query::encode(upto.as_bytes()));
        format!("/v1/kv?prefix={prefix}&after={after}&limit={limit}{values}{revision}{local}")
    });
    let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\""));
    let body = json::document(&KeyListDocument { keys, more: next.is_some(), next });
    let reply = HttpReply::json(body).header(REVISION, &at.to_string()).holding(held);
    Ok(match link {
        Some(link) => reply.header(header::LINK, &link),
        None => reply,
    })
}

#[derive(Serialize)]
struct HistoryDocument<'a> {
    versions: Vec<VersionDocument<'a>>,
    /// Whether there are earlier versions.
    more: bool,
}

#[derive(Serialize)]
struct VersionDocument<'a> {
    revision: u64,
    /// Whether the key was deleted.
    deleted: bool,
    #[serde(flatten)]
    value: Option<ValueJson>,
    created: Option<u64>,
    version: Option<u64>,
    /// `null` if the history has the version, but no longer the change that made it.
    time: Option<String>,
    role: Option<&'a str>,
    author: Option<&'a str>,
}

impl<'a> VersionDocument<'a> {
    fn new(version: &'a VersionView, with_value: bool) -> Self {
        let entry = version.entry.as_ref();
        let (role, author) = version.author.split_once(' ').unzip();
        Self {
            revision: version.revision.0,
            deleted: entry.is_none(),
            value: entry.filter(|_| with_value).map(ValueJson::from),
            created: entry.map(|entry| entry.created.0),
            version: entry.map(|entry| entry.version),
            time: version.at_ms.map(json::utc),
            role,
            author,
        }
    }
}

/// `GET /v1/history/KEY`: a page of the versions of a key, the newest first.
pub(super) async fn history(mut exchange: Exchange, key: Key) -> Result<HttpReply, HttpError> {
    let consistency = exchange.consistency()?;
    let before: Option<Revision> = exchange.query.revision("before")?;
    let limit: u32 = exchange.query.parsed("limit", "a number")?.unwrap_or(VERSIONS_MAX as u32);
    let with_values = exchange.query.parsed("values", "true or false")?.unwrap_or(true);
    exchange.finish_query()?;
    if limit == 0 {
        return Err(HttpError::bad("limit is 0"));
    }
    let limit = limit.min(VERSIONS_MAX as u32);
    let request = Request::History { key, before, limit, keys_only: !with_values, consistency };
    let (response, held) = exchange.call(request).await?;
    let Response::Versions { versions, more } = response else { return Err(mismatch()) };
    if versions.is_empty() && before.is_none() {
        return Err(HttpError::new(StatusCode::NOT_FOUND, "no version of this key is known")
            .hint("GET /v1/kv?prefix= lists the keys"));
    }
    let versions = versions.iter().map(|version| VersionDocument::new(version, with_values)).collect();
    Ok(HttpReply::json(json::document(&HistoryDocument { versions, more })).holding(held))
}

/// Returns the range of a watch.
pub(super) fn watched_range(exchange: &mut Exchange) -> Result<KeyRange, HttpError> {
    match (exchange.query.take("key"), exchange.query.take("prefix")) {
        (Some(_), Some(_)) => Err(HttpError::bad("key and prefix exclude each other")),
        (Some(bytes), None) => Ok(KeyRange::single(&query::key(bytes)?)),
        (None, prefix) => query::prefix(prefix.unwrap_or_default()),
    }
}
