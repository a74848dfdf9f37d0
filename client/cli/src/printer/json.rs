//! JSON for programs: one document per line, each with an `apiVersion`.
//!
//! Fields are only added, never changed. Identifiers are strings. Bytes are a
//! string if they are UTF-8, else base64 (RFC 4648 section 4) in another field.

use serde::Serialize;

/// The version of the documents' fields.
const API_VERSION: &str = "coffee/v1";

#[derive(Serialize)]
struct Versioned<'a, T: Serialize> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// Returns the document on one line.
pub(crate) fn document(body: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Versioned { api_version: API_VERSION, body })
}

/// Returns the start of a document with a long list, up to the first item.
pub(crate) fn list_head(name: &str) -> String {
    format!(r#"{{"apiVersion":"{API_VERSION}","{name}":["#)
}

/// Returns the rest of such a document: the end of the list and the fields of `rest`.
pub(crate) fn list_tail(rest: &impl Serialize) -> Result<String, serde_json::Error> {
    let rest = serde_json::to_string(rest)?;
    let fields = rest.trim_start_matches('{').trim_end_matches('}');
    Ok(if fields.is_empty() { "]}".to_owned() } else { format!("],{fields}}}") })
}

/// No fields next to a list.
#[derive(Serialize)]
pub(crate) struct NoFields {}

/// Bytes as the field `value` or `value_base64`.
#[derive(Debug, Serialize)]
pub(crate) struct ValueField {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl ValueField {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let value = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let value_base64 = value.is_none().then(|| base64(bytes));
        Self { value, value_base64 }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn base64_test_vectors() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn bytes_are_a_text_where_they_can_be() {
        assert_eq!(
            serde_json::to_string(&ValueField::new("☕\n".as_bytes())).unwrap(),
            r#"{"value":"☕\n"}"#
        );
        assert_eq!(serde_json::to_string(&ValueField::new(b"\xff")).unwrap(), r#"{"value_base64":"/w=="}"#);
        assert_eq!(serde_json::to_string(&ValueField::new(b"")).unwrap(), r#"{"value":""}"#);
    }

    #[test]
    fn a_long_list_is_one_document() {
        #[derive(Serialize)]
        struct NumbersTail {
            more: bool,
        }
        let text = format!("{}1,2{}", list_head("keys"), list_tail(&NumbersTail { more: true }).unwrap());
        assert_eq!(text, r#"{"apiVersion":"coffee/v1","keys":[1,2],"more":true}"#);
    }
}
