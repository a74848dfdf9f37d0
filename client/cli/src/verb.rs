//! The verbs: one file each, and the one place that knows them all.

mod backup;
mod bench;
mod boot;
mod can_stop;
mod cert;
mod completion;
mod context;
mod del;
mod down;
mod get;
mod help;
mod keys;
mod list;
mod log_level;
mod node;
mod offline;
mod reload;
mod removal;
mod rolling;
mod set;
mod status;
mod transfer;
mod wait;
mod write;

use crate::{args::Verb, exit::ExitCode, failure::Failure, invocation::Invocation};

/// Carries out a verb.
pub(crate) async fn run(verb: &Verb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        Verb::List => list::run(invocation).await,
        Verb::Boot(arguments) => boot::run(arguments, invocation).await,
        Verb::Set(arguments) => set::run(arguments, invocation).await,
        Verb::Get(arguments) => get::run(arguments, invocation).await,
        Verb::Del(arguments) => del::run(arguments, invocation).await,
        Verb::Keys(arguments) => keys::run(arguments, invocation).await,
        Verb::Transfer(arguments) => transfer::run(arguments, invocation).await,
        Verb::Down(arguments) => down::run(arguments, invocation).await,
        Verb::Node(verb) => node::run(verb, invocation).await,
        Verb::Rolling(verb) => rolling::run(verb, invocation).await,
        Verb::CanStop(arguments) => can_stop::run(arguments, invocation).await,
        Verb::Wait(arguments) => wait::run(arguments, invocation).await,
        Verb::Status(arguments) => status::run(arguments, invocation).await,
        Verb::Reload(arguments) => reload::run(arguments, invocation).await,
        Verb::LogLevel(arguments) => log_level::run(arguments, invocation).await,
        Verb::Cert(verb) => cert::run(verb, invocation).await,
        Verb::Backup(arguments) => backup::run(arguments, invocation).await,
        Verb::Restore(_) => Err(offline::restore()),
        Verb::Recover(_) => Err(offline::recover()),
        Verb::Context(verb) => context::run(verb, invocation),
        Verb::Bench(arguments) => bench::run(arguments, invocation).await,
        Verb::Help(arguments) => help::run(arguments, invocation),
        Verb::Completion(arguments) => completion::run(arguments, invocation),
    }
}
