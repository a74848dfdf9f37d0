//! The results of the steps of a transaction, as they are printed.

use coffee_client::{Entry, StepResult};
use coffee_common::key::Key;
use serde::Serialize;

use super::StepLabel;
use crate::{
    printer::{
        Printable, escape,
        json::{KeyField, ValueField},
        table::TextTable,
    },
    verb::keys::shown_value,
    wording,
};

/// The result of `txn`.
#[derive(Serialize)]
pub(super) struct Transacted {
    /// Whether all conditions held.
    pub(super) succeeded: bool,
    pub(super) revision: u64,
    pub(super) request_id: String,
    pub(super) steps: Vec<StepRow>,
}

/// A step that was taken.
#[derive(Default, Serialize)]
pub(super) struct StepRow {
    step: &'static str,
    /// The key or prefix.
    #[serde(flatten)]
    key: KeyField<Vec<u8>>,
    /// The revision of the key before, of a step that sets or deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Option<u64>>,
    /// The sum of `add`.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    /// How many keys `del --prefix` has deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u32>,
    /// The entry that `get` has read; `null` if the key does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Option<EntryField>>,
    /// The keys that `keys` has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<ReadKey>>,
    /// Whether `keys` may have left out some.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// Whether the step took effect, but what it reads is not known any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    not_read: bool,
}

#[derive(Serialize)]
struct EntryField {
    #[serde(flatten)]
    value_field: ValueField,
    revision: u64,
    version: u64,
    #[serde(skip)]
    value: Vec<u8>,
}

#[derive(Serialize)]
struct ReadKey {
    #[serde(flatten)]
    key: KeyField<Vec<u8>>,
    #[serde(flatten)]
    value_field: Option<ValueField>,
    revision: u64,
    #[serde(skip)]
    value: Option<Vec<u8>>,
}

impl ReadKey {
    fn new(key: &Key, entry: &Entry, with_value: bool) -> Self {
        let value = with_value.then(|| entry.value.as_bytes().to_vec());
        Self {
            key: KeyField(key.as_bytes().to_owned()),
            value_field: value.as_deref().map(ValueField::new),
            revision: entry.modified.0,
            value,
        }
    }
}

impl EntryField {
    fn new(entry: &Entry) -> Self {
        let value = entry.value.as_bytes().to_vec();
        let value_field = ValueField::new(&value);
        Self { value_field, revision: entry.modified.0, version: entry.version, value }
    }
}

/// The rows of steps and their results.
pub(super) fn rows(labels: &[StepLabel], results: Vec<StepResult>) -> Vec<StepRow> {
    labels.iter().zip(results).map(|(label, result)| StepRow::new(label, result)).collect()
}

impl StepRow {
    fn new(label: &StepLabel, result: StepResult) -> Self {
        let row = Self { step: label.verb, key: KeyField(label.key.clone()), ..Self::default() };
        match result {
            StepResult::Changed(previous) => {
                Self { previous: Some(previous.map(|revision| revision.0)), ..row }
            }
            StepResult::RangeDeleted { count, .. } => Self { deleted: Some(count), ..row },
            StepResult::Added(number) => Self { number: Some(number), ..row },
            StepResult::Entry(entry) => Self { entry: Some(entry.as_ref().map(EntryField::new)), ..row },
            StepResult::Page { entries, upto } => {
                let keys = entries.iter().map(|(key, entry)| ReadKey::new(key, entry, label.with_values));
                Self { keys: Some(keys.collect()), more: Some(upto.is_some()), ..row }
            }
            _ => Self { not_read: true, ..row },
        }
    }

    /// Its result, in a few words.
    fn shown(&self) -> String {
        if self.not_read {
            return "(done, but not read)".to_owned();
        }
        if let Some(number) = self.number {
            return number.to_string();
        }
        if let Some(deleted) = self.deleted {
            return format!("{} deleted", wording::keys(u64::from(deleted)));
        }
        match (&self.previous, &self.entry, &self.keys) {
            (Some(Some(previous)), ..) => format!("was revision {previous}"),
            (Some(None), ..) | (_, Some(None), _) => "did not exist".to_owned(),
            (_, Some(Some(entry)), _) => shown_value(&entry.value),
            (.., Some(keys)) => {
                let more = if self.more == Some(true) { ", and more" } else { "" };
                format!("{}{more}", wording::keys(keys.len() as u64))
            }
            _ => String::new(),
        }
    }
}

impl Printable for Transacted {
    fn table(&self) -> String {
        let branch = if self.succeeded { "all conditions hold" } else { "a condition does not hold" };
        let mut text = format!("revision {}: {branch}\n", self.revision);
        let mut table = TextTable::without_header();
        for row in &self.steps {
            table.row([format!("{} {}", row.step, escape::shown_bytes(&row.key.0)), row.shown()]);
            for key in row.keys.iter().flatten() {
                let value = key.value.as_deref().map(shown_value).unwrap_or_default();
                table.row([format!("  {}", escape::shown_bytes(&key.key.0)), value]);
            }
        }
        text.push_str(&table.render());
        text
    }

