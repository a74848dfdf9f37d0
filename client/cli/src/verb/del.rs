//! `del`: deletes a key, or all keys with a prefix.

use clap::Args;
use coffee_client::Error;
use coffee_common::{
    command::Operation,
    id::RequestId,
    key::{Key, KeyRange},
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_argument::key_parser,
    printer::{
        Printable, escape,
        json::{KeyField, PrefixField},
    },
    verb::write::{self, WriteResult},
    wording,
};

/// `del`.
#[derive(Debug, Args)]
pub(crate) struct DelArguments {
    /// The key, or the prefix of --prefix
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// Delete all keys that start with KEY, part by part
    #[arg(long, conflicts_with_all = ["if_rev", "request_id"])]
    prefix: bool,
    /// Delete only if the key was last changed at this revision
    #[arg(long, value_name = "REVISION")]
    if_rev: Option<u64>,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

pub(crate) async fn run(
    arguments: &DelArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    if arguments.prefix {
        return delete_prefix(&arguments.key, invocation).await;
    }
    let operation = Operation::Delete(arguments.key.clone());
    let conditions = write::if_revision(&arguments.key, arguments.if_rev).into_iter().collect();
    let done = write::run(operation, conditions, arguments.request_id, invocation).await?;
    invocation.printer.report(&Deleted {
        key: KeyField(arguments.key.as_bytes()),
        changed: done.previous.is_some(),
        done,
    });
    Ok(ExitCode::Done)
}

/// Deletes the keys part by part. Deleting again does no harm, so an end before the last part loses nothing.
async fn delete_prefix(prefix: &Key, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let mut range = KeyRange::prefix(prefix);
    let mut progress = invocation.printer.progress();
    let mut keys = 0;
    loop {
        let again = format!("{} deleted before; run it again for the rest", wording::keys(keys));
        // For an interruption.
        invocation.session.begin_traces(again.clone());
        let part = client.delete_part(range.clone()).await;
        invocation.session.end_traces();
        let part = part.map_err(|error| failed(error).hint(again))?;
        keys += u64::from(part.count);
        progress.show(&format!("{} deleted", wording::keys(keys)));
        let Some(rest) = part.rest else { break };
        range = KeyRange::between(rest, range.to());
    }
    drop(progress);
    invocation.printer.report(&DeletedKeys {
        prefix: PrefixField(prefix.as_bytes()),
        keys,
        changed: keys > 0,
    });
    Ok(ExitCode::Done)
}

/// The failure of a part. It is not retried under its request id, but as a whole.
fn failed(error: Error) -> Failure {
    Failure::from(match error {
        Error::Unknown { reason, request: _ } => Error::Unknown { reason, request: None },
        other => other,
    })
}

#[derive(Serialize)]
struct DeletedKeys<'a> {
    #[serde(flatten)]
    prefix: PrefixField<'a>,
    keys: u64,
    changed: bool,
}

impl Printable for DeletedKeys<'_> {
    fn table(&self) -> String {
        format!("{} deleted\n", wording::keys(self.keys))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.keys.to_string()]]
    }
}

#[derive(Serialize)]
struct Deleted<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    changed: bool,
    #[serde(flatten)]
    done: WriteResult,
}

impl Printable for Deleted<'_> {
    fn table(&self) -> String {
        if self.changed {
            format!("revision {}\n", self.done.revision)
        } else {
            format!("{} did not exist\n", escape::shown_bytes(self.key.0))
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.done.revision.to_string(), self.changed.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let done = |previous| WriteResult { revision: 9, previous, request_id: "c0ffee-7-1".into() };
        let deleted = Deleted { key: KeyField(b"order/1"), changed: true, done: done(Some(8)) };
        assert_eq!(printed(Format::Table, &deleted), "revision 9\n");
        assert_eq!(printed(Format::Plain, &deleted), "9\ttrue\n");
        assert_eq!(
            printed(Format::Json, &deleted),
            "{\"apiVersion\":\"coffee/v1\",\"key\":\"order/1\",\"changed\":true,\"revision\":9,\"previous\":8,\
             \"request_id\":\"c0ffee-7-1\"}\n"
        );
        let keys = DeletedKeys { prefix: PrefixField(b"tmp/"), keys: 3, changed: true };
        assert_eq!(printed(Format::Table, &keys), "3 keys deleted\n");
        assert_eq!(printed(Format::Plain, &keys), "3\n");
        assert_eq!(
            printed(Format::Json, &keys),
            "{\"apiVersion\":\"coffee/v1\",\"prefix\":\"tmp/\",\"keys\":3,\"changed\":true}\n"
        );
        let absent = Deleted { key: KeyField(b"a\nb"), changed: false, done: done(None) };
        assert_eq!(printed(Format::Table, &absent), "a\\nb did not exist\n");
        assert_eq!(printed(Format::Plain, &absent), "9\tfalse\n");
    }
}
