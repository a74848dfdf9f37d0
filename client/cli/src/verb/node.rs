//! `node remove`: takes a node that is lost out of the cluster.

use crate::{
    args::NodeVerb,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    verb::removal::{self, Kind, Wish},
};

pub(crate) async fn run(verb: &NodeVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let NodeVerb::Remove(arguments) = verb;
    let wish = Wish { kind: Kind::Remove, node: Some(arguments.node.clone()), dry_run: arguments.dry_run };
    removal::run(wish, invocation).await
}
