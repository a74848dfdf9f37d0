//! coffeed: one node of a cluster, as a process.
//!
//! The edge: only here are flags, logging, signals and exit codes known. The
//! library defines the node.

mod check;
mod cli;
mod demo;
mod exit;
mod logging;
mod notify;
mod offline;
#[cfg(test)]
mod pages_tests;
mod rebuild;
mod recover;
mod restore;
mod run;
mod versions;

use coffeectl::{
    exit::ExitCode,
    failure::Failure,
    printer::{Format, Printer},
    usage::Unparsed,
};
use coffeed::config::ConfigError;

use crate::{
    cli::{Arguments, Verb},
    recover::{RecoverArguments, RecoverVerb},
};

/// The allocator of the daemon. It is faster than glibc's for aligned tasks and for messages that another
/// thread frees; see tests/PERFORMANCE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

/// Carries out the command. Sets `structured` once it is known that the log has fields.
fn run(arguments: Arguments, structured: &mut bool) -> Result<ExitCode, Failure> {
    let config = |arguments: &Arguments| arguments.sources().config().map_err(misconfigured);
    match &arguments.verb {
        Some(Verb::Demo(demo)) => Ok(demo::run(demo)),
        Some(Verb::Rebuild(rebuild)) => rebuild::run(rebuild, &config(&arguments)?),
        Some(Verb::Restore(restore)) => restore::run(restore, &config(&arguments)?),
        Some(Verb::Recover(RecoverArguments { verb: Some(RecoverVerb::Compare(compare)), .. })) => {
            recover::compare(compare)
        }
        Some(Verb::Recover(recover)) => recover::run(recover, &config(&arguments)?),
        Some(Verb::Versions(arguments)) => versions::run(arguments),
        None if arguments.check_config => check::run(&config(&arguments)?),
        None => serve(&arguments, structured),
    }
}

/// Runs the node. Logging starts before the settings are resolved, so that an error in them is logged.
fn serve(arguments: &Arguments, structured: &mut bool) -> Result<ExitCode, Failure> {
    let sources = arguments.sources();
    let settings = sources.settings().map_err(misconfigured)?;
    let log = logging::start(settings.log.clone().resolve(), settings.name.as_ref());
    logging::end_on_panic();
    *structured = log.structured;
    run::run(settings.resolve().map_err(misconfigured)?, sources, log.control)
}

fn misconfigured(error: ConfigError) -> Failure {
    Failure::new(ExitCode::Usage, error.to_string()).hint(error.hint())
}
