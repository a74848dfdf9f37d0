//! `coffeed --check-config`: checks everything that can be checked without starting.

use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::{config::Config, storage::disk::DataDir};

use crate::{offline::data_dir_failure, versions};

/// Checks configuration, certificates and the version of the data. Prints the effective configuration
/// and, as comments, the versions of this build and of the data.
pub(crate) fn run(config: &Config) -> Result<ExitCode, Failure> {
    config
        .own_credentials(None)
        .map_err(|error| Failure::new(ExitCode::Denied, error.to_string()).hint(error.hint()))?;
    let identity = DataDir::inspect(&config.data_dir, &config.name).map_err(data_dir_failure)?;
    let data =
        identity.map_or_else(|| "no data".to_owned(), |found| format!("feature level {}", found.level));
    let text = toml::to_string(config).map_err(|error| {
        Failure::new(ExitCode::Failed, format!("the configuration is valid but cannot be printed: {error}"))
    })?;
    let mut printer = Printer::standard(Format::default());
    printer.text(&format!("{}# data: {data}\n\n{text}", versions::comments()));
    printer.finish()?;
    Ok(ExitCode::Done)
}
