//! `down`: takes a node out and shuts it down: the leader, unless another is named.

use crate::{
    args::DownArguments,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    verb::removal::{self, Kind, Wish},
};

pub(crate) async fn run(
    arguments: &DownArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let wish = Wish { kind: Kind::Down, node: arguments.node.clone(), dry_run: arguments.dry_run };
    removal::run(wish, invocation).await
}
