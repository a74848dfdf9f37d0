//! `del`: deletes a key.

use clap::Args;
use coffee_common::{command::Operation, id::RequestId, key::Key};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
    verb::write::{self, WriteResult},
};

/// `del`.
#[derive(Debug, Args)]
pub(crate) struct DelArguments {
    /// The key
    #[arg(value_name = "KEY")]
    key: Key,
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
    let operation = Operation::Delete(arguments.key.clone());
    let conditions = write::if_revision(&arguments.key, arguments.if_rev).into_iter().collect();
    let done = write::run(operation, conditions, arguments.request_id, invocation).await?;
    invocation.printer.report(&Deleted {
        key: arguments.key.as_str(),
        changed: done.previous.is_some(),
        done,
    });
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a str,
    changed: bool,
    #[serde(flatten)]
    done: WriteResult,
}

impl Printable for Deleted<'_> {
    fn table(&self) -> String {
        if self.changed {
            format!("revision {}\n", self.done.revision)
        } else {
            format!("{} did not exist\n", escape::shown(self.key))
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
        let deleted = Deleted { key: "order/1", changed: true, done: done(Some(8)) };
        assert_eq!(printed(Format::Table, &deleted), "revision 9\n");
        assert_eq!(printed(Format::Plain, &deleted), "9\ttrue\n");
        assert_eq!(
            printed(Format::Json, &deleted),
            "{\"apiVersion\":\"coffee/v1\",\"key\":\"order/1\",\"changed\":true,\"revision\":9,\"previous\":8,\
             \"request_id\":\"c0ffee-7-1\"}\n"
        );
        let absent = Deleted { key: "a\nb", changed: false, done: done(None) };
        assert_eq!(printed(Format::Table, &absent), "a\\nb did not exist\n");
        assert_eq!(printed(Format::Plain, &absent), "9\tfalse\n");
    }
}
