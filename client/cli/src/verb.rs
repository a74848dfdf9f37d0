//! The verbs: one file per verb, and the list of all of them.

mod backup;
mod batch;
mod bench;
mod boot;
mod can_stop;
mod cert;
mod compact;
mod complete;
mod completion;
mod context;
mod del;
mod doctor;
mod down;
mod events;
mod export;
mod gather;
mod get;
mod help;
mod history;
mod import;
mod incr;
mod init;
mod keys;
mod list;
mod log_level;
mod node;
mod offline;
mod proxy;
mod reload;
mod removal;
mod revoke;
mod rolling;
mod set;
mod settings;
mod status;
mod timers;
mod top;
mod transfer;
mod txn;
mod undo;
mod upgrade;
mod wait;
mod watch;
mod write;

use std::pin::Pin;

use clap::Subcommand;

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// A verb with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum CtlVerb {
    /// List the nodes, and how many more may fail
    #[command(after_help = "\
Nodes that are endpoints are listed in the order of the endpoints, usually the
order in which they were added, so a replaced node keeps its place. The other
nodes are listed by id.

With -o plain the last line is '#', then the number of voters, of voters in
reach, and of those that may be lost, then the leader and its term.

--watch repeats the list, on a terminal in place; Ctrl-C ends it. A cluster that
cannot be reached is waited for.

With --check the exit code tells scripts whether the cluster works: 0 with a
quorum in reach and a leader, 5 without.")]
    List(list::ListArguments),
    /// Found a new cluster with one node: once in its life
    #[command(after_help = init::AFTER_HELP)]
    Init(init::InitArguments),
    /// Add a node to the cluster, and wait until it votes
    Boot(boot::BootArguments),
    /// Set a key
    #[command(
        after_help = "To pass a key or value that starts with '-', put '--' before it: set -- KEY -VALUE"
    )]
    Set(set::SetArguments),
    /// Print the value of a key, byte for byte
    #[command(after_help = "\
With --revision the output is the revision, a tab and the value. To change a
key only if no one else has changed it since it was read:

  row=$(coffeectl get order/1 --revision)
  coffeectl set order/1 mocha --if-rev \"${row%%[!0-9]*}\"   # exit code 4: changed")]
    Get(get::GetArguments),
    /// Delete a key, or all keys with a prefix
    Del(del::DelArguments),
    /// List keys
    Keys(keys::KeysArguments),
    /// Show the versions of a key: when it was changed, by whom, and what it was
    History(history::HistoryArguments),
    /// Drop the history up to a revision
    Compact(compact::CompactArguments),
    /// Add to the number in a key
    #[command(after_help = incr::AFTER_HELP)]
    Incr(incr::IncrArguments),
    /// Draw the next number of a key that counts
    #[command(after_help = incr::AFTER_HELP)]
    NextId(incr::NextIdArguments),
    /// Read and change several keys as one, if conditions hold
    #[command(after_help = txn::AFTER_HELP)]
    Txn(txn::TxnArguments),
    /// Set and delete keys line by line
    #[command(after_help = batch::AFTER_HELP)]
    Batch(batch::BatchArguments),
    /// Print changes of keys as they are made, or run a command for each
    #[command(after_help = watch::AFTER_HELP)]
    Watch(watch::WatchArguments),
    /// Serve the HTTP API to programs of this machine, without TLS
    #[command(after_help = proxy::AFTER_HELP)]
    Proxy(proxy::ProxyArguments),
    /// Put back what a revision has changed
    Undo(undo::UndoArguments),
    /// Write keys and values as lines of JSON
    #[command(after_help = export::AFTER_HELP)]
    Export(export::ExportArguments),
    /// Set keys from lines of JSON
    #[command(after_help = import::AFTER_HELP)]
    Import(import::ImportArguments),
    /// Transfer leadership to another node
    Transfer(transfer::TransferArguments),
    /// Remove a node and shut it down [default: the leader]
    Down(down::DownArguments),
    /// Change the cluster's membership
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Node(node::NodeVerb),
    /// Run an operation on one node after another
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Rolling(rolling::RollingVerb),
    /// Check whether a node can be stopped without losing the quorum
    CanStop(can_stop::CanStopArguments),
    /// Wait for a condition of the cluster
    Wait(wait::WaitArguments),
    /// Show the status of each endpoint
    Status(status::StatusArguments),
    /// Check nodes, links, clocks, disks and certificates
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor,
    /// Watch the nodes, their rates and the last events on one screen
    #[command(after_help = top::AFTER_HELP)]
    Top(top::TopArguments),
    /// Show what happened at the nodes, and when
    #[command(after_help = events::AFTER_HELP)]
    Events(events::EventsArguments),
    /// Find election timers that suit the links
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Timers(timers::TimersVerb),
    /// Reload certificates and settings without dropping connections
    Reload(reload::ReloadArguments),
    /// Show the log level, or change it until the nodes restart
    LogLevel(log_level::LogLevelArguments),
    /// Create, renew, revoke and list certificates
    #[command(subcommand_required = true, arg_required_else_help = false, subcommand_value_name = "VERB")]
    Cert(cert::CertArguments),
    /// Revoke certificates in the whole cluster
    #[command(after_help = revoke::AFTER_HELP)]
    Revoke(revoke::RevokeArguments),
    /// Show what an upgrade lacks, and finish it
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Upgrade(upgrade::UpgradeVerb),
    /// Show or change settings of the cluster
    Settings(settings::SettingsArguments),
    /// Back up all keys to a file
    Backup(backup::BackupArguments),
    /// Create a new cluster from a backup: with coffeed
    #[command(hide = true)]
    Restore(offline::OfflineArguments),
    /// Recover a cluster that lost its quorum: with coffeed
    #[command(hide = true)]
    Recover(offline::OfflineArguments),
    /// Manage contexts: named sets of endpoints and credentials
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Context(context::ContextVerb),
    /// Measure the cluster under load, and check it against limits
    Bench(bench::BenchArguments),
    /// Show help for a verb, the options or the exit codes
    Help(help::HelpArguments),
    /// Print the completion script for a shell
    Completion(completion::CompletionArguments),
    /// List the candidates for a word, for the completion scripts
    #[command(hide = true)]
    Complete(complete::CompleteArguments),
}

