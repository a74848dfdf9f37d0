//! `coffeed --check-config`: everything that can be known without starting.

use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::config::Config;

/// Checks the certificates too, and shows the configuration that is in force.
pub(crate) fn run(config: &Config) -> Result<ExitCode, Failure> {
    config
        .own_credentials(None)
        .map_err(|error| Failure::new(ExitCode::Denied, error.to_string()).hint(error.hint()))?;
    let text = toml::to_string(config).map_err(|error| {
        Failure::new(ExitCode::Failed, format!("cannot show the configuration, which is good: {error}"))
    })?;
    let mut printer = Printer::standard(Format::default());
    printer.text(&text);
    printer.finish()?;
    Ok(ExitCode::Done)
}
