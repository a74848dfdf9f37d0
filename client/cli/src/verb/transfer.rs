//! `transfer`: transfers leadership to another node.

use clap::Args;
use coffee_common::id::NodeName;
use serde::Serialize;

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation, printer::Printable, wording};

/// `transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferArguments {
    /// The new leader [default: the most caught-up voter]
    #[arg(value_name = "NODE", conflicts_with = "to")]
    node: Option<NodeName>,
    /// The same as NODE
    #[arg(long, value_name = "NODE")]
    to: Option<NodeName>,
}

pub(crate) async fn run(
    arguments: &TransferArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let target = arguments.node.as_ref().or(arguments.to.as_ref());
    let client = invocation.client(invocation.usual_timeout())?;
    let awaited = || match target {
        Some(node) => format!("waiting: {node} becomes the leader"),
        None => "waiting: another node becomes the leader".to_owned(),
    };
    let done = invocation.printer.progress().during(client.transfer(target.cloned()), awaited).await?;
    let report = TransferReport {
        from: done.from,
        to: done.to,
        term: done.term,
        changed: done.changed,
        took_ms: done.took_ms,
    };
    if let Some(astray) = target.and_then(|target| report.astray(target)) {
        return Err(astray);
    }
    invocation.printer.report(&report);
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct TransferReport {
    from: NodeName,
    to: NodeName,
    term: u64,
    changed: bool,
    took_ms: u64,
}

impl TransferReport {
    /// The failure of a transfer that ended at another node than asked for.
    fn astray(&self, target: &NodeName) -> Option<Failure> {
        let Self { from, to, .. } = self;
        (to != target).then(|| {
            Failure::new(ExitCode::Failed, format!("leadership went from {from} to {to}, not to {target}"))
                .hint(format!("to try again: coffeectl transfer {target}"))
        })
    }
}

impl Printable for TransferReport {
    fn table(&self) -> String {
        let Self { from, to, term, took_ms, .. } = self;
        if self.changed {
            format!("leadership went from {from} to {to}: term {term}, after {}\n", wording::span(*took_ms))
        } else {
            format!("{to} leads already: term {term}\n")
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let Self { from, to, term, changed, took_ms } = self;
        vec![vec![
            from.to_string(),
            to.to_string(),
            term.to_string(),
            changed.to_string(),
            took_ms.to_string(),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let name = |text| NodeName::new(text).unwrap();
        let done =
            TransferReport { from: name("ming"), to: name("hong"), term: 4, changed: true, took_ms: 12 };
        assert_eq!(printed(Format::Table, &done), "leadership went from ming to hong: term 4, after 12 ms\n");
        assert_eq!(printed(Format::Plain, &done), "ming\thong\t4\ttrue\t12\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"from\":\"ming\",\"to\":\"hong\",\"term\":4,\"changed\":true,\"took_ms\":12}\n"
        );
        assert_eq!(done.astray(&name("hong")), None);
        let astray = done.astray(&name("peng")).expect("it went to another node");
        assert_eq!(astray.code(), ExitCode::Failed);
        assert_eq!(astray.message(), "leadership went from ming to hong, not to peng");
        let already = TransferReport { changed: false, from: name("hong"), ..done };
        assert_eq!(printed(Format::Table, &already), "hong leads already: term 4\n");
    }
}
