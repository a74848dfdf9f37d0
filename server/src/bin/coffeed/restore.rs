//! `coffeed restore`: the first node of a new cluster, out of a backup.

use std::{fs::File, path::PathBuf};

use clap::Args;
use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{Config, storage::restore};

use crate::offline;

/// What `coffeed restore` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArguments {
    /// What 'coffeectl backup' has written
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
}

/// Only makes files and says so: the node starts as it always does.
pub(crate) fn run(arguments: &RestoreArguments, config: &Config) -> Result<ExitCode, Failure> {
    let backup = File::open(&arguments.backup).map_err(|error| {
        Failure::new(ExitCode::Usage, format!("{} cannot be read: {error}", arguments.backup.display()))
            .hint("name a backup that is there and may be read by this user")
    })?;
    let member = offline::member(config);
    let (summary, founded) = offline::run(config, restore::restore(&config.data_dir, &member, backup))?;
    let (name, address) = (&member.name, &member.address);
    let mut printer = Printer::standard(Format::default());
    printer.text(&format!(
        "{name} is the only member of the new cluster {cluster}: {keys} keys of {node} at revision {old}\n\
         revisions go on behind {new}\n\
         next: start coffeed here. Every other node begins with an empty data directory, or sets its own aside:\n\
         \x20 coffeed --config FILE rebuild --cluster {cluster} --from {address}\n",
        cluster = founded.cluster,
        keys = summary.end.keys,
        node = summary.header.node,
        old = summary.header.revision,
        new = founded.revision,
    ));
    printer.finish()?;
    Ok(ExitCode::Done)
}
