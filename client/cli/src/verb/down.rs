//! `down`: removes a node and shuts it down: the leader, unless a node is named.

use clap::Args;
use coffee_common::id::NodeName;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    verb::removal::{self, RemovalKind, Wish},
};

/// `down`.
#[derive(Debug, Args)]
pub(crate) struct DownArguments {
    /// The node [default: the leader]
    #[arg(value_name = "NODE")]
    node: Option<NodeName>,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(
    arguments: &DownArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let wish = Wish { kind: RemovalKind::Down, node: arguments.node.clone(), dry_run: arguments.dry_run };
    removal::run(wish, invocation).await
}
