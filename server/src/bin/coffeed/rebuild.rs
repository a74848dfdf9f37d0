//! `coffeed rebuild`: sets a node's data aside, so that it gets everything anew.

use clap::Args;
use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffee_common::id::{Address, ClusterId};
use coffeed::{Config, StartError, storage::disk};

use crate::run::code_of;

/// What `coffeed rebuild` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct RebuildArguments {
    /// Members to ask to be let in, if not those that `join` names
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    from: Vec<Address>,
    /// The cluster to join, if it goes on under another id: as 'coffeed recover' and 'coffeed restore' say it
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,
}

/// Only moves files and says so: the node starts as it always does.
pub(crate) fn run(arguments: &RebuildArguments, config: &Config) -> Result<ExitCode, Failure> {
    let members = match arguments.from.is_empty() {
        true => config.join.clone(),
        false => arguments.from.clone(),
    };
    if members.is_empty() {
        let failure = Failure::new(ExitCode::Usage, "the configuration names no member to ask");
        return Err(failure.hint("say where the others are: coffeed rebuild --from HOST:PORT,.."));
    }
    let from: Vec<String> = members.iter().map(ToString::to_string).collect();
    let aside =
        disk::rebuild(&config.data_dir, &config.name, members, arguments.cluster).map_err(|error| {
            let error = StartError::from(error);
            Failure::new(code_of(&error), error.to_string()).hint(error.hint())
        })?;
    let aside = aside.map_or_else(
        || "no data was left".to_owned(),
        |aside| format!("the data is now in {}", aside.display()),
    );
    let mut printer = Printer::standard(Format::default());
    printer.text(&format!(
        "{aside}\nnext: start coffeed; {} joins anew and gets everything from {}\n",
        config.name,
        from.join(", ")
    ));
    printer.finish()?;
    Ok(ExitCode::Done)
}
