//! `coffeed rebuild`: sets a node's data aside, so that it gets a fresh copy from the others.

use clap::Args;
use coffee_common::id::{Address, ClusterId};
use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{Config, storage::disk};

use crate::offline;

/// Arguments of `coffeed rebuild`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RebuildArguments {
    /// Members to join through, instead of those in 'join'
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    from: Vec<Address>,
    /// Id of the cluster to join, if it changed: 'coffeed recover' and 'coffeed restore' print it
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
}

/// Moves the data aside and prints the next step. The node starts as usual afterwards.
pub(crate) fn run(arguments: &RebuildArguments, config: &Config) -> Result<ExitCode, Failure> {
    let members = match arguments.from.is_empty() {
        true => config.join.clone(),
        false => arguments.from.clone(),
    };
    if members.is_empty() {
        let failure = Failure::new(ExitCode::Usage, "the configuration names no members to join");
        return Err(failure.hint("name at least one: coffeed rebuild --from HOST:PORT,.."));
    }
    let from: Vec<String> = members.iter().map(ToString::to_string).collect();
    let aside = disk::rebuild(&config.data_dir, &config.name, members, arguments.cluster)
        .map_err(offline::data_dir_failure)?;
    let aside = aside.map_or_else(
        || "there was no data".to_owned(),
        |aside| {
            format!(
                "the data is now in {aside}\nto undo it before the next start: \
                 mv {aside}/identity.toml {aside}/log.wal {aside}/state.redb {data}",
                aside = aside.display(),
                data = config.data_dir.display()
            )
        },
    );
    let (name, from) = (&config.name, from.join(", "));
    let next = match arguments.cluster {
        Some(_) => format!("start coffeed, and admit {name} to the cluster of {from}: coffeectl boot {name}"),
        None => format!("start coffeed; {name} rejoins and copies all data from {from}"),
    };
    let mut printer = Printer::standard(Format::default());
    printer.text(&format!("{aside}\nnext: {next}\n"));
    printer.finish()?;
    Ok(ExitCode::Done)
}
