//! coffeed: one node of a cluster, as a process.
//!
//! The edge: flags, logging, signals and exit codes are known here and
//! nowhere else. What a node is, the library says.

mod check;
mod cli;
mod demo;
mod exit;
mod logging;
mod notify;
mod offline;
#[cfg(test)]
mod pages;
mod rebuild;
mod recover;
mod restore;
mod run;

use coffee_client::cli::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
    usage::Unparsed,
};
use coffeed::config::ConfigError;

use crate::{
    cli::{Arguments, Verb},
    recover::RecoverVerb,
};

fn main() -> std::process::ExitCode {
    let mut structured = false;
    let ended = match cli::parse(std::env::args_os()) {
        Ok(arguments) => run(arguments, &mut structured),
        Err(Unparsed::Failure(failure)) => Err(failure),
        Err(Unparsed::Shown(help)) => {
            let mut printer = Printer::standard(Format::default());
            printer.text(&help);
            printer.finish().map(|()| ExitCode::Done)
        }
    };
    let code = ended.unwrap_or_else(|failure| {
        logging::failure(&failure, structured);
        failure.code()
    });
    code.into()
}

/// Carries out what was asked for. Says whether the log is `structured`, once that is known.
fn run(arguments: Arguments, structured: &mut bool) -> Result<ExitCode, Failure> {
    if let Some(Verb::Demo(demo)) = &arguments.verb {
        return Ok(demo::run(demo));
    }
    if let Some(Verb::Rebuild(rebuild)) = &arguments.verb {
        let rebuild = rebuild.clone();
        let config = arguments.settings().and_then(|settings| settings.resolve());
        return rebuild::run(&rebuild, &config.map_err(misconfigured)?);
    }
    if let Some(Verb::Recover(recover)) = &arguments.verb {
        let recover = recover.clone();
        if let Some(RecoverVerb::Compare(compare)) = &recover.verb {
            return recover::compare(compare);
        }
        let config = arguments.settings().and_then(|settings| settings.resolve());
        return recover::run(&recover, &config.map_err(misconfigured)?);
    }
    if let Some(Verb::Restore(restore)) = &arguments.verb {
        let restore = restore.clone();
        let config = arguments.settings().and_then(|settings| settings.resolve());
        return restore::run(&restore, &config.map_err(misconfigured)?);
    }
    if arguments.check_config {
        let config = arguments.settings().and_then(|settings| settings.resolve());
        return check::run(&config.map_err(misconfigured)?);
    }
    let sources = arguments.sources();
    let settings = arguments.settings().map_err(misconfigured)?;
    let log = settings.log.clone().resolve();
    let log = logging::start(log, settings.name.as_ref());
    logging::end_on_panic();
    *structured = log.structured;
    run::run(settings.resolve().map_err(misconfigured)?, sources, log.control)
}

fn misconfigured(error: ConfigError) -> Failure {
    Failure::new(ExitCode::Usage, error.to_string()).hint(error.hint())
}
