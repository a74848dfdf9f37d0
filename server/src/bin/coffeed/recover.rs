//! `coffeed recover`: what is left of a cluster that has lost its quorum.
//!
//! Looks at the data of one node and prints a report; compares the reports of
//! all nodes that are left; and on the one that is furthest makes a new cluster
//! of its data. Changes nothing without `--yes`.

mod compare;
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{Config, storage::recover};

use self::report::Report;
use crate::offline;

/// What `coffeed recover` takes.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "VERB",
    after_help = "\
Without --yes it prints a report of what this node has, and changes nothing. Take
one on each node that is left, compare them, and run it with --yes on the one
that is furthest. Whatever is in its log is kept. It becomes the only member of a
new cluster; the old members have no part in it until they join anew."
)]
pub(crate) struct RecoverArguments {
    #[command(subcommand)]
    pub(crate) verb: Option<RecoverVerb>,
    /// Make a new cluster of this node's data
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// Only print the report, as without --yes
    #[arg(long)]
    dry_run: bool,
}

/// `coffeed recover ..`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RecoverVerb {
    /// Say which of the nodes is furthest, and what may be lost
    Compare(CompareArguments),
}

/// `coffeed recover compare`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArguments {
    /// What 'coffeed recover' has printed, of each node that is left
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
}

/// Compares reports. Needs no configuration.
pub(crate) fn compare(arguments: &CompareArguments) -> Result<ExitCode, Failure> {
    let reports: Vec<Report> =
        arguments.reports.iter().map(|path| Report::read(path)).collect::<Result<_, _>>()?;
    print(&compare::verdict(&reports)?)
}

/// Looks at this node's data, or recovers from it.
pub(crate) fn run(arguments: &RecoverArguments, config: &Config) -> Result<ExitCode, Failure> {
    if !arguments.yes {
        let survivor = offline::run(config, recover::inspect(&config.data_dir, &config.name))?;
        return print(&Report::new(&survivor).to_text()?);
    }
    let member = offline::member(config);
    let (survivor, founded) = offline::run(config, recover::recover(&config.data_dir, &member))?;
    let (name, address, cluster) = (&member.name, &member.address, founded.cluster);
    let kept = match survivor.last {
        Some(last) if !survivor.broke_off => format!("everything up to entry {} is kept\n", last.index),
        _ => String::new(),
    };
    print(&format!(
        "{name} is the only member of the new cluster {cluster}\n{kept}\
         revisions go on behind {revision}\n\
         next: start coffeed here. Every old member sets its data aside before it is started again:\n\
         \x20 coffeed --config FILE rebuild --cluster {cluster} --from {address}\n\
         a new one begins with an empty data directory, and is booted or joins\n",
        revision = founded.revision,
    ))
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut printer = Printer::standard(Format::default());
    printer.text(text);
    printer.finish()?;
    Ok(ExitCode::Done)
}
