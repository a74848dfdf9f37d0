//! `undo`: puts back what a revision has changed, if nothing has changed it since.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use clap::Args;
use coffee_client::{HistoryOptions, KeyChange, Relation, RevisionChanges, Txn, TxnStep, WatchOptions};
use coffee_common::{
    id::{RequestId, Revision},
    key::KeyRange,
    limits::TRANSACTION_STEPS_MAX,
    protocol::Consistency,
};
use serde::Serialize;

use super::{keys::shown_value, write};
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape, json::KeyField, table::TextTable},
    words,
};

/// `undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArguments {
    /// The revision whose changes are put back
    #[arg(value_name = "REVISION", value_parser = clap::value_parser!(u64).range(1..))]
    revision: u64,
    /// Put back only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    prefix: OsString,
    /// Only show what would be put back
    #[arg(long)]
    dry_run: bool,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

pub(crate) async fn run(
    arguments: &UndoArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let at = Revision(arguments.revision);
    let changes = changes_of(at, KeyRange::prefix(arguments.prefix.as_bytes()), invocation).await?;
    let (txn, keys) = reversed(at, &changes.changes)?;
    if arguments.dry_run {
        check_last(at, &changes.changes, invocation).await?;
        invocation.printer.report(&Undone { changed: false, revision: None, keys });
        return Ok(ExitCode::Done);
    }
    let done = write::transact(txn, arguments.request_id, invocation).await?;
    if !done.succeeded {
        let named = check_last(at, &changes.changes, invocation).await.err();
        let named = named.filter(|failure| failure.code() == ExitCode::ConditionFalse);
        return Err(named.unwrap_or_else(|| changed_since(at, "a key")));
    }
    invocation.printer.report(&Undone { changed: true, revision: Some(done.revision.0), keys });
    Ok(ExitCode::Done)
}

/// Fails with the first key that has changed since a revision. Only the transaction can say that none has.
async fn check_last(at: Revision, changes: &[KeyChange], invocation: &Invocation<'_>) -> Result<(), Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let options = HistoryOptions { limit: 1, without_values: true, ..HistoryOptions::default() };
    for change in changes {
        let history = client.history(&change.key, options).await.map_err(Failure::of_revision)?;
        if history.versions.first().map(|last| last.revision) != Some(at) {
            return Err(changed_since(at, &escape::shown_bytes(change.key.as_bytes())));
        }
    }
    Ok(())
}

fn changed_since(at: Revision, what: &str) -> Failure {
    Failure::new(
        ExitCode::ConditionFalse,
        format!("{what} has changed since revision {at}; nothing was put back"),
    )
    .hint("'coffeectl history KEY' shows who changed it, 'coffeectl get KEY --rev REVISION' an earlier value")
}

/// Reads the changes of a revision.
async fn changes_of(
    at: Revision,
    range: KeyRange,
    invocation: &mut Invocation<'_>,
) -> Result<RevisionChanges, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let local = invocation.options.consistency == Consistency::Local;
    let options = WatchOptions { with_previous: true, local, ..WatchOptions::default() };
    let mut after = Revision(at.0 - 1);
    while after < at {
        let page = client.changes(range.clone(), after, options).await.map_err(Failure::of_revision)?;
        match page.changes.into_iter().next() {
            Some(changes) if changes.revision == at => return Ok(changes),
            Some(_) => break,
            // All that there are were looked at.
            None if page.upto <= after => {
                return Err(Failure::usage(format!("revision {at} has not been reached yet")).hint(
                    "revisions are shown by 'coffeectl history KEY' and 'coffeectl get KEY --revision'",
                ));
            }
            None => after = page.upto,
        }
    }
    Err(Failure::new(ExitCode::NotFound, format!("revision {at} has changed no key here"))
        .hint("'coffeectl history KEY' shows the revisions that changed a key"))
}

