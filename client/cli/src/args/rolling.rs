//! What `rolling` takes.

use std::time::Duration;

use clap::{Args, Subcommand};
use coffee_common::id::NodeName;

/// `rolling ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum RollingVerb {
    /// Restart the nodes with a command of yours: followers first, the leader last
    #[command(
        after_help = "Before each node the cluster is asked whether it can do without it, and a leader \
        hands over. The command is carried out by sh -c, here; then the node has to answer as a new process, \
        take part and catch up before the next one is touched. What goes wrong ends it."
    )]
    Restart(RollingRestartArguments),
}

/// `rolling restart`.
#[derive(Debug, Args)]
pub(crate) struct RollingRestartArguments {
    /// What restarts a node, such as 'ssh {host} systemctl restart coffeed'; {node}, {host} and {address} stand for it
    #[arg(long, value_name = "CMD")]
    pub(crate) exec: String,
    /// Only these nodes, parted by commas
    #[arg(long, value_name = "NODE,..", value_delimiter = ',')]
    pub(crate) nodes: Vec<NodeName>,
    /// Time for each node, from being asked to having caught up
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = super::duration)]
    pub(crate) node_timeout: Duration,
    /// Leave out nodes that are down, where there is a quorum without them
    #[arg(long)]
    pub(crate) skip_down: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}
