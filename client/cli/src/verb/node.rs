//! `node remove`: removes a lost node from the cluster.

use clap::{Args, Subcommand};
use coffee_common::id::NodeName;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    verb::removal::{self, RemovalKind, Wish},
};

/// `node ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Remove a lost node from the cluster, or clear the row of one that is shut down
    Remove(RemoveArguments),
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
    let NodeVerb::Remove(arguments) = verb;
    let wish =
        Wish { kind: RemovalKind::Remove, node: Some(arguments.node.clone()), dry_run: arguments.dry_run };
    removal::run(wish, invocation).await
}
