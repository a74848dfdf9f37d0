//! The document of a transaction, as `coffeectl txn` reads it.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use coffee_common::{
    bounded::at_most,
    id::Revision,
    key::{Key, Value},
    limits::{TRANSACTION_CONDITIONS_MAX, TRANSACTION_STEPS_MAX},
    transaction::{Check, Relation, Step, Transaction},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::query;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionJson {
    #[serde(default, rename = "if", deserialize_with = "at_most::<_, _, TRANSACTION_CONDITIONS_MAX>")]
    conditions: Vec<CheckJson>,
    #[serde(default, deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
    then: Vec<StepJson>,
    #[serde(default, rename = "else", deserialize_with = "at_most::<_, _, TRANSACTION_STEPS_MAX>")]
    otherwise: Vec<StepJson>,
}

/// A key or prefix: a text, or an object with the field `base64`.
#[derive(Clone)]
enum KeyText {
    Text(String),
    Bytes { base64: String },
}

/// Not derived as an untagged enum, which would keep any document in memory before it looks at it.
impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyTextVisitor;
        impl<'de> Visitor<'de> for KeyTextVisitor {
            type Value = KeyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or {\"base64\": TEXT}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<KeyText, E> {
                Ok(KeyText::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyText, A::Error> {
                let KeyBase64 { base64 } = KeyBase64::deserialize(MapAccessDeserializer::new(map))?;
                Ok(KeyText::Bytes { base64 })
            }
        }
        deserializer.deserialize_any(KeyTextVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBase64 {
    base64: String,
}

/// A condition on a key or a prefix: just one of the other fields is given.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CheckJson {
    key: Option<KeyText>,
    prefix: Option<KeyText>,
    relation: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    revision: Option<u64>,
    created: Option<u64>,
    version: Option<u64>,
    present: Option<bool>,
    absent: Option<bool>,
    empty: Option<bool>,
}

/// A step: the field of its verb has the key or prefix.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StepJson {
    get: Option<KeyText>,
    set: Option<KeyText>,
    del: Option<KeyText>,
    del_prefix: Option<KeyText>,
    add: Option<KeyText>,
    keys: Option<KeyText>,
    value: Option<String>,
    value_base64: Option<String>,
    by: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
    limit: Option<u32>,
    values: Option<bool>,
}

impl KeyText {
    fn into_bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Bytes { base64 } => {
                BASE64_STANDARD.decode(base64).map_err(|_| "a key is not base64".to_owned())
            }
        }
    }

    fn into_key(self) -> Result<Key, String> {
        query::key(self.into_bytes()?).map_err(|error| error.to_string())
    }
}

fn value(text: Option<String>, base64: Option<String>) -> Result<Value, String> {
    let bytes = match (text, base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => BASE64_STANDARD.decode(text).map_err(|_| "value_base64 is not base64")?,
        (None, None) => return Err("neither value nor value_base64 is given".to_owned()),
        (Some(_), Some(_)) => return Err("both value and value_base64 are given".to_owned()),
    };
    Value::new(bytes).map_err(|error| error.to_string())
}

fn relation(text: Option<&str>) -> Result<Relation, String> {
    match text {
        None | Some("=") => Ok(Relation::Equal),
        Some("!=") => Ok(Relation::NotEqual),
        Some("<") => Ok(Relation::Less),
        Some(">") => Ok(Relation::Greater),
        Some(other) => Err(format!("the relation {other:?} is neither =, !=, < nor >")),
    }
}

