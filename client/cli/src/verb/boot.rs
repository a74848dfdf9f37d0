//! `boot`: adds a node to the cluster and waits until it votes, or announces one that is not there.

use clap::Args;
use coffee_common::id::{Address, NodeName};
use serde::Serialize;

use crate::{
    awaited,
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    printer::Printable,
    wording,
};

/// `boot`.
#[derive(Debug, Args)]
pub(crate) struct BootArguments {
    /// The node's name
    #[arg(value_name = "NODE")]
    node: NodeName,
    /// The node's address, unless it asks to join or the cluster remembers it; the new one of a voter
    /// that has moved
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
}

pub(crate) async fn run(
    arguments: &BootArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.patient_timeout())?;
    let boot = client.boot(arguments.node.clone(), arguments.address.clone());
    let look = async || client.cluster().await.ok().map(|view| awaited::boot(&view, &arguments.node));
    let first = format!("waiting: adding {}", arguments.node);
    let done = invocation.printer.progress().watching(boot, &first, look).await?;
    invocation.session.add_names([&arguments.node]);
    let is_announced = done.id.is_none();
    invocation.printer.report(&BootReport {
        node: arguments.node.clone(),
        id: done.id.map(|id| id.to_string()),
        changed: done.changed,
        moved: done.moved,
        took_ms: done.took_ms,
    });
    if is_announced && invocation.origin == Origin::CommandLine {
        let node = &arguments.node;
        invocation.printer.note(&format!(
            "next: start {node}; if it waits, without 'join' in its configuration: 'coffeectl boot {node}' again"
        ));
    }
    Ok(ExitCode::Done)
}

#[derive(Serialize)]
struct BootReport {
    node: NodeName,
    /// `None` if it is only announced.
    id: Option<String>,
    changed: bool,
    moved: bool,
    took_ms: u64,
}

impl Printable for BootReport {
    fn table(&self) -> String {
        let Self { node, took_ms, .. } = self;
        let Some(id) = &self.id else {
            let when = if self.changed { "now" } else { "already" };
            return format!("{node} does not answer; it is announced {when}, and is admitted when it asks\n");
        };
        if self.changed {
            format!("{node} is a voter now: id {id}, after {}\n", wording::span(*took_ms))
        } else if self.moved {
            format!("{node} is a voter already: id {id}; the cluster reaches it at the new address now\n")
        } else {
            format!("{node} is a voter already: id {id}\n")
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let Self { node, id, changed, moved, took_ms } = self;
        let id = wording::or_nothing(id.as_ref());
        vec![vec![node.to_string(), id, changed.to_string(), took_ms.to_string(), moved.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let done = BootReport {
            node: NodeName::new("hong").unwrap(),
            id: Some("12".into()),
            changed: true,
            moved: false,
            took_ms: 412,
        };
        assert_eq!(printed(Format::Table, &done), "hong is a voter now: id 12, after 412 ms\n");
        assert_eq!(printed(Format::Plain, &done), "hong\t12\ttrue\t412\tfalse\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"hong\",\"id\":\"12\",\"changed\":true,\"moved\":false,\"took_ms\":412}\n"
        );
        let already = BootReport { changed: false, ..done };
        assert_eq!(printed(Format::Table, &already), "hong is a voter already: id 12\n");
        let announced =
            BootReport { id: None, changed: true, took_ms: 0, node: already.node.clone(), ..already };
        assert_eq!(
            printed(Format::Table, &announced),
            "hong does not answer; it is announced now, and is admitted when it asks\n"
        );
        assert_eq!(printed(Format::Plain, &announced), "hong\t-\ttrue\t0\tfalse\n");
        let already = BootReport { id: Some("12".into()), changed: false, ..announced };
        let moved = BootReport { moved: true, ..already };
        assert_eq!(
            printed(Format::Table, &moved),
            "hong is a voter already: id 12; the cluster reaches it at the new address now\n"
        );
    }
}
