//! `restore` and `recover`: verbs of the daemon, as they work on the data
//! directory of a stopped node. Points to them.

use std::ffi::OsString;

use clap::Args;

use crate::failure::Failure;

/// A verb that works on a data directory, and so belongs to the daemon.
#[derive(Debug, Args)]
pub(crate) struct OfflineArguments {
    /// The arguments, which are ignored
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<OsString>,
}

pub(crate) fn restore() -> Failure {
    Failure::usage("restore works on a node's data directory, not on a running cluster").hint(
        "on the new cluster's first node, before its daemon starts: coffeed --config FILE restore BACKUP",
    )
}

pub(crate) fn recover() -> Failure {
    Failure::usage("recover works on a node's data directory, not on a running cluster")
        .hint("on each remaining node, with its daemon stopped: coffeed --config FILE recover")
}
