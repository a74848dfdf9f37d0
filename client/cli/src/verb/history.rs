//! `history`: the versions of a key, with the time and the author of each change.

use clap::Args;
use coffee_client::HistoryOptions;
use coffee_common::{id::Revision, key::Key, limits::VERSIONS_MAX, protocol::VersionView};
use serde::Serialize;

use super::keys::shown_value;
use crate::{
    dates,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_argument::key_parser,
    printer::{Printable, escape, json::ValueField, table::TextTable},
    wording,
};

/// `history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The key
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// Show at most this many versions, the newest first
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Show only versions before the one of this revision
    #[arg(long, value_name = "REVISION")]
    before: Option<u64>,
}

pub(crate) async fn run(
    arguments: &HistoryArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let (mut before, mut more, mut count) = (arguments.before.map(Revision), true, 0);
    invocation.printer.list_start("versions");
    while more && left > 0 && !invocation.printer.is_closed() {
        let limit = left.min(VERSIONS_MAX as u64) as u32;
        let consistency = invocation.options.consistency;
        let options = HistoryOptions { before, limit, without_values: false, consistency };
        let page = client.history(arguments.key.clone(), options).await.map_err(Failure::of_revision)?;
        let rows: Vec<VersionRow<'_>> = page.versions.iter().map(VersionRow::new).collect();
        if !rows.is_empty() {
            invocation.printer.list_page(&rows, |rows| table(rows, count == 0));
        }
        count += rows.len();
        left = left.saturating_sub(rows.len() as u64);
        before = page.versions.last().map(|version| version.revision).or(before);
        more = page.more && !page.versions.is_empty();
    }
    invocation.printer.list_end(&HistoryTail { more });
    match count {
        0 => Err(no_version(&arguments.key)),
        _ => Ok(ExitCode::Done),
    }
}

fn no_version(key: &Key) -> Failure {
    let key = escape::shown_bytes(key.as_bytes());
    Failure::new(ExitCode::NotFound, format!("no version of key {key} is known"))
        .hint("'coffeectl keys' lists the keys; 'coffeectl settings' shows how much history is kept")
}

#[derive(Serialize)]
struct HistoryTail {
    /// Whether there are earlier versions than were shown.
    more: bool,
}

#[derive(Serialize)]
struct VersionRow<'a> {
    revision: u64,
    /// Whether the key was deleted.
    deleted: bool,
    #[serde(flatten)]
    value_field: Option<ValueField>,
    created: Option<u64>,
    version: Option<u64>,
    /// `None` if the history has the version, but no longer the change that made it.
    time: Option<String>,
    role: Option<&'a str>,
    author: Option<&'a str>,
    #[serde(skip)]
    value: Option<&'a [u8]>,
}

impl<'a> VersionRow<'a> {
    fn new(version: &'a VersionView) -> Self {
        let entry = version.entry.as_ref();
        let (role, author) = version.author.split_once(' ').unzip();
        Self {
            revision: version.revision.0,
            deleted: entry.is_none(),
            value_field: entry.map(|entry| ValueField::new(entry.value.as_bytes())),
            created: entry.map(|entry| entry.created.0),
            version: entry.map(|entry| entry.version),
            time: version.at_ms.map(|at_ms| dates::utc(i64::try_from(at_ms / 1000).unwrap_or(i64::MAX))),
            role,
            author,
            value: entry.map(|entry| &entry.value.as_bytes()[..]),
        }
    }
}

fn table(rows: &[VersionRow<'_>], with_header: bool) -> String {
    let mut table = match with_header {
        true => TextTable::new(["REVISION", "TIME", "AUTHOR", "VERSION", "VALUE"]),
        false => TextTable::without_header(),
    };
    for row in rows {
        let author = row
            .author
            .zip(row.role)
            .map(|(author, role)| format!("{} ({})", escape::shown(author), escape::shown(role)));
        table.row([
            row.revision.to_string(),
            wording::or_nothing(row.time.as_deref()),
            wording::or_nothing(author),
            wording::or_nothing(row.version),
            row.value.map_or_else(|| "(deleted)".to_owned(), shown_value),
        ]);
    }
    table.render()
}

impl Printable for VersionRow<'_> {
    fn table(&self) -> String {
        table(std::slice::from_ref(self), false)
    }

    /// A deletion has no value: its row is a field shorter.
    fn plain(&self) -> Vec<Vec<String>> {
        let text = |field: Option<&str>| escape::field(field.unwrap_or_default());
        let mut fields = vec![
            self.revision.to_string(),
            text(self.time.as_deref()),
            text(self.role),
            text(self.author),
            self.version.map_or_else(String::new, |version| version.to_string()),
        ];
        fields.extend(self.value.map(escape::bytes_field));
        vec![fields]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{entry::Entry, key::Value};

    use super::*;
    use crate::printer::{Format, tests::captured};

    fn printed(format: Format) -> String {
        let entry = Entry {
            value: Value::new("latte").unwrap(),
            created: Revision(3),
            modified: Revision(7),
            version: 2,
        };
        let version = |revision, entry, at_ms, author: &str| VersionView {
            revision: Revision(revision),
            entry,
            at_ms,
            author: author.to_owned(),
        };
        let versions =
            [version(4711, None, Some(1_795_399_453_999), "writer till"), version(7, Some(entry), None, "")];
        let rows: Vec<_> = versions.iter().map(VersionRow::new).collect();
        let (mut printer, out, _) = captured(format);
        printer.list_start("versions");
        printer.list_page(&rows, |rows| table(rows, true));
        printer.list_end(&HistoryTail { more: false });
        out.text()
    }

    #[test]
    fn golden() {
        assert_eq!(
            printed(Format::Table),
            "REVISION  TIME                  AUTHOR         VERSION  VALUE\n\
             4711      2026-11-23T02:04:13Z  till (writer)  -        (deleted)\n\
             7         -                     -              2        latte\n"
        );
        assert_eq!(printed(Format::Plain), "4711\t2026-11-23T02:04:13Z\twriter\ttill\t\n7\t\t\t\t2\tlatte\n");
        assert_eq!(
            printed(Format::Json),
            "{\"apiVersion\":\"coffee/v1\",\"versions\":[{\"revision\":4711,\"deleted\":true,\"created\":null,\
             \"version\":null,\"time\":\"2026-11-23T02:04:13Z\",\"role\":\"writer\",\"author\":\"till\"},\
             {\"revision\":7,\"deleted\":false,\"value\":\"latte\",\"created\":3,\"version\":2,\"time\":null,\
             \"role\":null,\"author\":null}],\"more\":false}\n"
        );
    }
}
