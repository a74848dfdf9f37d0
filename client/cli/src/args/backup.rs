//! What `backup` takes, and the verbs that are found elsewhere.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand};

/// `backup`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    subcommand_value_name = "VERB",
    after_help = "\
The file holds all keys, as the first endpoint that answers has them: with
--consistency local whatever it has, else every write acknowledged before. It
appears under its name when it is whole and on the disk. It takes the role
admin, and holds secrets as the cluster does. A new cluster is made of it with
'coffeed --config FILE restore BACKUP'."
)]
pub(crate) struct BackupArguments {
    #[command(subcommand)]
    pub(crate) verb: Option<BackupVerb>,
    /// Where to write it; - writes it to standard output
    #[arg(value_name = "FILE", required = true)]
    pub(crate) file: Option<PathBuf>,
}

/// `backup ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum BackupVerb {
    /// Read a backup through, and say what it holds and whether it is whole
    Verify(BackupVerifyArguments),
}

/// `backup verify`.
#[derive(Debug, Args)]
pub(crate) struct BackupVerifyArguments {
    /// The backup; - reads it from standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// A verb that works on a data directory, and so belongs to the daemon.
#[derive(Debug, Args)]
pub(crate) struct OfflineArguments {
    /// Whatever was meant for it
    #[arg(value_name = "WORDS", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(crate) words: Vec<OsString>,
}
