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

use crate::cli::{args::Verb, context::Context, exit::ExitCode, failure::Failure};

/// Carries out a verb.
pub(crate) async fn run(verb: &Verb, context: &mut Context<'_>) -> Result<ExitCode, Failure> {
    match verb {
        Verb::List => list::run(context).await,
        Verb::Boot(arguments) => boot::run(arguments, context).await,
        Verb::Set(arguments) => set::run(arguments, context).await,
        Verb::Get(arguments) => get::run(arguments, context).await,
        Verb::Del(arguments) => del::run(arguments, context).await,
        Verb::Keys(arguments) => keys::run(arguments, context).await,
        Verb::Transfer(arguments) => transfer::run(arguments, context).await,
        Verb::Down(arguments) => down::run(arguments, context).await,
        Verb::Node(verb) => node::run(verb, context).await,
        Verb::Rolling(verb) => rolling::run(verb, context).await,
        Verb::CanStop(arguments) => can_stop::run(arguments, context).await,
        Verb::Wait(arguments) => wait::run(arguments, context).await,
        Verb::Status(arguments) => status::run(arguments, context).await,
        Verb::Reload(arguments) => reload::run(arguments, context).await,
        Verb::LogLevel(arguments) => log_level::run(arguments, context).await,
        Verb::Cert(verb) => cert::run(verb, context).await,
        Verb::Backup(arguments) => backup::run(arguments, context).await,
        Verb::Restore(_) => Err(offline::restore()),
        Verb::Recover(_) => Err(offline::recover()),
        Verb::Context(verb) => context::run(verb, context),
        Verb::Bench(arguments) => bench::run(arguments, context).await,
        Verb::Help(arguments) => help::run(arguments, context),
        Verb::Completion(arguments) => completion::run(arguments, context),
    }
}
