//! `log-level`: shows or changes the log level of running nodes.
//!
//! A change lasts until the daemon restarts; its configuration is not changed.

use clap::Args;
use coffee_client::NodeLogLevel;
use coffee_common::{id::NodeName, protocol::LogLevel};
use serde::Serialize;

use super::status::addresses;
use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, json::NoFields},
};

/// `log-level`.
#[derive(Debug, Args)]
pub(crate) struct LogLevelArguments {
    /// The new level: error, warn, info, debug or trace
    #[arg(value_name = "LEVEL")]
    level: Option<LogLevel>,
    /// A node to ask instead of the endpoints; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<NodeName>,
}

pub(crate) async fn run(
    arguments: &LogLevelArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let addresses = addresses(&arguments.nodes, invocation).await?;
    let client = invocation.client(invocation.usual_timeout())?;
    let (mut levels, mut code) = (Vec::new(), ExitCode::Done);
    for address in addresses {
        match client.at(address.clone())?.log_level(arguments.level).await {
            Ok(level) => levels.push(Level::from(level)),
            Err(error) => {
                let failure = Failure::from(error);
                code = if code == ExitCode::Done { failure.code() } else { code };
                let message = format!("{address}: {}", failure.message());
                invocation.printer.failure(&failure.with_message(message));
            }
        }
    }
    invocation.printer.list_start("nodes");
    invocation.printer.list_page(&levels, |levels| levels.iter().map(Printable::table).collect());
    invocation.printer.list_end(&NoFields {});
    Ok(code)
}

#[derive(Serialize)]
struct Level {
    node: String,
    level: &'static str,
    changed: bool,
}

impl From<NodeLogLevel> for Level {
    fn from(told: NodeLogLevel) -> Self {
        Self { node: told.node.to_string(), level: told.level.as_str(), changed: told.changed }
    }
}

impl Printable for Level {
    fn table(&self) -> String {
        let Self { node, level, changed } = self;
        match changed {
            true => format!("{node} logs {level} now, until it restarts\n"),
            false => format!("{node} logs {level}\n"),
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.node.clone(), self.level.to_owned(), self.changed.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    #[test]
    fn golden() {
        let level = Level { node: "ming".to_owned(), level: "debug", changed: true };
        assert_eq!(printed(Format::Table, &level), "ming logs debug now, until it restarts\n");
        assert_eq!(printed(Format::Plain, &level), "ming\tdebug\ttrue\n");
        let json = "{\"apiVersion\":\"coffee/v1\",\"node\":\"ming\",\"level\":\"debug\",\"changed\":true}\n";
        assert_eq!(printed(Format::Json, &level), json);
        let same = Level { changed: false, ..level };
        assert_eq!(printed(Format::Table, &same), "ming logs debug\n");
    }
}