    /// The branch and the revision; then a line per step: its verb, its key and its result, or one line per
    /// key that it has read.
    fn plain(&self) -> Vec<Vec<String>> {
        let branch = if self.succeeded { "then" } else { "else" };
        let mut lines = vec![vec![branch.to_owned(), self.revision.to_string()]];
        for row in &self.steps {
            let line = |fields: Vec<String>| {
                [vec![row.step.to_owned(), escape::bytes_field(&row.key.0)], fields].concat()
            };
            let number = |number: &Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
            match (&row.previous, &row.entry, &row.keys) {
                (Some(previous), ..) => lines.push(line(vec![number(previous)])),
                (_, Some(entry), _) => lines.push(line(match entry {
                    Some(entry) => vec![entry.revision.to_string(), escape::bytes_field(&entry.value)],
                    None => vec![String::new()],
                })),
                (.., Some(keys)) => lines.extend(keys.iter().map(|key| {
                    let mut fields = vec![escape::bytes_field(&key.key.0), key.revision.to_string()];
                    fields.extend(key.value.as_deref().map(escape::bytes_field));
                    line(fields)
                })),
                _ => lines.push(line(match (row.number, row.deleted) {
                    (Some(number), _) => vec![number.to_string()],
                    (None, Some(deleted)) => vec![deleted.to_string()],
                    (None, None) => Vec::new(),
                })),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use coffee_client::{Revision, Value};

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn transacted() -> Transacted {
        let label = |verb, key: &str| StepLabel { verb, key: key.into(), with_values: true };
        let entry = || Entry {
            value: Value::new("a\tb").unwrap(),
            created: Revision(3),
            modified: Revision(7),
            version: 2,
        };
        let entries = vec![(Key::new("orders/1").unwrap(), entry())];
        let steps = [
            (label("set", "orders/7"), StepResult::Changed(None)),
            (label("del", "orders/6"), StepResult::Changed(Some(Revision(5)))),
            (label("add", "count"), StepResult::Added(-3)),
            (label("del --prefix", "tmp/"), StepResult::RangeDeleted { count: 2, rest: None }),
            (label("get", "shop"), StepResult::Entry(Some(entry()))),
            (label("get", "none"), StepResult::Entry(None)),
            (label("keys", "orders/"), StepResult::Page { entries, upto: None }),
            (label("get", "late"), StepResult::NotRead),
        ];
        let (labels, results): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
        Transacted {
            succeeded: true,
            revision: 4711,
            request_id: "c0ffee-7-1".into(),
            steps: rows(&labels, results),
        }
    }

    #[test]
    fn golden() {
        assert_eq!(
            printed(Format::Table, &transacted()),
            "revision 4711: all conditions hold\n\
             set orders/7       did not exist\n\
             del orders/6       was revision 5\n\
             add count          -3\n\
             del --prefix tmp/  2 keys deleted\n\
             get shop           a\\tb\n\
             get none           did not exist\n\
             keys orders/       1 key\n\
             \x20 orders/1         a\\tb\n\
             get late           (done, but not read)\n"
        );
        assert_eq!(
            printed(Format::Plain, &transacted()),
            "then\t4711\nset\torders/7\t\ndel\torders/6\t5\nadd\tcount\t-3\ndel --prefix\ttmp/\t2\n\
             get\tshop\t7\ta\\tb\nget\tnone\t\nkeys\torders/\torders/1\t7\ta\\tb\nget\tlate\n"
        );
        assert_eq!(
            printed(Format::Json, &transacted()),
            "{\"apiVersion\":\"coffee/v1\",\"succeeded\":true,\"revision\":4711,\"request_id\":\"c0ffee-7-1\",\"steps\":[\
             {\"step\":\"set\",\"key\":\"orders/7\",\"previous\":null},\
             {\"step\":\"del\",\"key\":\"orders/6\",\"previous\":5},\
             {\"step\":\"add\",\"key\":\"count\",\"number\":-3},\
             {\"step\":\"del --prefix\",\"key\":\"tmp/\",\"deleted\":2},\
             {\"step\":\"get\",\"key\":\"shop\",\"entry\":{\"value\":\"a\\tb\",\"revision\":7,\"version\":2}},\
             {\"step\":\"get\",\"key\":\"none\",\"entry\":null},\
             {\"step\":\"keys\",\"key\":\"orders/\",\"keys\":[{\"key\":\"orders/1\",\"value\":\"a\\tb\",\"revision\":7}],\
             \"more\":false},\
             {\"step\":\"get\",\"key\":\"late\",\"not_read\":true}]}\n"
        );
    }
}
