//! `keys`: lists the keys with a prefix, page by page.
//!
//! Prints each page as it arrives, so memory does not grow with the number of
//! keys. All are of one revision, if the cluster keeps a history.

use std::{ffi::OsString, os::unix::ffi::OsStrExt};

use clap::Args;
use coffee_client::PageOptions;
use coffee_common::{
    entry::Entry,
    id::Revision,
    key::{Key, KeyRange},
    limits::RANGE_KEYS_MAX,
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_pages::{self, KeyPages},
    printer::{
        Printable, escape,
        json::{KeyField, ValueField},
        table::TextTable,
    },
};

/// `keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    /// List only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// List at most this many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Print the values too
    #[arg(long)]
    values: bool,
    /// List the keys that were there at this revision
    #[arg(long, value_name = "REVISION")]
    rev: Option<u64>,
}

/// The most characters of a value that a table shows.
const SHOWN_CHARACTERS_MAX: usize = 60;

pub(crate) async fn run(
    arguments: &KeysArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let range = KeyRange::prefix(arguments.prefix.as_bytes());
    let mut pages = match arguments.rev {
        None => KeyPages::new(&client, range),
        Some(revision) => KeyPages::at(&client, range, Revision(revision)),
    };
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    invocation.printer.list_start("keys");
    while left > 0 && !invocation.printer.is_closed() {
        let limit = u32::try_from(left).unwrap_or(RANGE_KEYS_MAX).min(RANGE_KEYS_MAX);
        let options =
            PageOptions { limit, keys_only: !arguments.values, consistency: invocation.options.consistency };
        let Some(entries) = pages.next(options).await.map_err(Failure::of_revision)? else { break };
        let rows: Vec<KeyRow> =
            entries.iter().map(|(key, entry)| KeyRow::new(key, entry, arguments.values)).collect();
        invocation.printer.list_page(&rows, table);
        left = left.saturating_sub(rows.len() as u64);
    }
    invocation.printer.list_end(&KeysTail { more: pages.has_more() });
    if pages.is_mixed() {
        invocation.printer.note(key_pages::MIXED);
    }
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct KeysTail {
    /// Whether there may be more keys than were listed.
    more: bool,
}

#[derive(Serialize)]
struct KeyRow<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    #[serde(flatten)]
    value_field: Option<ValueField>,
    revision: u64,
    created: u64,
    version: u64,
    #[serde(skip)]
    value: Option<&'a [u8]>,
}

impl<'a> KeyRow<'a> {
    fn new(key: &'a Key, entry: &'a Entry, with_value: bool) -> Self {
        let value = with_value.then_some(&entry.value.as_bytes()[..]);
        Self {
            key: KeyField(key.as_bytes()),
            value_field: value.map(ValueField::new),
            revision: entry.modified.0,
            created: entry.created.0,
            version: entry.version,
            value,
        }
    }
}

fn table(rows: &[KeyRow<'_>]) -> String {
    let mut table = TextTable::without_header().right([1]);
    for row in rows {
        match row.value {
            None => table.row([escape::shown_bytes(row.key.0)]),
            Some(value) => {
                table.row([escape::shown_bytes(row.key.0), row.revision.to_string(), shown_value(value)])
            }
        }
    }
    table.render()
}

/// Returns a value for a table: truncated if it is long, only its size if it is not UTF-8.
pub(super) fn shown_value(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Err(_) => format!("({} bytes)", value.len()),
        Ok(text) => match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
            None => escape::shown(text),
            Some((end, _)) => format!("{}.. ({} bytes)", escape::shown(&text[..end]), value.len()),
        },
    }
}

impl Printable for KeyRow<'_> {
    fn table(&self) -> String {
        table(std::slice::from_ref(self))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let mut fields = vec![escape::bytes_field(self.key.0), self.revision.to_string()];
        fields.extend(self.value.map(escape::bytes_field));
        vec![fields]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{id::Revision, key::Value};

    use super::*;
    use crate::printer::{Format, tests::captured};

    fn entry(value: &[u8], revision: u64) -> Entry {
        Entry {
            value: Value::new(value.to_vec()).unwrap(),
            created: Revision(3),
            modified: Revision(revision),
            version: 2,
        }
    }

    fn printed(format: Format, with_values: bool) -> String {
        let keys = ["order/1", "a\tb☕"].map(|text| Key::new(text).unwrap());
        let entries = [entry(b"latte", 7), entry(b"\xff\n", 4711)];
        let rows: Vec<KeyRow> =
            keys.iter().zip(&entries).map(|(k, e)| KeyRow::new(k, e, with_values)).collect();
        let (mut printer, out, _) = captured(format);
        printer.list_start("keys");
        printer.list_page(&rows, table);
        printer.list_end(&KeysTail { more: false });
        out.text()
    }

    #[test]
    fn golden() {
        assert_eq!(printed(Format::Table, false), "order/1\na\\tb☕\n");
        assert_eq!(printed(Format::Table, true), "order/1     7  latte\na\\tb☕   4711  (2 bytes)\n");
        assert_eq!(printed(Format::Plain, false), "order/1\t7\na\\tb☕\t4711\n");
        assert_eq!(printed(Format::Plain, true), "order/1\t7\tlatte\na\\tb☕\t4711\t\\xff\\n\n");
        assert_eq!(
            printed(Format::Json, true),
            "{\"apiVersion\":\"coffee/v1\",\"keys\":[{\"key\":\"order/1\",\"value\":\"latte\",\"revision\":7,\"created\":3,\
             \"version\":2},{\"key\":\"a\\tb☕\",\"value_base64\":\"/wo=\",\"revision\":4711,\"created\":3,\"version\":2}],\
             \"more\":false}\n"
        );
        assert!(!printed(Format::Json, false).contains("value"));
    }

    #[test]
    fn long_values_are_cut_off_between_characters() {
        assert_eq!(shown_value("ä".repeat(60).as_bytes()), "ä".repeat(60));
        assert_eq!(shown_value("ä".repeat(61).as_bytes()), format!("{}.. (122 bytes)", "ä".repeat(60)));
    }
}
