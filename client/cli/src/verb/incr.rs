//! `incr` and `next-id`: add to the number that a key has as its value.

use clap::Args;
use coffee_client::{StepResult, Txn, TxnResult, TxnStep};
use coffee_common::{id::RequestId, key::Key};
use serde::Serialize;

use super::write;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    key_argument::key_parser,
    printer::{Printable, escape, json::KeyField},
};

pub(crate) const AFTER_HELP: &str = "\
The value is a number in decimal, from -2^63 to 2^63-1; a key that does not
exist counts as 0. A sum out of bounds changes nothing: exit code 4.";

/// `incr`.
#[derive(Debug, Args)]
pub(crate) struct IncrArguments {
    /// The key
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// The number to add
    #[arg(long, value_name = "NUMBER", default_value_t = 1, allow_negative_numbers = true)]
    by: i64,
    /// The lowest sum that is allowed
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    min: Option<i64>,
    /// The highest sum that is allowed
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    max: Option<i64>,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

/// `next-id`.
#[derive(Debug, Args)]
pub(crate) struct NextIdArguments {
    /// The key that counts
    #[arg(value_name = "KEY", value_parser = key_parser())]
    key: Key,
    /// Retry a write whose outcome is unknown; it is applied at most once
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

pub(crate) async fn run(
    arguments: &IncrArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let bounds = arguments.min.unwrap_or(i64::MIN)..=arguments.max.unwrap_or(i64::MAX);
    let step = TxnStep::add_within(&arguments.key, arguments.by, bounds);
    add(&arguments.key, step, arguments.request_id, invocation).await
}

pub(crate) async fn run_next_id(
    arguments: &NextIdArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    add(&arguments.key, TxnStep::add(&arguments.key, 1), arguments.request_id, invocation).await
}

async fn add(
    key: &Key,
    step: TxnStep,
    request: Option<RequestId>,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let TxnResult { request, revision, results, .. } =
        write::transact(Txn::new().then(step), request, invocation).await?;
    let [StepResult::Added(number)] = results[..] else {
        return Err(Failure::new(ExitCode::Unknown, "the node's response does not match the request")
            .hint(format!("'coffeectl get {}' shows the number", escape::shown_bytes(key.as_bytes()))));
    };
    let (revision, request_id) = (revision.0, request.to_string());
    invocation.printer.report(&CounterSum { key: KeyField(key.as_bytes()), number, revision, request_id });
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct CounterSum<'a> {
    #[serde(flatten)]
    key: KeyField<&'a [u8]>,
    number: i64,
    revision: u64,
    request_id: String,
}

impl Printable for CounterSum<'_> {
    fn table(&self) -> String {
        format!("{}\n", self.number)
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.number.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let sum = CounterSum {
            key: KeyField(b"orders/last"),
            number: -7,
            revision: 4711,
            request_id: "c0ffee-7-1".into(),
        };
        assert_eq!(printed(Format::Table, &sum), "-7\n");
        assert_eq!(printed(Format::Plain, &sum), "-7\n");
        assert_eq!(
            printed(Format::Json, &sum),
            "{\"apiVersion\":\"coffee/v1\",\"key\":\"orders/last\",\"number\":-7,\"revision\":4711,\
             \"request_id\":\"c0ffee-7-1\"}\n"
        );
    }
}
