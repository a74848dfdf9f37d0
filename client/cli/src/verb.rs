//! The verbs: one file each, and the one place that knows them all.

mod backup;
mod bench;
mod boot;
mod can_stop;
mod cert;
mod completion;
mod context;
mod del;
mod down;
mod get;
mod help;
mod keys;
mod list;
mod log_level;
mod node;
mod offline;
mod reload;
mod removal;
mod rolling;
mod set;
mod status;
mod transfer;
mod wait;
mod write;

use std::pin::Pin;

use clap::Subcommand;

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum CtlVerb {
    /// List the nodes, and how many may be lost
    List,
    /// Bring a node in, and wait until it votes
    Boot(boot::BootArguments),
    /// Give a key a value
    #[command(after_help = "What starts with a dash stands behind two of them: set -- KEY -VALUE")]
    Set(set::SetArguments),
    /// Print a key's value, byte for byte
    Get(get::GetArguments),
    /// Take a key away
    Del(del::DelArguments),
    /// List keys
    Keys(keys::KeysArguments),
    /// Hand leadership to another node
    Transfer(transfer::TransferArguments),
    /// Take a node out and shut it down: the leader, unless another is named
    Down(down::DownArguments),
    /// Change the list of nodes
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Node(node::NodeVerb),
    /// Act on the nodes one after another
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Rolling(rolling::RollingVerb),
    /// Whether a node can be stopped without losing the quorum
    CanStop(can_stop::CanStopArguments),
    /// Wait until the cluster is as you want it
    Wait(wait::WaitArguments),
    /// Print what each of the endpoints knows of itself
    Status(status::StatusArguments),
    /// Have nodes take up new certificates and settings, without a lost connection
    Reload(reload::ReloadArguments),
    /// Print how much the endpoints log, or change it until they are started again
    LogLevel(log_level::LogLevelArguments),
    /// Make, renew and read certificates
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Cert(cert::CertVerb),
    /// Write all keys into a file, from which a cluster can be restored
    Backup(backup::BackupArguments),
    /// Make a new cluster of a backup: with coffeed
    #[command(hide = true)]
    Restore(offline::OfflineArguments),
    /// Go on with what is left of a cluster without a quorum: with coffeed
    #[command(hide = true)]
    Recover(offline::OfflineArguments),
    /// Name whom to ask and as whom, so that nobody has to type it each time
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Context(context::ContextVerb),
    /// Load the cluster, measure it, and say whether that will do
    Bench(bench::BenchArguments),
    /// Explain a verb, or the exit codes
    Help(help::HelpArguments),
    /// Print the completion script of a shell
    Completion(completion::CompletionArguments),
}

/// Carries out a verb.
///
/// Boxed so that the verbs are compiled once, in this crate, and not again in every
/// program with a prompt, such as the daemon with its demo.
pub(crate) fn run<'a>(
    verb: &'a CtlVerb,
    invocation: &'a mut Invocation<'_>,
) -> Pin<Box<dyn Future<Output = Result<ExitCode, Failure>> + 'a>> {
    Box::pin(run_verb(verb, invocation))
}

async fn run_verb(verb: &CtlVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        CtlVerb::List => list::run(invocation).await,
        CtlVerb::Boot(arguments) => boot::run(arguments, invocation).await,
        CtlVerb::Set(arguments) => set::run(arguments, invocation).await,
        CtlVerb::Get(arguments) => get::run(arguments, invocation).await,
        CtlVerb::Del(arguments) => del::run(arguments, invocation).await,
        CtlVerb::Keys(arguments) => keys::run(arguments, invocation).await,
        CtlVerb::Transfer(arguments) => transfer::run(arguments, invocation).await,
        CtlVerb::Down(arguments) => down::run(arguments, invocation).await,
        CtlVerb::Node(verb) => node::run(verb, invocation).await,
        CtlVerb::Rolling(verb) => rolling::run(verb, invocation).await,
        CtlVerb::CanStop(arguments) => can_stop::run(arguments, invocation).await,
        CtlVerb::Wait(arguments) => wait::run(arguments, invocation).await,
        CtlVerb::Status(arguments) => status::run(arguments, invocation).await,
        CtlVerb::Reload(arguments) => reload::run(arguments, invocation).await,
        CtlVerb::LogLevel(arguments) => log_level::run(arguments, invocation).await,
        CtlVerb::Cert(verb) => cert::run(verb, invocation).await,
        CtlVerb::Backup(arguments) => backup::run(arguments, invocation).await,
        CtlVerb::Restore(_) => Err(offline::restore()),
        CtlVerb::Recover(_) => Err(offline::recover()),
        CtlVerb::Context(verb) => context::run(verb, invocation),
        CtlVerb::Bench(arguments) => bench::run(arguments, invocation).await,
        CtlVerb::Help(arguments) => help::run(arguments, invocation),
        CtlVerb::Completion(arguments) => completion::run(arguments, invocation),
    }
}
