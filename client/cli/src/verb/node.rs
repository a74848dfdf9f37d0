//! `node remove` and `node move`: remove a lost node, and follow one to another address.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use coffee_client::cert::file_name;
use coffee_common::{
    id::{Address, NodeName},
    protocol::{Identity, Role},
};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::Printable,
    verb::{
        removal::{self, RemovalKind, Wish},
        revoke::Revocation,
    },
};

/// `node ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Remove a lost node from the cluster, or clear the row of one that is shut down
    #[command(after_help = "\
With --revoke it also does what 'coffeectl revoke node-NODE' does, where the CA's
key is: every node then rejects the certificates of the removed one. Nothing is
changed without that key. If the node is removed and its certificates cannot be
revoked, the exit code is 1, or 6 if the list may have arrived.")]
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
    /// Also revoke its certificates, with the key of the CA
    #[arg(long)]
    revoke: bool,
    /// File whose first line is the passphrase of the CA's key, - for standard input [default: ask]
    #[arg(long, value_name = "FILE", env = "COFFEECTL_CA_PASSPHRASE_FILE", hide_env_values = true)]
    passphrase_file: Option<PathBuf>,
}

pub(crate) async fn run(verb: &NodeVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        NodeVerb::Remove(arguments) => remove(arguments, invocation).await,
        NodeVerb::Move(MoveArguments { node, address }) => {
            let client = invocation.client(invocation.usual_timeout())?;
            let changed = client.move_node(node.clone(), address.clone()).await?;
            invocation.printer.report(&MoveReport { node: node.clone(), address: address.clone(), changed });
            Ok(ExitCode::Done)
        }
    }
}

async fn remove(
    RemoveArguments { node, dry_run, revoke, passphrase_file }: &RemoveArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let wish = |kind| Wish { kind, node: Some(node.clone()), dry_run: *dry_run };
    if !*revoke {
        return removal::run(wish(RemovalKind::Remove), invocation).await;
    }
    // First, so that half of it is done only if the cluster refuses the rest.
    let name = file_name(&Identity::new(Role::Node, node.clone()));
    let revocation = Revocation::prepare(Some(name.clone()), passphrase_file.as_deref(), invocation).await?;
    removal::run(wish(RemovalKind::RemoveAndRevoke), invocation).await?;
    if *dry_run {
        return Ok(ExitCode::Done);
    }
    let sent = revocation.carry_out().await.map_err(|failure| removed_only(node, &name, &failure))?;
    invocation.printer.note(sent.table().trim_end());
    Ok(ExitCode::Done)
}

/// The failure to revoke the certificates of a node that is removed. That nothing was done (code 5) is
/// true of the second half alone.
fn removed_only(node: &NodeName, name: &str, failure: &Failure) -> Failure {
    let code = match failure.code() {
        ExitCode::Unknown => ExitCode::Unknown,
        _ => ExitCode::Failed,
    };
    let half = match code {
        ExitCode::Unknown => "it is unknown whether its certificates are revoked",
        _ => "its certificates are not revoked",
    };
    Failure::new(code, format!("{node} is removed, but {half}: {}", failure.message()))
        .hint(format!("the second half alone: coffeectl revoke {name}"))
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
