//! A line of an export: a key and its value as a JSON object.

use coffee_common::{
    key::{Key, Value},
    limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX},
};
use serde::{Deserialize, Serialize};

use crate::printer::json::{KeyDocument, KeyField, ValueField};

/// The longest line, in bytes: JSON takes up to 6 bytes for one (`\u0001`). The rest is for spaces and
/// other fields.
pub(crate) const LINE_BYTES_MAX: usize = 6 * (KEY_BYTES_MAX + VALUE_BYTES_MAX) + 4096;

/// A line of an export, as it is written.
#[derive(Serialize)]
pub(crate) struct ExportedLine<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    #[serde(flatten)]
    value: ValueField,
}

/// A line of an export, as it is read. Fields that this version does not know are ignored.
#[derive(Deserialize)]
struct ImportedLine {
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(flatten)]
    value: ValueField,
}

impl<'a> ExportedLine<'a> {
    pub(crate) fn new(key: &'a Key, value: &Value) -> Self {
        Self { key: KeyField(key.as_bytes()), value: ValueField::new(value.as_bytes()) }
    }

    /// Returns it with its newline.
    pub(crate) fn to_text(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }
}

/// Reads a line of an export without its newline.
///
/// # Errors
///
/// It is not such a line. For people.
pub(crate) fn parse(text: &[u8]) -> Result<(Key, Value), String> {
    let line: ImportedLine = serde_json::from_slice(text).map_err(|error| without_place(&error))?;
    let key = match (line.key, line.key_base64) {
        (Some(text), None) => KeyDocument::Text(text),
        (None, Some(base64)) => KeyDocument::Bytes { base64 },
        (None, None) => return Err("neither key nor key_base64 is given".to_owned()),
        (Some(_), Some(_)) => return Err("both key and key_base64 are given".to_owned()),
    };
    let key = Key::new(key.into_bytes()?).map_err(|error| error.to_string())?;
    let value = Value::new(line.value.into_bytes()?).map_err(|error| error.to_string())?;
    Ok((key, value))
}

/// The error without its place, which counts lines within the line.
pub(crate) fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let line = |value: &[u8]| {
            let value = Value::new(value.to_vec()).unwrap();
            ExportedLine::new(&Key::new("order/1").unwrap(), &value).to_text().unwrap()
        };
        assert_eq!(line(b"latte"), "{\"key\":\"order/1\",\"value\":\"latte\"}\n");
        assert_eq!(line(b"\xff"), "{\"key\":\"order/1\",\"value_base64\":\"/w==\"}\n");
        let (key, _) = parse(br#"{"key_base64":"/wA=","value":"a"}"#).unwrap();
        assert_eq!(key.as_bytes(), b"\xff\0");
        let (key, value) = parse(line(b"\xff\n").as_bytes()).unwrap();
        assert_eq!((key.as_bytes(), &value.as_bytes()[..]), (&b"order/1"[..], &b"\xff\n"[..]));
    }

    #[test]
    fn a_line_that_is_none_says_why() {
        for (text, why) in [
            ("", "EOF while parsing a value"),
            ("order/1 latte", "expected value"),
            (r#"{"key":"a"}"#, "neither value nor value_base64 is given"),
            (r#"{"value":"a"}"#, "neither key nor key_base64 is given"),
            (r#"{"key":"a","key_base64":"YQ==","value":"a"}"#, "both key and key_base64 are given"),
            (r#"{"key_base64":"Y","value":"a"}"#, "a key is not base64"),
            (r#"{"key":"","value":"a"}"#, "a key cannot be empty"),
            (r#"{"key":"a","value":"b"} x"#, "trailing characters"),
            (r#"{"key":"a","value":7}"#, "invalid type: integer `7`, expected a string"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), why, "{text}");
        }
        let later = r#"{"key":"a","value":"b","flags":["later"]}"#;
        assert!(parse(later.as_bytes()).is_ok(), "a field of a later version");
    }

    #[test]
    fn the_longest_line_has_room() {
        let key = Key::new("\u{1}".repeat(KEY_BYTES_MAX)).unwrap();
        let value = Value::new(vec![1; VALUE_BYTES_MAX]).unwrap();
        assert!(ExportedLine::new(&key, &value).to_text().unwrap().len() <= LINE_BYTES_MAX);
    }
}
