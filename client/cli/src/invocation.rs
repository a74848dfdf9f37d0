//! The context in which a verb runs: session, options and printer.

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::ClusterView;

use crate::{
    failure::Failure, options::CommonOptions, printer::Printer, session::ClientSession, words::Spoken,
};

/// Default timeout of a verb that only queries, or changes keys.
const USUAL: Duration = Duration::from_secs(5);

/// Default timeout of a verb that waits for nodes to catch up, or transfers leadership first.
const PATIENT: Duration = Duration::from_secs(60);

/// Where a command was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a shell. The verb may read standard input.
    CommandLine,
    /// At the prompt, which reads its lines from standard input.
    Prompt,
}

/// The parsers of both origins. They depend on every verb, so verbs get them at run time.
#[derive(Clone, Copy)]
pub(crate) struct Parsers {
    /// Returns the parser of the command line.
    pub(crate) command_line: fn() -> clap::Command,
    /// Returns the parser of a line of the prompt.
    pub(crate) line: fn() -> clap::Command,
}

/// One command and everything it needs to run.
pub(crate) struct Invocation<'a> {
    pub(crate) session: &'a ClientSession,
    pub(crate) printer: &'a mut Printer,
    pub(crate) options: CommonOptions,
    pub(crate) spoken: Spoken,
    pub(crate) origin: Origin,
    pub(crate) parsers: Parsers,
    /// Whether an operator can be asked for confirmation.
    pub(crate) can_ask: bool,
}

impl Invocation<'_> {
    /// Returns the parser of the command's origin.
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

    /// Returns the session's client. Its calls do not wait for a quorum.
    pub(crate) fn client(&self, timeout: Duration) -> Result<Client, Failure> {
        Ok(self.session.client(timeout)?.needing_quorum())
    }

    /// Returns the cluster as the contacted node sees it.
    pub(crate) async fn view(&self, timeout: Duration) -> Result<ClusterView, Failure> {
        let view = self.client(timeout)?.cluster().await?;
        self.session.remember_names(&view);
        Ok(view)
    }
}
