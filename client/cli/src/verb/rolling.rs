//! `rolling restart`: restarts the nodes one after another with the operator's
//! command, and never more at once than the cluster can spare.
//!
//! Guards that each node runs a new process, is a member again and has caught
//! up before the next one is touched. The first failure ends it, with a report
//! of the nodes that were restarted and those that were not.

mod command;
mod node;
mod order;
mod report;

use std::time::Duration;

use clap::{Args, Subcommand};
use coffee_common::id::NodeName;
use tokio::time::Instant;

use self::{
    command::Template,
    node::{Again, RestartSteps},
    order::RestartTarget,
    report::{Planned, RestartReport, RestartsTail},
};
use crate::{
    confirm, duration, exit::ExitCode, failure::Failure, invocation::Invocation, lookup, printer::Printable,
    wording,
};

/// `rolling ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum RollingVerb {
    /// Restart the nodes with your command: followers first, the leader last
    #[command(
        after_help = "Each node is restarted only if the quorum survives without it; a leader hands over \
        first. The command runs here, by sh -c. The next node follows when this one has a new process, is a \
        member again and has caught up. The first failure ends the restart."
    )]
    Restart(RollingRestartArguments),
}

/// `rolling restart`.
#[derive(Debug, Args)]
pub(crate) struct RollingRestartArguments {
    /// Command that restarts a node, such as 'ssh {host} systemctl restart coffeed'; {node}, {host} and {address} are replaced
    #[arg(long, value_name = "CMD")]
    exec: String,
    /// Restart only these nodes, separated by commas
    #[arg(long, value_name = "NODE,..", value_delimiter = ',')]
    nodes: Vec<NodeName>,
    /// Time for each node, from the first check until it has caught up
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration::parse)]
    node_timeout: Duration,
    /// Skip nodes that are down, if there is a quorum without them
    #[arg(long)]
    skip_down: bool,
    /// Only print the plan
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(verb: &RollingVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    let RollingVerb::Restart(arguments) = verb;
    let template = Template::new(&arguments.exec)?;
    let view = lookup::view_with(&arguments.nodes, invocation).await?;
    let order = order::plan(&view, &arguments.nodes, arguments.skip_down)?;
    let plan = Planned::new(&order, &template);
    if arguments.dry_run {
        invocation.printer.report(&plan);
        return Ok(ExitCode::Done);
    }
    if !invocation.options.yes {
        confirm::confirm(&plan.table(), invocation).await?;
    }
    match invocation.options.timeout {
        None => Roll::new(arguments, &template, order).go(invocation).await,
        Some(whole) => Roll::new(arguments, &template, order).within(whole).go(invocation).await,
    }
}

/// A rolling restart in progress.
struct Roll<'a> {
    arguments: &'a RollingRestartArguments,
    template: &'a Template,
    left: Vec<RestartTarget>,
    count: usize,
    deadline: Option<Instant>,
}

impl<'a> Roll<'a> {
    fn new(arguments: &'a RollingRestartArguments, template: &'a Template, left: Vec<RestartTarget>) -> Self {
        Self { arguments, template, count: left.len(), left, deadline: None }
    }

    /// Limits the time for all nodes.
    fn within(self, whole: Duration) -> Self {
        Self { deadline: Some(Instant::now() + whole), ..self }
    }

    /// Restarts one node after another.
    async fn go(mut self, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
        invocation.printer.list_start("nodes");
        let mut changed = false;
        while !self.left.is_empty() {
            match self.one(invocation).await {
                Ok(done) => print(done, invocation),
                Err((stop, failure)) => {
                    print(RestartReport::failed(&stop), invocation);
                    let left: Vec<RestartTarget> = std::iter::once(stop).chain(self.left).collect();
                    left.iter().skip(1).for_each(|stop| print(RestartReport::left(stop), invocation));
                    invocation.printer.list_end(&RestartsTail { changed });
                    invocation.session.end_traces();
                    return Err(failure.hint(go_on(&left, invocation)));
                }
            }
            changed = true;
        }
        invocation.printer.list_end(&RestartsTail { changed });
        invocation.session.end_traces();
        Ok(ExitCode::Done)
    }

    /// Restarts the next node: a follower as long as there is one.
    async fn one(
        &mut self,
        invocation: &mut Invocation<'_>,
    ) -> Result<RestartReport, (RestartTarget, Failure)> {
        let client = invocation.client(invocation.usual_timeout());
        let leader = match &client {
            Ok(client) => client.cluster().await.ok().and_then(|view| view.leader),
            Err(_) => None,
        };
        let stop = order::take_next(&mut self.left, leader.as_ref());
        let place = format!("{} of {}", self.count - self.left.len(), self.count);
        invocation.printer.note(&format!("{}: {place}", stop.name));
        invocation.session.begin_traces(go_on(std::iter::once(&stop).chain(&self.left), invocation));
        let client = match client {
            Ok(client) => client,
            Err(failure) => return Err((stop, failure)),
        };
        let began = Instant::now();
        let patience = self.arguments.node_timeout;
        let deadline = self.deadline.into_iter().chain([began + patience]).min().unwrap_or(began);
        let steps = RestartSteps::new(client, &stop, self.template.command(&stop));
        let restart = tokio::time::timeout_at(deadline, steps.restart());
        match invocation.printer.progress().during(restart, || steps.awaited()).await {
            Ok(Ok(Again { led })) => Ok(RestartReport::restarted(&stop, led, began.elapsed())),
            Ok(Err(failure)) => Err((stop, failure)),
            Err(_) => {
                let waited = wording::span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                let missing = steps.missing();
                let message = format!("after {waited} {}", missing.message());
                let failure = missing
                    .with_message(message)
                    .hint(format!("check 'coffeectl status {}' and the log of {}", stop.name, stop.name));
                Err((stop, failure))
            }
        }
    }
}

fn print(done: RestartReport, invocation: &mut Invocation<'_>) {
    invocation.printer.list_page(&[done], |page| page.iter().map(Printable::table).collect());
}

/// The hint with the command for the remaining nodes.
fn go_on<'a>(left: impl IntoIterator<Item = &'a RestartTarget>, invocation: &Invocation<'_>) -> String {
    let names: Vec<&str> = left.into_iter().map(|stop| NodeName::as_str(&stop.name)).collect();
    format!("to continue: {}", invocation.spoken.instead("--nodes", &names.join(",")))
}