impl CheckJson {
    fn check(self) -> Result<Check, String> {
        const ONE: &str =
            "give just one of value, value_base64, revision, created, version, present, absent, empty";
        let compares = self.value.is_some()
            || self.value_base64.is_some()
            || self.revision.is_some()
            || self.created.is_some()
            || self.version.is_some();
        if self.relation.is_some() && !compares {
            return Err("relation is for value, revision, created and version".to_owned());
        }
        let relation = relation(self.relation.as_deref())?;
        let mut checks = Vec::new();
        if let Some(prefix) = self.prefix {
            if self.key.is_some() || self.empty != Some(true) {
                return Err("prefix and empty, which can only be true, belong together".to_owned());
            }
            let range = query::prefix(prefix.into_bytes()?).map_err(|error| error.to_string())?;
            checks.push(Check::Empty(range));
        } else if self.empty.is_some() {
            return Err("empty is for a prefix".to_owned());
        }
        let key = || self.key.clone().ok_or("key is missing")?.into_key();
        if self.value.is_some() || self.value_base64.is_some() {
            checks.push(Check::Value(key()?, relation, value(self.value, self.value_base64)?));
        }
        if let Some(revision) = self.revision {
            checks.push(Check::Modified(key()?, relation, Revision(revision)));
        }
        if let Some(revision) = self.created {
            checks.push(Check::Created(key()?, relation, Revision(revision)));
        }
        if let Some(version) = self.version {
            checks.push(Check::Version(key()?, relation, version));
        }
        for (given, is_present) in [(self.present, true), (self.absent, false)] {
            match given {
                None => {}
                Some(given) if given == is_present => checks.push(Check::Present(key()?)),
                Some(_) => checks.push(Check::Absent(key()?)),
            }
        }
        match (checks.pop(), checks.is_empty()) {
            (Some(check), true) => Ok(check),
            _ => Err(ONE.to_owned()),
        }
    }
}

impl StepJson {
    fn step(self) -> Result<Step, String> {
        let given = [&self.get, &self.set, &self.del, &self.del_prefix, &self.add, &self.keys];
        if given.iter().filter(|verb| verb.is_some()).count() != 1 {
            return Err("give just one of get, set, del, del_prefix, add, keys".to_owned());
        }
        let has_value = self.value.is_some() || self.value_base64.is_some();
        let has_numbers = self.by.is_some() || self.min.is_some() || self.max.is_some();
        let has_page = self.limit.is_some() || self.values.is_some();
        if has_value && self.set.is_none()
            || has_numbers && self.add.is_none()
            || has_page && self.keys.is_none()
        {
            return Err(
                "value is for set; by, min and max are for add; limit and values are for keys".to_owned()
            );
        }
        let range = |text: KeyText| query::prefix(text.into_bytes()?).map_err(|error| error.to_string());
        if let Some(key) = self.get {
            return Ok(Step::Get(key.into_key()?));
        }
        if let Some(key) = self.set {
            return Ok(Step::Set(key.into_key()?, value(self.value, self.value_base64)?));
        }
        if let Some(key) = self.del {
            return Ok(Step::Delete(key.into_key()?));
        }
        if let Some(prefix) = self.del_prefix {
            let bytes = prefix.clone().into_bytes()?;
            if bytes.is_empty() {
                return Err("an empty prefix would delete all keys".to_owned());
            }
            return Ok(Step::DeleteRange { range: range(prefix)?, limit: 0 });
        }
        if let Some(key) = self.add {
            let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
            return Ok(Step::Add { key: key.into_key()?, by: self.by.unwrap_or(1), min, max });
        }
        let range = range(self.keys.unwrap_or(KeyText::Text(String::new())))?;
        let keys_only = !self.values.unwrap_or_default();
        Ok(Step::Range { range, limit: self.limit.unwrap_or_default(), keys_only })
    }
}

/// Reads the JSON document of a transaction.
///
/// # Errors
/// It is malformed. For people.
pub fn parse_transaction(bytes: &[u8]) -> Result<Transaction, String> {
    let document: TransactionJson = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let steps = |steps: Vec<StepJson>, branch| {
        let step = |(number, step): (usize, StepJson)| {
            step.step().map_err(|why| format!("step {} of {branch}: {why}", number + 1))
        };
        steps.into_iter().enumerate().map(step).collect::<Result<Vec<_>, _>>()
    };
    let check = |(number, check): (usize, CheckJson)| {
        check.check().map_err(|why| format!("condition {}: {why}", number + 1))
    };
    Ok(Transaction {
        conditions: document.conditions.into_iter().enumerate().map(check).collect::<Result<_, _>>()?,
        then: steps(document.then, "then")?,
        otherwise: steps(document.otherwise, "else")?,
    })
}

