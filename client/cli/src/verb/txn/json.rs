//! The JSON form of a transaction.

use coffee_client::{Relation, Revision, Txn, TxnStep};
use coffee_common::key::KeyRange;
use serde::Deserialize;

use super::{StepLabel, TxnFile, text};
use crate::printer::json::{KeyDocument, ValueField};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TxnDocument {
    #[serde(default, rename = "if")]
    conditions: Vec<ConditionDocument>,
    #[serde(default)]
    then: Vec<StepDocument>,
    #[serde(default, rename = "else")]
    otherwise: Vec<StepDocument>,
}

/// A condition on a key or a prefix: just one of the other fields is given.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConditionDocument {
    key: Option<KeyDocument>,
    prefix: Option<KeyDocument>,
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
struct StepDocument {
    get: Option<KeyDocument>,
    set: Option<KeyDocument>,
    del: Option<KeyDocument>,
    del_prefix: Option<KeyDocument>,
    add: Option<KeyDocument>,
    keys: Option<KeyDocument>,
    value: Option<String>,
    value_base64: Option<String>,
    by: Option<i64>,
    min: Option<i64>,
    max: Option<i64>,
    limit: Option<u32>,
    values: Option<bool>,
}

/// Reads a document.
///
/// # Errors
///
/// It is malformed. For people.
pub(super) fn parse(content: &str) -> Result<TxnFile, String> {
    let document: TxnDocument = serde_json::from_str(content).map_err(|error| error.to_string())?;
    let mut file = TxnFile::default();
    for (condition, number) in document.conditions.into_iter().zip(1..) {
        condition.add_to(&mut file).map_err(|why| format!("condition {number}: {why}"))?;
    }
    for (step, number) in document.then.into_iter().zip(1..) {
        let (step, label) = step.step().map_err(|why| format!("step {number} of then: {why}"))?;
        file.then(step, label);
    }
    for (step, number) in document.otherwise.into_iter().zip(1..) {
        let (step, label) = step.step().map_err(|why| format!("step {number} of else: {why}"))?;
        file.otherwise(step, label);
    }
    Ok(file)
}

impl ConditionDocument {
    fn add_to(self, file: &mut TxnFile) -> Result<(), String> {
        let compares = self.value.is_some()
            || self.value_base64.is_some()
            || self.revision.is_some()
            || self.created.is_some()
            || self.version.is_some();
        if self.relation.is_some() && !compares || self.key.is_some() && self.prefix.is_some() {
            return Err(
                "relation is for value, revision, created and version; key and prefix exclude each other"
                    .to_owned(),
            );
        }
        let relation = match &self.relation {
            None => Relation::Equal,
            Some(text) => text::relation(text)?,
        };
        type Condition = Box<dyn FnOnce(Txn) -> Txn>;
        let mut conditions: Vec<Condition> = Vec::new();
        let key = || self.key.clone().ok_or("key is missing")?.into_bytes();
        if self.value.is_some() || self.value_base64.is_some() {
            let (key, value) =
                (key()?, ValueField::of(self.value.clone(), self.value_base64.clone()).into_bytes()?);
            conditions.push(Box::new(move |txn| txn.when_value(key, relation, value)));
        }
        if let Some(revision) = self.revision {
            let key = key()?;
            conditions.push(Box::new(move |txn| txn.when_revision(key, relation, Revision(revision))));
        }
        if let Some(revision) = self.created {
            let key = key()?;
            conditions.push(Box::new(move |txn| txn.when_created(key, relation, Revision(revision))));
        }
        if let Some(version) = self.version {
            let key = key()?;
            conditions.push(Box::new(move |txn| txn.when_version(key, relation, version)));
        }
        for (given, is_present) in [(self.present, true), (self.absent, false)] {
            let Some(given) = given else { continue };
            let key = key()?;
            conditions.push(match given == is_present {
                true => Box::new(move |txn| txn.when_present(key)),
                false => Box::new(move |txn| txn.when_absent(key)),
            });
        }
        match (self.empty, &self.prefix) {
            (None, None) => {}
            (Some(true), Some(prefix)) => {
                let range = KeyRange::prefix(prefix.clone().into_bytes()?);
                conditions.push(Box::new(move |txn| txn.when_empty(range)));
            }
            _ => return Err("prefix and empty, which can only be true, belong together".to_owned()),
        }
        match conditions.pop() {
            Some(condition) if conditions.is_empty() => {
                file.when(condition);
                Ok(())
            }
            _ => Err(
                "give just one of value, value_base64, revision, created, version, present, absent, empty"
                    .to_owned(),
            ),
        }
    }
}

