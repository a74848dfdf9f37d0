//! `down`: takes a node out and shuts it down: the leader, unless another is named.

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
    /// Which node; the leader if none is named
    #[arg(value_name = "NODE")]
    node: Option<NodeName>,
    /// Only say what would be done
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
