//! `down`: takes a node out and shuts it down: the leader, unless another is named.

use crate::cli::{
    args::DownArguments,
    context::Context,
    exit::ExitCode,
    failure::Failure,
    verb::removal::{self, Kind, Wish},
};

pub(crate) async fn run(arguments: &DownArguments, context: &mut Context<'_>) -> Result<ExitCode, Failure> {
    let wish = Wish { kind: Kind::Down, node: arguments.node.clone(), dry_run: arguments.dry_run };
    removal::run(wish, context).await
}
