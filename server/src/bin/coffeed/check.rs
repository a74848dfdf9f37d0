//! `coffeed --check-config`: checks everything that can be checked without starting.

use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
};
use coffeed::config::Config;

/// Checks configuration and certificates, and prints the effective configuration.
pub(crate) fn run(config: &Config) -> Result<ExitCode, Failure> {
    config
        .own_credentials(None)
        .map_err(|error| Failure::new(ExitCode::Denied, error.to_string()).hint(error.hint()))?;
    let text = toml::to_string(config).map_err(|error| {
        Failure::new(ExitCode::Failed, format!("the configuration is valid but cannot be printed: {error}"))
    })?;
    let mut printer = Printer::standard(Format::default());
    printer.text(&text);
    printer.finish()?;
    Ok(ExitCode::Done)
}