impl StepDocument {
    fn step(self) -> Result<(TxnStep, StepLabel), String> {
        let label = |verb, key: Vec<u8>| StepLabel { verb, key, with_values: false };
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
        if let Some(key) = self.get {
            let key = key.into_bytes()?;
            return Ok((TxnStep::get(&key), label("get", key)));
        }
        if let Some(key) = self.set {
            let (key, value) =
                (key.into_bytes()?, ValueField::of(self.value, self.value_base64).into_bytes()?);
            return Ok((TxnStep::set(&key, value), label("set", key)));
        }
        if let Some(key) = self.del {
            let key = key.into_bytes()?;
            return Ok((TxnStep::delete(&key), label("del", key)));
        }
        if let Some(prefix) = self.del_prefix {
            let prefix = prefix.into_bytes()?;
            if prefix.is_empty() {
                return Err("an empty prefix would delete all keys".to_owned());
            }
            return Ok((TxnStep::delete_range(KeyRange::prefix(&prefix)), label("del --prefix", prefix)));
        }
        if let Some(key) = self.add {
            let bounds = self.min.unwrap_or(i64::MIN)..=self.max.unwrap_or(i64::MAX);
            let key = key.into_bytes()?;
            let step = TxnStep::add_within(&key, self.by.unwrap_or(1), bounds);
            return Ok((step, label("add", key)));
        }
        let prefix = self.keys.map(KeyDocument::into_bytes).transpose()?.unwrap_or_default();
        let limit = self.limit.unwrap_or_default();
        let (range, with_values) = (KeyRange::prefix(&prefix), self.values.unwrap_or_default());
        let step = match with_values {
            true => TxnStep::range(range, limit),
            false => TxnStep::keys(range, limit),
        };
        Ok((step, StepLabel { with_values, ..label("keys", prefix) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_as_the_text() {
        let document = r#"{
            "if": [{"key": "shop/ming", "value": "open"}, {"key": "orders/1", "relation": ">", "revision": 7}, {"key": "orders/7", "absent": true},
                   {"key": "b", "present": true}, {"key": "c", "version": 3}, {"key": "d", "created": 2},
                   {"prefix": "tmp/", "empty": true}, {"key": "a", "relation": "!=", "value_base64": "/w=="}],
            "then": [{"set": "orders/7", "value": "latte"}, {"add": "orders/count", "by": -1, "min": 0, "max": 9},
                     {"del_prefix": "tmp/"}, {"del": "e"}, {"keys": "orders/", "limit": 10, "values": true}],
            "else": [{"get": "shop/ming"}]}"#;
        let text = "if\nvalue shop/ming = open\nrev orders/1 > 7\nabsent orders/7\npresent b\nversion c = 3\n\
                    created d = 2\nempty tmp/\nthen\nset orders/7 latte\nadd orders/count -1 --min 0 --max 9\n\
                    del tmp/ --prefix\ndel e\nkeys orders/ --limit 10 --values\nelse\nget shop/ming\n";
        let with_bytes = |file: TxnFile| file.txn.when_value("a", Relation::NotEqual, vec![0xff]);
        let (json, text) = (parse(document).unwrap(), text::parse(text).unwrap());
        assert_eq!((&json.then, &json.otherwise), (&text.then, &text.otherwise));
        assert_eq!(json.txn, with_bytes(text));
    }

    #[test]
    fn a_malformed_document_says_where() {
        for (document, why) in [
            ("{", "EOF while parsing"),
            (r#"{"when": []}"#, "unknown field `when`"),
            (r#"{"if": [{"value": "x"}]}"#, "condition 1: key is missing"),
            (r#"{"if": [{"key": "k"}]}"#, "condition 1: give just one of"),
            (r#"{"if": [{"key": "k", "version": 1, "revision": 2}]}"#, "condition 1: give just one of"),
            (
                r#"{"if": [{"key": "k", "relation": ">", "absent": true}]}"#,
                "condition 1: relation is for value",
            ),
            (r#"{"if": [{"key": "k", "prefix": "p", "empty": true}]}"#, "condition 1: relation is for value"),
            (r#"{"then": [{"del_prefix": ""}]}"#, "step 1 of then: an empty prefix"),
            (r#"{"if": [{"prefix": "k"}]}"#, "condition 1: prefix and empty"),
            (r#"{"then": [{"get": "a", "set": "b"}]}"#, "step 1 of then: give just one of"),
            (r#"{"else": [{"get": "a", "value": "b"}]}"#, "step 1 of else: value is for set"),
            (r#"{"then": [{"set": "a"}]}"#, "step 1 of then: neither value nor"),
        ] {
            let error = parse(document).unwrap_err();
            assert!(error.starts_with(why), "{document}: {error}");
        }
    }
}