#[cfg(test)]
mod tests {
    use coffee_common::key::KeyRange;

    use super::*;

    #[test]
    fn a_document_is_a_transaction() {
        let document = br#"{
            "if": [{"key": "a", "value": "open"}, {"key": "b", "relation": ">", "revision": 7},
                   {"key": "c", "absent": true}, {"prefix": "tmp/", "empty": true},
                   {"key": {"base64": "YQ=="}, "relation": "!=", "value_base64": "/w=="}],
            "then": [{"set": "d", "value": "latte"}, {"add": "n", "by": -1, "min": 0, "max": 9},
                     {"del_prefix": "tmp/"}, {"del": "e"}, {"keys": "o/", "limit": 10, "values": true}],
            "else": [{"get": "a"}]}"#;
        let key = |text: &str| Key::new(text).expect("legal");
        let value = |bytes: &'static [u8]| Value::new(bytes).expect("legal");
        let expected = Transaction {
            conditions: vec![
                Check::Value(key("a"), Relation::Equal, value(b"open")),
                Check::Modified(key("b"), Relation::Greater, Revision(7)),
                Check::Absent(key("c")),
                Check::Empty(KeyRange::prefix("tmp/")),
                Check::Value(key("a"), Relation::NotEqual, value(b"\xff")),
            ],
            then: vec![
                Step::Set(key("d"), value(b"latte")),
                Step::Add { key: key("n"), by: -1, min: 0, max: 9 },
                Step::DeleteRange { range: KeyRange::prefix("tmp/"), limit: 0 },
                Step::Delete(key("e")),
                Step::Range { range: KeyRange::prefix("o/"), limit: 10, keys_only: false },
            ],
            otherwise: vec![Step::Get(key("a"))],
        };
        assert_eq!(parse_transaction(document), Ok(expected));
    }

    #[test]
    fn a_malformed_document_says_where() {
        for (document, why) in [
            ("{", "EOF while parsing"),
            (r#"{"when": []}"#, "unknown field `when`"),
            (r#"{"if": [{"value": "x"}]}"#, "condition 1: key is missing"),
            (r#"{"if": [{"key": "k"}]}"#, "condition 1: give just one of"),
            (r#"{"if": [{"key": "k", "version": 1, "revision": 2}]}"#, "condition 1: give just one of"),
            (r#"{"if": [{"key": "k", "relation": ">", "absent": true}]}"#, "condition 1: relation is for"),
            (r#"{"if": [{"key": "k", "prefix": "p", "empty": true}]}"#, "condition 1: prefix and empty"),
            (r#"{"if": [{"key": "k", "empty": true}]}"#, "condition 1: empty is for a prefix"),
            (r#"{"then": [{"del_prefix": ""}]}"#, "step 1 of then: an empty prefix"),
            (r#"{"then": [{"get": "a", "set": "b"}]}"#, "step 1 of then: give just one of"),
            (r#"{"else": [{"get": "a", "value": "b"}]}"#, "step 1 of else: value is for set"),
            (r#"{"then": [{"set": "a"}]}"#, "step 1 of then: neither value nor"),
            (r#"{"then": [{"set": "", "value": "x"}]}"#, "step 1 of then: a key cannot be empty"),
            (r#"{"then": [{"get": 7}]}"#, "invalid type: integer `7`, expected a text or"),
            (r#"{"then": [{"get": [[]]}]}"#, "invalid type: sequence, expected a text or"),
            (r#"{"then": [{"get": {"base64": "YQ==", "x": 1}}]}"#, "unknown field `x`"),
            (r#"{"then": [{"get": {"base64": "Y"}}]}"#, "step 1 of then: a key is not base64"),
            (
                &format!(r#"{{"else": [{}]}}"#, vec!["{}"; TRANSACTION_STEPS_MAX + 1].join(",")),
                "invalid length",
            ),
        ] {
            let error = parse_transaction(document.as_bytes()).expect_err(document);
            assert!(error.starts_with(why), "{document}: {error}");
        }
    }
}
