//! `status`: what each endpoint reports about itself.
//!
//! All endpoints are asked at the same time. An endpoint that does not answer
//! does not hold back the answers of the others.

mod page;

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use coffee_client::Client;
use coffee_common::{
    id::{Address, NodeName},
    protocol::NodeStatus,
};

use self::page::StatusReport;
use super::gather::gather;
use crate::{
    exit::ExitCode, failure::Failure, invocation::Invocation, lookup, printer::json::NoFields, warnings,
};

/// The time that the other nodes get after the first answer, unless `--timeout` is given.
const GRACE: Duration = Duration::from_secs(1);

/// `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Nodes to ask instead of the endpoints
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
    /// Print a page per node with everything it reports
    #[arg(long, short)]
    verbose: bool,
}

pub(crate) async fn run(
    arguments: &StatusArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let addresses = addresses(&arguments.nodes, invocation).await?;
    let client = invocation.client(invocation.usual_timeout())?;
    let grace = invocation.options.timeout.is_none().then_some(GRACE);
    let answers = gather(addresses.iter().map(|address| ask(address, &client)), grace).await;
    let (mut statuses, mut failures) = (Vec::new(), Vec::new());
    for (address, answer) in addresses.iter().zip(answers) {
        match answer.unwrap_or_else(|| Err(late())) {
            Ok(status) => statuses.push(status),
            Err(failure) => failures.push((address, failure)),
        }
    }
    let reports: Vec<StatusReport> = statuses.iter().map(StatusReport::new).collect();
    invocation.printer.list_start("nodes");
    invocation.printer.list_page(&reports, if arguments.verbose { page::pages } else { page::summary });
    invocation.printer.list_end(&NoFields {});
    for warning in warnings::of_nodes(&statuses) {
        invocation.printer.note(&warning.to_string());
    }
    let code = failures.first().map_or(ExitCode::Done, |(_, failure)| failure.code());
    let records = || statuses.iter().filter_map(|status| status.raft.as_ref()).flat_map(|raft| &raft.nodes);
    let name_of = |address: &Address| {
        records().find(|record| record.address == *address).map(|record| record.name.as_str())
    };
    for failure in absent(&failures, name_of) {
        invocation.printer.failure(&failure);
    }
    Ok(code)
}

/// Returns the endpoints, or the addresses of the named nodes according to the cluster.
pub(super) async fn addresses(
    nodes: &[NodeName],
    invocation: &Invocation<'_>,
) -> Result<Vec<Address>, Failure> {
    if nodes.is_empty() {
        return Ok(invocation.session.connection().endpoints.clone());
    }
    let view = lookup::view_with(nodes, invocation).await?;
    let address = |name: &NodeName| {
        let node = view.nodes.iter().find(|node| node.name == *name);
        node.map(|node| node.address.clone()).ok_or_else(|| lookup::no_such_node(name))
    };
    nodes.iter().map(address).collect()
}

async fn ask(address: &Address, client: &Client) -> Result<NodeStatus, Failure> {
    Ok(client.at(address.clone())?.status().await?)
}

/// The failure of a node that answers later than the others.
pub(super) fn late() -> Failure {
    let message = format!("no answer {} s after the first one", GRACE.as_secs());
    Failure::new(ExitCode::Unavailable, message)
        .hint("--timeout waits longer; 'coffeectl list' shows which nodes the others can reach")
}

/// Returns one line per node that did not answer. Each hint is given once, after the last line.
pub(super) fn absent<'a>(
    failures: &[(&Address, Failure)],
    name_of: impl Fn(&Address) -> Option<&'a str>,
) -> Vec<Failure> {
    let mut lines: Vec<Failure> = Vec::new();
    for (address, failure) in failures {
        // The client's message for an unreachable node contains the address.
        let message = match (name_of(address), failure.message().contains(address.as_str())) {
            (Some(name), true) => format!("{name}: {}", failure.message()),
            (Some(name), false) => format!("{name} ({address}): {}", failure.message()),
            (None, true) => failure.message().to_owned(),
            (None, false) => format!("{address}: {}", failure.message()),
        };
        lines.push(Failure::new(failure.code(), message));
    }
    let mut given = BTreeSet::new();
    let hints = failures.iter().flat_map(|(_, failure)| failure.hints()).filter(|hint| given.insert(*hint));
    if let Some(last) = lines.pop() {
        lines.push(hints.cloned().fold(last, Failure::hint));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_nodes_are_one_line_each_and_a_hint_is_given_once() {
        let address = |port: u16| Address::new(format!("10.0.0.1:{port}")).unwrap();
        let failure = |text: &str| Failure::new(ExitCode::Unavailable, text).hint("look");
        let addresses = [address(7401), address(7402)];
        let failures = vec![
            (&addresses[0], failure("10.0.0.1:7401 is silent")),
            (&addresses[1], failure("no answer").hint("wait")),
        ];
        let lines = absent(&failures, |_| None);
        let messages: Vec<&str> = lines.iter().map(Failure::message).collect();
        assert_eq!(messages, ["10.0.0.1:7401 is silent", "10.0.0.1:7402: no answer"]);
        assert_eq!(lines[0].hints(), [""; 0]);
        assert_eq!(lines[1].hints(), ["look", "wait"]);
        let named = absent(&failures[1..], |_| Some("hong"));
        assert_eq!(named[0].message(), "hong (10.0.0.1:7402): no answer");
        assert!(absent(&[], |_| None).is_empty());
    }
}
