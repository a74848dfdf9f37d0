//! `get`: prints a key's value, byte for byte.

use std::borrow::Cow;

use clap::Args;
use coffee_client::GetResult;
use coffee_common::{entry::Entry, id::Revision, key::Key};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_argument::key_parser,
    printer::{
        escape,
        json::{KeyField, ValueField},
    },
};

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The key
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// Print the key's revision and a tab before the value
    #[arg(long)]
    revision: bool,
    /// Print the value that the key had at this revision
    #[arg(long, value_name = "REVISION")]
    rev: Option<u64>,
}

pub(crate) async fn run(
    arguments: &GetArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let (key, consistency) = (arguments.key.clone(), invocation.options.consistency);
    let read: GetResult = match arguments.rev {
        None => client.get_with(key, consistency).await?,
        Some(revision) => {
            client.get_at(key, Revision(revision), consistency).await.map_err(Failure::of_revision)?
        }
    };
    let Some(entry) = read.entry else { return Err(not_there(&arguments.key, arguments.rev)) };
    invocation.printer.value(&shown(&entry, arguments.revision), &Got::new(&arguments.key, &entry, read.at));
    Ok(ExitCode::Done)
}

/// Returns the bytes to print: the value as it is stored, after `REVISION<TAB>` if that is wanted.
fn shown(entry: &Entry, revision: bool) -> Cow<'_, [u8]> {
    let value: &[u8] = entry.value.as_bytes();
    match revision {
        false => Cow::Borrowed(value),
        true => Cow::Owned([format!("{}\t", entry.modified).as_bytes(), value].concat()),
    }
}

fn not_there(key: &Key, rev: Option<u64>) -> Failure {
    let key = escape::shown_bytes(key.as_bytes());
    match rev {
        None => Failure::new(ExitCode::NotFound, format!("there is no key {key}"))
            .hint("'coffeectl keys' lists the keys"),
        Some(rev) => Failure::new(ExitCode::NotFound, format!("there was no key {key} at revision {rev}"))
            .hint("'coffeectl history KEY' shows when it was changed"),
    }
}

#[derive(Serialize)]
struct Got<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    #[serde(flatten)]
    value: ValueField,
    revision: u64,
    created: u64,
    version: u64,
    read_at: u64,
}

impl<'a> Got<'a> {
    fn new(key: &'a Key, entry: &Entry, at: Revision) -> Self {
        Self {
            key: KeyField(key.as_bytes()),
            value: ValueField::new(entry.value.as_bytes()),
            revision: entry.modified.0,
            created: entry.created.0,
            version: entry.version,
            read_at: at.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::key::Value;

    use super::*;
    use crate::printer::{Format, tests::captured};

    #[test]
    fn golden() {
        let print = |format, bytes: &'static [u8]| {
            let (key, value) = (Key::new("order/1").unwrap(), Value::new(bytes).unwrap());
            let entry = Entry { value, created: Revision(3), modified: Revision(7), version: 2 };
            let (mut printer, out, _) = captured(format);
            printer.value(entry.value.as_bytes(), &Got::new(&key, &entry, Revision(9)));
            out.text()
        };
        assert_eq!(print(Format::Table, b"a\tb"), "a\tb");
        assert_eq!(print(Format::Plain, b"a\tb"), "a\tb");
        assert_eq!(
            print(Format::Json, b"a\tb"),
            "{\"apiVersion\":\"coffee/v1\",\"key\":\"order/1\",\"value\":\"a\\tb\",\"revision\":7,\"created\":3,\
             \"version\":2,\"read_at\":9}\n"
        );
        assert!(print(Format::Json, b"\xff").contains(r#""value_base64":"/w==""#));
    }

    #[test]
    fn the_revision_comes_before_the_value() {
        let value = Value::new(&b"a\tb\n\xff"[..]).unwrap();
        let entry = Entry { value, created: Revision(3), modified: Revision(4711), version: 2 };
        assert_eq!(*shown(&entry, false), b"a\tb\n\xff"[..]);
        assert_eq!(*shown(&entry, true), b"4711\ta\tb\n\xff"[..]);
    }

    #[test]
    fn a_key_that_is_not_there_has_its_own_code() {
        let key = Key::new("a\nb").unwrap();
        assert_eq!(not_there(&key, None).message(), r"there is no key a\nb");
        assert_eq!(not_there(&key, None).code(), ExitCode::NotFound);
        assert_eq!(not_there(&key, Some(7)).message(), r"there was no key a\nb at revision 7");
    }
}
