//! JSON, as `coffeectl -o json` prints it: fields are only added, identifiers are strings, and bytes are
//! a string if they are UTF-8, else base64 (RFC 4648 section 4) in another field.
//!
//! Guards that a document has at most twice the bytes of its keys and values, which is what clients are
//! charged for: a control character is six bytes in a string, so bytes with many of them are base64, too.

use base64::{Engine, prelude::BASE64_STANDARD};
use coffee_common::{entry::Entry, id::Revision, key::Key};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The version of the documents' fields.
const API_VERSION: &str = "coffee/v1";

#[derive(Serialize)]
struct VersionedDocument<'a, T: Serialize> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// Returns the document on one line, with a newline.
pub(super) fn document(body: &impl Serialize) -> Vec<u8> {
    let document = VersionedDocument { api_version: API_VERSION, body };
    let mut bytes = serde_json::to_vec(&document).unwrap_or_else(|error| {
        // No type here has a map with other keys than strings, or fails by itself.
        tracing::error!(%error, "failed to encode a document");
        b"{}".to_vec()
    });
    bytes.push(b'\n');
    bytes
}

/// Returns the entity tag of a revision (RFC 9110, section 8.8.3).
pub(super) fn etag(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// A key as the field `key` or `key_base64`.
#[derive(Debug, Default, Serialize)]
pub(super) struct KeyJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
}

impl From<&Key> for KeyJson {
    fn from(key: &Key) -> Self {
        Self::of_bytes(key.as_bytes())
    }
}

impl KeyJson {
    /// A key or prefix.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        let (key, key_base64) = text_or_base64(bytes);
        Self { key, key_base64 }
    }
}

/// A value as the field `value` or `value_base64`.
#[derive(Debug, Serialize)]
pub(super) struct ValueJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl From<&Entry> for ValueJson {
    fn from(entry: &Entry) -> Self {
        Self::of_bytes(entry.value.as_bytes())
    }
}

impl ValueJson {
    fn of_bytes(bytes: &[u8]) -> Self {
        let (value, value_base64) = text_or_base64(bytes);
        Self { value, value_base64 }
    }
}

fn text_or_base64(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if escaped_length(bytes) <= 2 * bytes.len() => (Some(text.to_owned()), None),
        _ => (None, Some(BASE64_STANDARD.encode(bytes))),
    }
}

/// Returns the length of a text in a JSON string (RFC 8259, section 7).
fn escaped_length(text: &[u8]) -> usize {
    let length = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(length).sum()
}

/// Returns milliseconds since 1970 as RFC 3339, to the second.
pub(super) fn utc(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_else(|| seconds.to_string())
}

#[cfg(test)]
mod tests {
    use coffee_common::key::Value;

    use super::*;

    /// Clients are charged for the bytes of keys and values.
    #[test]
    fn no_value_takes_more_than_twice_its_bytes() {
        for byte in 0..=127 {
            let bytes = [byte; 3000];
            let value = ValueJson::of_bytes(&bytes);
            let document = document(&value);
            assert!(document.len() < 6100, "{byte}: {} bytes", document.len());
            let escaped = serde_json::to_vec(&String::from_utf8_lossy(&bytes)).expect("a string").len() - 2;
            assert_eq!(escaped_length(&bytes), escaped, "{byte}");
        }
    }

    #[test]
    fn bytes_are_a_text_where_they_can_be() {
        let entry = |bytes: &'static [u8]| Entry {
            value: Value::new(bytes).expect("legal"),
            created: Revision(3),
            modified: Revision(3),
            version: 1,
        };
        let json = |bytes| String::from_utf8(document(&ValueJson::from(&entry(bytes)))).expect("text");
        assert_eq!(json("☕\n".as_bytes()), "{\"apiVersion\":\"coffee/v1\",\"value\":\"☕\\n\"}\n");
        assert_eq!(json(b"\xff"), "{\"apiVersion\":\"coffee/v1\",\"value_base64\":\"/w==\"}\n");
        assert_eq!(json(b"\x1b[0mtea"), "{\"apiVersion\":\"coffee/v1\",\"value\":\"\\u001b[0mtea\"}\n");
        assert_eq!(json(b"\x01\x02\""), "{\"apiVersion\":\"coffee/v1\",\"value_base64\":\"AQIi\"}\n");
        assert_eq!(utc(1_795_399_453_999), "2026-11-23T02:04:13Z");
    }
}
