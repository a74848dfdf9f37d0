//! The verbs and what each of them takes.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use coffee_common::{
    id::{Address, NodeName, RequestId},
    key::Key,
    protocol::LogLevel,
};

use super::{
    backup::{BackupArguments, OfflineArguments},
    bench::BenchArguments,
    cert::CertVerb,
    context::ContextVerb,
    rolling::RollingVerb,
};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the nodes, and how many may be lost
    List,
    /// Bring a node in, and wait until it votes
    Boot(BootArguments),
    /// Give a key a value
    #[command(after_help = "What starts with a dash stands behind two of them: set -- KEY -VALUE")]
    Set(SetArguments),
    /// Print a key's value, byte for byte
    Get(GetArguments),
    /// Take a key away
    Del(DelArguments),
    /// List keys
    Keys(KeysArguments),
    /// Hand leadership to another node
    Transfer(TransferArguments),
    /// Take a node out and shut it down: the leader, unless another is named
    Down(DownArguments),
    /// Change the list of nodes
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Node(NodeVerb),
    /// Act on the nodes one after another
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Rolling(RollingVerb),
    /// Whether a node can be stopped without losing the quorum
    CanStop(CanStopArguments),
    /// Wait until the cluster is as you want it
    Wait(WaitArguments),
    /// Print what each of the endpoints knows of itself
    Status(StatusArguments),
    /// Have nodes take up new certificates and settings, without a lost connection
    Reload(ReloadArguments),
    /// Print how much the endpoints log, or change it until they are started again
    LogLevel(LogLevelArguments),
    /// Make, renew and read certificates
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Cert(CertVerb),
    /// Write all keys into a file, from which a cluster can be restored
    Backup(BackupArguments),
    /// Make a new cluster of a backup: with coffeed
    #[command(hide = true)]
    Restore(OfflineArguments),
    /// Go on with what is left of a cluster without a quorum: with coffeed
    #[command(hide = true)]
    Recover(OfflineArguments),
    /// Name whom to ask and as whom, so that nobody has to type it each time
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "VERB"
    )]
    Context(ContextVerb),
    /// Load the cluster, measure it, and say whether that will do
    Bench(BenchArguments),
    /// Explain a verb, or the exit codes
    Help(HelpArguments),
    /// Print the completion script of a shell
    Completion(CompletionArguments),
}

/// `boot`.
#[derive(Debug, Args)]
pub(crate) struct BootArguments {
    /// The node's name
    #[arg(value_name = "NODE")]
    pub(crate) node: NodeName,
    /// Where it is reached, unless the cluster remembers it
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<Address>,
}

/// `set`.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// 1 to 1024 bytes of UTF-8
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// Up to 1 MiB; - reads it from standard input
    #[arg(value_name = "VALUE", required_unless_present = "file", allow_negative_numbers = true)]
    pub(crate) value: Option<OsString>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    pub(crate) file: Option<PathBuf>,
    /// Only if the key was last changed at this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_rev: Option<u64>,
    /// Only if the key is not there
    #[arg(long, conflicts_with = "if_rev")]
    pub(crate) if_absent: bool,
    /// Repeat a write whose outcome is unknown: it is applied at most once
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<RequestId>,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Which key
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
}

/// `del`.
#[derive(Debug, Args)]
pub(crate) struct DelArguments {
    /// Which key
    #[arg(value_name = "KEY")]
    pub(crate) key: Key,
    /// Only if the key was last changed at this revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_rev: Option<u64>,
    /// Repeat a write whose outcome is unknown: it is applied at most once
    #[arg(long, value_name = "ID")]
    pub(crate) request_id: Option<RequestId>,
}

/// `keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    /// Only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// At most this many
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// With their values
    #[arg(long)]
    pub(crate) values: bool,
}

/// `transfer`.
#[derive(Debug, Args)]
pub(crate) struct TransferArguments {
    /// To which node; the most caught-up one if none is named
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<NodeName>,
}

/// `down`.
#[derive(Debug, Args)]
pub(crate) struct DownArguments {
    /// Which node; the leader if none is named
    #[arg(value_name = "NODE")]
    pub(crate) node: Option<NodeName>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `node ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// Take a lost node out of the cluster
    Remove(RemoveArguments),
}

/// `node remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// Which node
    #[arg(value_name = "NODE")]
    pub(crate) node: NodeName,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `can-stop`.
#[derive(Debug, Args)]
pub(crate) struct CanStopArguments {
    /// Which node
    #[arg(value_name = "NODE")]
    pub(crate) node: NodeName,
}

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// What to wait for
    #[arg(long = "for", value_name = "WHAT")]
    pub(crate) goal: Goal,
    /// Which node has to be it (leader, synced, voter)
    #[arg(long, value_name = "NODE", required_if_eq("goal", "voter"))]
    pub(crate) node: Option<NodeName>,
}

/// What `wait` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Goal {
    /// A node leads
    Leader,
    /// Most voters are in reach, and one leads
    Quorum,
    /// All members (or the named node) have applied what the leader had when the wait began
    Synced,
    /// The named node votes
    Voter,
}

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Nodes to ask in place of the endpoints
    #[arg(value_name = "NODE")]
    pub(crate) nodes: Vec<NodeName>,
}

/// `reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadArguments {
    /// Which nodes, in place of the endpoints
    #[arg(value_name = "NODE")]
    pub(crate) nodes: Vec<NodeName>,
}

/// `log-level`.
#[derive(Debug, Args)]
pub(crate) struct LogLevelArguments {
    /// How much to log from now on: error, warn, info, debug or trace
    #[arg(value_name = "LEVEL")]
    pub(crate) level: Option<LogLevel>,
    /// A node to ask in place of the endpoints; may be given again
    #[arg(long = "node", value_name = "NODE")]
    pub(crate) nodes: Vec<NodeName>,
}

/// `help`.
#[derive(Debug, Args)]
pub(crate) struct HelpArguments {
    /// A verb, or exit-codes
    #[arg(value_name = "TOPIC")]
    pub(crate) topic: Vec<String>,
}

/// `completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}
