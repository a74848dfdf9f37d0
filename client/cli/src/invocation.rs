//! What a verb is handed: whom to ask, how, and where to say what came of it.

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::ClusterView;

use crate::{
    failure::Failure, options::CommonOptions, printer::Printer, session::ClientSession, words::Spoken,
};

/// How long a verb takes at most that only asks or changes keys.
const USUAL: Duration = Duration::from_secs(5);

/// How long a verb takes at most that waits for nodes to catch up, or hands over leadership first.
const PATIENT: Duration = Duration::from_secs(60);

/// Where a command was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// To a shell. Standard input is the verb's own.
    CommandLine,
    /// At our prompt. Standard input has the lines.
    Prompt,
}

/// The parsers of both places. They know every verb, so no verb can name them.
#[derive(Clone, Copy)]
pub(crate) struct Parsers {
    /// That of the command line.
    pub(crate) command_line: fn() -> clap::Command,
    /// That of a line of the prompt.
    pub(crate) line: fn() -> clap::Command,
}

/// One command, and what it needs.
pub(crate) struct Invocation<'a> {
    pub(crate) session: &'a ClientSession,
    pub(crate) printer: &'a mut Printer,
    pub(crate) options: CommonOptions,
    pub(crate) spoken: Spoken,
    pub(crate) origin: Origin,
    pub(crate) parsers: Parsers,
    /// Whether somebody is there who can be asked.
    pub(crate) can_ask: bool,
}

impl Invocation<'_> {
    /// The parser of the place where the command was typed.
    pub(crate) fn parser(&self) -> clap::Command {
        match self.origin {
            Origin::CommandLine => (self.parsers.command_line)(),
            Origin::Prompt => (self.parsers.line)(),
        }
    }

    pub(crate) fn usual_timeout(&self) -> Duration {
        self.options.timeout.unwrap_or(USUAL)
    }

    pub(crate) fn patient_timeout(&self) -> Duration {
        self.options.timeout.unwrap_or(PATIENT)
    }

    pub(crate) fn client(&self, timeout: Duration) -> Result<Client, Failure> {
        self.session.client(timeout)
    }

    /// All nodes, as the asked one sees them.
    pub(crate) async fn view(&self, timeout: Duration) -> Result<ClusterView, Failure> {
        let view = self.client(timeout)?.cluster().await?;
        self.session.remember_names(&view);
        Ok(view)
    }
}