/// Runs a verb.
///
/// Boxed to compile the verbs once, in this crate, instead of in every program
/// with a prompt, such as the daemon with its demo.
pub(crate) fn run<'a>(
    verb: &'a CtlVerb,
    invocation: &'a mut Invocation<'_>,
) -> Pin<Box<dyn Future<Output = Result<ExitCode, Failure>> + 'a>> {
    Box::pin(run_verb(verb, invocation))
}

async fn run_verb(verb: &CtlVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        CtlVerb::List(arguments) => list::run(arguments, invocation).await,
        CtlVerb::Init(arguments) => init::run(arguments, invocation).await,
        CtlVerb::Boot(arguments) => boot::run(arguments, invocation).await,
        CtlVerb::Set(arguments) => set::run(arguments, invocation).await,
        CtlVerb::Get(arguments) => get::run(arguments, invocation).await,
        CtlVerb::Del(arguments) => del::run(arguments, invocation).await,
        CtlVerb::Keys(arguments) => keys::run(arguments, invocation).await,
        CtlVerb::History(arguments) => history::run(arguments, invocation).await,
        CtlVerb::Compact(arguments) => compact::run(arguments, invocation).await,
        CtlVerb::Incr(arguments) => incr::run(arguments, invocation).await,
        CtlVerb::NextId(arguments) => incr::run_next_id(arguments, invocation).await,
        CtlVerb::Txn(arguments) => txn::run(arguments, invocation).await,
        CtlVerb::Batch(arguments) => batch::run(arguments, invocation).await,
        CtlVerb::Watch(arguments) => watch::run(arguments, invocation).await,
        CtlVerb::Proxy(arguments) => proxy::run(arguments, invocation).await,
        CtlVerb::Undo(arguments) => undo::run(arguments, invocation).await,
        CtlVerb::Export(arguments) => export::run(arguments, invocation).await,
        CtlVerb::Import(arguments) => import::run(arguments, invocation).await,
        CtlVerb::Transfer(arguments) => transfer::run(arguments, invocation).await,
        CtlVerb::Down(arguments) => down::run(arguments, invocation).await,
        CtlVerb::Node(verb) => node::run(verb, invocation).await,
        CtlVerb::Rolling(verb) => rolling::run(verb, invocation).await,
        CtlVerb::CanStop(arguments) => can_stop::run(arguments, invocation).await,
        CtlVerb::Wait(arguments) => wait::run(arguments, invocation).await,
        CtlVerb::Status(arguments) => status::run(arguments, invocation).await,
        CtlVerb::Doctor => doctor::run(invocation).await,
        CtlVerb::Top(arguments) => top::run(arguments, invocation).await,
        CtlVerb::Events(arguments) => events::run(arguments, invocation).await,
        CtlVerb::Timers(verb) => timers::run(verb, invocation).await,
        CtlVerb::Reload(arguments) => reload::run(arguments, invocation).await,
        CtlVerb::LogLevel(arguments) => log_level::run(arguments, invocation).await,
        CtlVerb::Cert(arguments) => cert::run(arguments, invocation).await,
        CtlVerb::Revoke(arguments) => revoke::run(arguments, invocation).await,
        CtlVerb::Upgrade(verb) => upgrade::run(verb, invocation).await,
        CtlVerb::Settings(arguments) => settings::run(arguments, invocation).await,
        CtlVerb::Backup(arguments) => backup::run(arguments, invocation).await,
        CtlVerb::Restore(_) => Err(offline::restore()),
        CtlVerb::Recover(_) => Err(offline::recover()),
        CtlVerb::Context(verb) => context::run(verb, invocation),
        CtlVerb::Bench(arguments) => bench::run(arguments, invocation).await,
        CtlVerb::Help(arguments) => help::run(arguments, invocation),
        CtlVerb::Completion(arguments) => completion::run(arguments, invocation),
        CtlVerb::Complete(arguments) => complete::run(arguments, invocation).await,
    }
}
