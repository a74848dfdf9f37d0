//! `restore` and `recover`: they work on the data directory of a node that does
//! not run, which only the daemon knows. Says where they are.

use std::ffi::OsString;

use clap::Args;

use crate::failure::Failure;

/// A verb that works on a data directory, and so belongs to the daemon.
#[derive(Debug, Args)]
pub(crate) struct OfflineArguments {
    /// Whatever was meant for it
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<OsString>,
}

pub(crate) fn restore() -> Failure {
    Failure::usage("restore works on a node's data directory, not on a cluster that runs").hint(
        "on the new cluster's first node, before its daemon is started: coffeed --config FILE restore BACKUP",
    )
}

pub(crate) fn recover() -> Failure {
    Failure::usage("recover works on a node's data directory, not on a cluster that runs")
        .hint("on each node that is left, its daemon being stopped: coffeed --config FILE recover")
}
