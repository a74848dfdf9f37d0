//! JSON for programs: one document per line, each with an `apiVersion`.
//!
//! Fields are only added, never changed. Identifiers are strings. Bytes are a
//! string if they are UTF-8, else base64 (RFC 4648 section 4) in another field.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

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

/// The bytes of a key as the field `key` or `key_base64`.
#[derive(Debug, Default)]
pub(crate) struct KeyField<B>(pub(crate) B);

/// The bytes of a prefix of keys as the field `prefix` or `prefix_base64`.
pub(crate) struct PrefixField<'a>(pub(crate) &'a [u8]);

impl<B: AsRef<[u8]>> Serialize for KeyField<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        one_field(["key", "key_base64"], self.0.as_ref(), serializer)
    }
}

impl Serialize for PrefixField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        one_field(["prefix", "prefix_base64"], self.0, serializer)
    }
}

fn one_field<S: Serializer>(
    [text, base64]: [&'static str; 2],
    bytes: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("BytesField", 1)?;
    match std::str::from_utf8(bytes) {
        Ok(valid) => fields.serialize_field(text, valid)?,
        Err(_) => fields.serialize_field(base64, &BASE64_STANDARD.encode(bytes))?,
    }
    fields.end()
}

/// The bytes of a key or prefix in a document: a text, or an object with the field `base64`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields, expecting = "a text or {\"base64\": TEXT} was expected")]
pub(crate) enum KeyDocument {
    Text(String),
    Bytes { base64: String },
}

impl KeyDocument {
    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// It is not base64. For people.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Bytes { base64 } => BASE64_STANDARD.decode(base64).map_err(|_| "a key is not base64"),
        }
    }
}

/// Bytes as the field `value` or `value_base64`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValueField {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl ValueField {
    /// Takes the fields of a document.
    pub(crate) fn of(value: Option<String>, value_base64: Option<String>) -> Self {
        Self { value, value_base64 }
    }

    pub(crate) fn new(bytes: &[u8]) -> Self {
        let value = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let value_base64 = value.is_none().then(|| BASE64_STANDARD.encode(bytes));
        Self { value, value_base64 }
    }

    /// Returns the text, or else the bytes in base64.
    pub(crate) fn into_fields(self) -> (Option<String>, Option<String>) {
        (self.value, self.value_base64)
    }

    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// There is neither field, or there are both, or it is not base64. For people.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, &'static str> {
        match (self.value, self.value_base64) {
            (Some(text), None) => Ok(text.into_bytes()),
            (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|_| "value_base64 is not base64"),
            (None, None) => Err("neither value nor value_base64 is given"),
            (Some(_), Some(_)) => Err("both value and value_base64 are given"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_key_is_a_text_where_it_can_be() {
        let json = |bytes: &[u8]| serde_json::to_string(&KeyField(bytes)).unwrap();
        assert_eq!(json("ähre\0".as_bytes()), r#"{"key":"ähre\u0000"}"#);
        assert_eq!(json(b"\xff"), r#"{"key_base64":"/w=="}"#);
        let read = |text: &str| serde_json::from_str::<KeyDocument>(text).map(KeyDocument::into_bytes);
        assert_eq!(read(r#""order/1""#).unwrap(), Ok(b"order/1".to_vec()));
        assert_eq!(read(r#"{"base64": "/w=="}"#).unwrap(), Ok(b"\xff".to_vec()));
        assert_eq!(read(r#"{"base64": "/"}"#).unwrap(), Err("a key is not base64"));
        assert!(read(r#"{"base64": "/w==", "revision": 7}"#).is_err());
        assert_eq!(read("7").unwrap_err().to_string(), r#"a text or {"base64": TEXT} was expected"#);
    }

    #[test]
    fn bytes_are_read_as_they_are_written() {
        for bytes in [&b""[..], "☕\n".as_bytes(), b"\xff\xfe\xfd\x00"] {
            let text = serde_json::to_string(&ValueField::new(bytes)).unwrap();
            assert_eq!(serde_json::from_str::<ValueField>(&text).unwrap().into_bytes().unwrap(), bytes);
        }
        for (text, why) in [
            ("{}", "neither value nor"),
            (r#"{"value":"a","value_base64":"YQ=="}"#, "both value and"),
            (r#"{"value_base64":"Y"}"#, "is not base64"),
        ] {
            let error = serde_json::from_str::<ValueField>(text).unwrap().into_bytes().unwrap_err();
            assert!(error.starts_with(why) || error.ends_with(why), "{text}: {error}");
        }
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