/// Returns the transaction that puts changes back, and what it does with each key.
fn reversed(at: Revision, changes: &[KeyChange]) -> Result<(Txn, Vec<UndoneKey>), Failure> {
    if changes.len() > TRANSACTION_STEPS_MAX {
        return Err(Failure::new(
            ExitCode::Refused,
            format!(
                "revision {at} has changed {} keys, more than the {TRANSACTION_STEPS_MAX} of a transaction",
                changes.len()
            ),
        )
        .hint("put them back part by part: name a PREFIX"));
    }
    let (mut txn, mut keys) = (Txn::new(), Vec::new());
    for change in changes {
        let key = &change.key;
        txn = match change.entry {
            Some(_) => txn.when_revision(key, Relation::Equal, at),
            None => txn.when_deleted(key, at),
        };
        let value = match (&change.previous, &change.previous_entry) {
            (None, _) => None,
            (Some(_), Some(entry)) => Some(entry.value.as_bytes().clone()),
            (Some(previous), None) => {
                let key = words::join([OsStr::from_bytes(key.as_bytes())]);
                return Err(Failure::new(
                    ExitCode::Refused,
                    format!("the values before revision {at} are too large to be put back together"),
                )
                .hint(format!("put them back one by one: coffeectl get --rev {previous} -- {key}")));
            }
        };
        let shown = value.as_ref().map(|value| shown_value(value));
        keys.push(UndoneKey { key: KeyField(key.as_bytes().to_owned()), deleted: value.is_none(), shown });
        txn = txn.then(match value {
            Some(value) => TxnStep::set(key, value),
            None => TxnStep::delete(key),
        });
    }
    Ok((txn, keys))
}

#[derive(Serialize)]
struct Undone {
    changed: bool,
    /// The revision that put them back.
    revision: Option<u64>,
    keys: Vec<UndoneKey>,
}

#[derive(Debug, Serialize)]
struct UndoneKey {
    #[serde(flatten)]
    key: KeyField<Vec<u8>>,
    /// Whether it did not exist before, and is deleted.
    deleted: bool,
    #[serde(skip)]
    shown: Option<String>,
}

impl Printable for Undone {
    fn table(&self) -> String {
        let mut text = match self.revision {
            Some(revision) => format!("revision {revision}\n"),
            None => "nothing was changed; this would put back:\n".to_owned(),
        };
        let mut table = TextTable::without_header();
        for key in &self.keys {
            let shown = key.shown.clone().unwrap_or_else(|| "(deleted)".to_owned());
            table.row([escape::shown_bytes(&key.key.0), shown]);
        }
        text.push_str(&table.render());
        text
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let line = |key: &UndoneKey| {
            vec![if key.deleted { "del" } else { "set" }.to_owned(), escape::bytes_field(&key.key.0)]
        };
        self.keys.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use coffee_client::{Entry, Value};
    use coffee_common::key::Key;

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn change(name: &str, is_set: bool, previous: Option<&'static str>) -> KeyChange {
        let entry = |value: &'static str| Entry {
            value: Value::new(value).unwrap(),
            created: Revision(3),
            modified: Revision(7),
            version: 2,
        };
        KeyChange {
            key: Key::new(name).unwrap(),
            entry: is_set.then(|| entry("now")),
            previous: previous.map(|_| Revision(5)),
            previous_entry: previous.map(entry),
        }
    }

    #[test]
    fn what_was_there_is_put_back_if_nothing_has_changed_it() {
        let changes =
            [change("a", true, Some("before")), change("b", true, None), change("c", false, Some("gone"))];
        let (txn, keys) = reversed(Revision(7), &changes).unwrap();
        let expected = Txn::new()
            .when_revision("a", Relation::Equal, Revision(7))
            .then(TxnStep::set("a", "before"))
            .when_revision("b", Relation::Equal, Revision(7))
            .then(TxnStep::delete("b"))
            .when_deleted("c", Revision(7))
            .then(TxnStep::set("c", "gone"));
        assert_eq!(txn, expected);
        let done = Undone { changed: true, revision: Some(9), keys };
        assert_eq!(printed(Format::Table, &done), "revision 9\na  before\nb  (deleted)\nc  gone\n");
        assert_eq!(printed(Format::Plain, &done), "set\ta\ndel\tb\nset\tc\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"changed\":true,\"revision\":9,\"keys\":[{\"key\":\"a\",\"deleted\":false},\
             {\"key\":\"b\",\"deleted\":true},{\"key\":\"c\",\"deleted\":false}]}\n"
        );
    }

    #[test]
    fn what_is_too_much_is_refused_before_anything_is_changed() {
        let many: Vec<_> = (0..=TRANSACTION_STEPS_MAX).map(|n| change(&n.to_string(), true, None)).collect();
        assert_eq!(reversed(Revision(7), &many).unwrap_err().code(), ExitCode::Refused);
        let long = KeyChange { previous_entry: None, ..change("a", true, Some("before")) };
        let failure = reversed(Revision(7), &[long]).unwrap_err();
        assert!(failure.message().contains("too large"), "{failure:?}");
    }
}
