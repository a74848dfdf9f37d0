//! `node remove` and `node move`: remove a lost node, and follow one to another address.

use clap::{Args, Subcommand};
use coffee_common::id::{Address, NodeName};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::Printable,
    verb::removal::{self, RemovalKind, Wish},
};

/// `node ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Remove a lost node from the cluster, or clear the row of one that is shut down
    Remove(RemoveArguments),
    /// Make the cluster reach a node at another address, where it answers already
    #[command(after_help = "\
A node that starts with another 'advertise' setting tells the cluster itself.
This is for a node that cannot find the others, since they have moved too.
It keeps its id and its data.")]
    Move(MoveArguments),
}

/// `node move`.
#[derive(Debug, Args)]
pub(crate) struct MoveArguments {
    /// The node
    #[arg(value_name = "NODE")]
    node: NodeName,
    /// Its new address
    #[arg(long, value_name = "HOST:PORT")]
    address: Address,
}

/// `node remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The node
    #[arg(value_name = "NODE")]
    node: NodeName,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(verb: &NodeVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        NodeVerb::Remove(RemoveArguments { node, dry_run }) => {
            let wish = Wish { kind: RemovalKind::Remove, node: Some(node.clone()), dry_run: *dry_run };
            removal::run(wish, invocation).await
        }
        NodeVerb::Move(MoveArguments { node, address }) => {
            let client = invocation.client(invocation.usual_timeout())?;
            let changed = client.move_node(node.clone(), address.clone()).await?;
            invocation.printer.report(&MoveReport { node: node.clone(), address: address.clone(), changed });
            Ok(ExitCode::Done)
        }
    }
}

#[derive(Serialize)]
struct MoveReport {
    node: NodeName,
    address: Address,
    changed: bool,
}

impl Printable for MoveReport {
    fn table(&self) -> String {
        let Self { node, address, changed } = self;
        let when = if *changed { "now" } else { "already" };
        format!("the cluster reaches {node} at {address} {when}\n")
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let Self { node, address, changed } = self;
        vec![vec![node.to_string(), address.to_string(), changed.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let (node, address) = ("hong".parse().unwrap(), "10.0.0.2:7400".parse().unwrap());
        let moved = MoveReport { node, address, changed: true };
        assert_eq!(printed(Format::Table, &moved), "the cluster reaches hong at 10.0.0.2:7400 now\n");
        assert_eq!(printed(Format::Plain, &moved), "hong\t10.0.0.2:7400\ttrue\n");
        assert_eq!(
            printed(Format::Json, &moved),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"hong\",\"address\":\"10.0.0.2:7400\",\"changed\":true}\n"
        );
    }
}
