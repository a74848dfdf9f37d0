//! `can-stop`: checks whether a node can stop without losing the quorum.
//!
//! The exit code is the answer, for scripts that ask before they act.

use clap::Args;
use coffee_common::id::NodeName;
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape},
};

/// `can-stop`.
#[derive(Debug, Args)]
pub(crate) struct CanStopArguments {
    /// The node
    #[arg(value_name = "NODE")]
    node: NodeName,
}

pub(crate) async fn run(
    arguments: &CanStopArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let answer = invocation.client(invocation.usual_timeout())?.can_stop(arguments.node.clone()).await?;
    invocation.printer.report(&CanStopReport {
        node: arguments.node.clone(),
        can_stop: answer.yes,
        reason: answer.reason,
    });
    Ok(if answer.yes { ExitCode::Done } else { ExitCode::Refused })
}

#[derive(Serialize)]
struct CanStopReport {
    node: NodeName,
    can_stop: bool,
    reason: String,
}

impl CanStopReport {
    fn word(&self) -> &'static str {
        if self.can_stop { "yes" } else { "no" }
    }
}

impl Printable for CanStopReport {
    fn table(&self) -> String {
        format!("{}: {}\n", self.word(), escape::shown(&self.reason))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.node.to_string(), self.word().to_owned(), escape::field(&self.reason)]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let no = CanStopReport {
            node: NodeName::new("hong").unwrap(),
            can_stop: false,
            reason: "1 of 2 voters would be left".into(),
        };
        assert_eq!(printed(Format::Table, &no), "no: 1 of 2 voters would be left\n");
        assert_eq!(printed(Format::Plain, &no), "hong\tno\t1 of 2 voters would be left\n");
        assert_eq!(
            printed(Format::Json, &no),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"hong\",\"can_stop\":false,\"reason\":\"1 of 2 voters would be left\"}\n"
        );
    }
}
