//! `coffeed recover`: a new cluster from the survivors of one that lost its quorum for good.
//!
//! Prints a report of one node's data, compares the reports of all surviving
//! nodes, and makes a new cluster of the most advanced one. Changes nothing
//! without `--yes`.

mod compare;
mod report;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{Config, storage::recover};

use self::report::Report;
use crate::offline;

/// Arguments of `coffeed recover`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_value_name = "VERB",
    after_help = "\
Without --yes it prints a report of this node's data and changes nothing. Collect a
report from each surviving node, compare them, and run it with --yes on the most
advanced one. That node keeps everything in its log and becomes the only member of
a new cluster. The other nodes must set their data aside and join that cluster."
)]
pub(crate) struct RecoverArguments {
    #[command(subcommand)]
    pub(crate) verb: Option<RecoverVerb>,
    /// Make a new cluster from this node's data
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// Only print the report (the default)
    #[arg(long)]
    dry_run: bool,
}

/// Subcommands of `coffeed recover`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum RecoverVerb {
    /// Compare reports: which node is most advanced, and what may be lost
    Compare(CompareArguments),
}

/// Arguments of `coffeed recover compare`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CompareArguments {
    /// Reports printed by 'coffeed recover', one per surviving node
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
}

/// Compares reports. Needs no configuration.
pub(crate) fn compare(arguments: &CompareArguments) -> Result<ExitCode, Failure> {
    let reports: Vec<Report> =
        arguments.reports.iter().map(|path| Report::read(path)).collect::<Result<_, _>>()?;
    print(&compare::verdict(&reports)?)
}

/// Reports on this node's data, or recovers from it.
pub(crate) fn run(arguments: &RecoverArguments, config: &Config) -> Result<ExitCode, Failure> {
    if !arguments.yes {
        let survivor = offline::run(config, recover::inspect(&config.data_dir, &config.name))?;
        return print(&Report::new(&survivor).to_text()?);
    }
    let member = offline::member(config);
    let (survivor, founded) = offline::run(config, recover::recover(&config.data_dir, &member))?;
    let (name, address, cluster) = (&member.name, &member.address, founded.cluster);
    let kept = match survivor.last {
        Some(last) if !survivor.broke_off => format!("all entries up to {} are kept\n", last.index),
        _ => String::new(),
    };
    print(&format!(
        "{name} is the only member of the new cluster {cluster}\n{kept}\
         revisions continue after {revision}\n\
         next: start coffeed here. On every old member, set its data aside before it is started:\n\
         \x20 coffeed --config FILE rebuild --cluster {cluster} --from {address}\n\
         a new member starts with an empty data directory. Admit each one: coffeectl boot NODE\n",
        revision = founded.revision,
    ))
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut printer = Printer::standard(Format::default());
    printer.text(text);
    printer.finish()?;
    Ok(ExitCode::Done)
}
