//! The reports of a rolling restart: the plan, then one line per node.

use std::time::Duration;

use coffee_common::id::NodeName;
use serde::Serialize;

use super::{command::Template, order::RestartTarget};
use crate::{
    printer::{Printable, colour, escape, table::TextTable},
    wording,
};

/// The plan.
#[derive(Serialize)]
pub(super) struct Planned {
    dry_run: bool,
    nodes: Vec<PlannedNode>,
}

#[derive(Serialize)]
struct PlannedNode {
    node: NodeName,
    role: &'static str,
    address: String,
    command: String,
}

impl Planned {
    pub(super) fn new(order: &[RestartTarget], template: &Template) -> Self {
        let node = |stop: &RestartTarget| PlannedNode {
            node: stop.name.clone(),
            role: if stop.leads { "leader" } else { "follower" },
            address: stop.address.to_string(),
            command: template.command(stop),
        };
        Self { dry_run: true, nodes: order.iter().map(node).collect() }
    }
}

impl Printable for Planned {
    fn table(&self) -> String {
        let mut table = TextTable::new(["NODE", "ROLE", "ADDRESS", "COMMAND"]);
        for PlannedNode { node, role, address, command } in &self.nodes {
            table.row([node.to_string(), (*role).to_owned(), address.clone(), escape::shown(command)]);
        }
        format!("plan: one node after another, each after the previous one has caught up\n{}", table.render())
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let row = |node: &PlannedNode| {
            vec![
                node.node.to_string(),
                node.role.to_owned(),
                node.address.clone(),
                escape::field(&node.command),
            ]
        };
        self.nodes.iter().map(row).collect()
    }
}

/// The result for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum RestartResult {
    /// It has a new process and has caught up.
    Restarted,
    /// Its restart failed.
    Failed,
    /// An earlier failure ended the restart first.
    Left,
}

/// A node and the result for it.
#[derive(Serialize)]
pub(super) struct RestartReport {
    node: NodeName,
    result: RestartResult,
    led: bool,
    took_ms: Option<u64>,
}

/// The fields next to the nodes in JSON.
#[derive(Serialize)]
pub(super) struct RestartsTail {
    pub(super) changed: bool,
}

impl RestartReport {
    pub(super) fn restarted(stop: &RestartTarget, led: bool, took: Duration) -> Self {
        let took_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Self { node: stop.name.clone(), result: RestartResult::Restarted, led, took_ms }
    }

    pub(super) fn failed(stop: &RestartTarget) -> Self {
        Self { node: stop.name.clone(), result: RestartResult::Failed, led: stop.leads, took_ms: None }
    }

    pub(super) fn left(stop: &RestartTarget) -> Self {
        Self { node: stop.name.clone(), result: RestartResult::Left, led: stop.leads, took_ms: None }
    }

    fn word(&self) -> &'static str {
        match self.result {
            RestartResult::Restarted => "restarted",
            RestartResult::Failed => "failed",
            RestartResult::Left => "left",
        }
    }
}

impl Printable for RestartReport {
    fn table(&self) -> String {
        let Self { node, led, .. } = self;
        match (self.result, self.took_ms) {
            (RestartResult::Restarted, took_ms) => {
                let led = if *led { ", handed over leadership first" } else { "" };
                format!(
                    "{node} was restarted: caught up after {}{led}\n",
                    wording::span(took_ms.unwrap_or(0))
                )
            }
            (RestartResult::Failed, _) => format!("{node} {}\n", colour::red("failed")),
            (RestartResult::Left, _) => format!("{node} was not restarted\n"),
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let took = wording::or_nothing(self.took_ms);
        vec![vec![self.node.to_string(), self.word().to_owned(), self.led.to_string(), took]]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::id::Address;

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn stop(name: &str, leads: bool) -> RestartTarget {
        let address = Address::new(format!("{name}:7400")).unwrap();
        RestartTarget { name: NodeName::new(name).unwrap(), address, leads }
    }

    #[test]
    fn golden() {
        let done = RestartReport::restarted(&stop("hong", false), false, Duration::from_millis(4_213));
        assert_eq!(printed(Format::Table, &done), "hong was restarted: caught up after 4213 ms\n");
        assert_eq!(printed(Format::Plain, &done), "hong\trestarted\tfalse\t4213\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"hong\",\"result\":\"restarted\",\"led\":false,\"took_ms\":4213}\n"
        );
        assert_eq!(printed(Format::Table, &RestartReport::failed(&stop("hong", false))), "hong failed\n");
        assert_eq!(
            printed(Format::Plain, &RestartReport::left(&stop("ming", true))),
            "ming\tleft\ttrue\t-\n"
        );
    }

    #[test]
    fn the_plan_shows_the_commands() {
        let template = Template::new("ssh {host} restart").unwrap();
        let plan = Planned::new(&[stop("hong", false), stop("ming", true)], &template);
        assert_eq!(
            printed(Format::Table, &plan),
            "\
plan: one node after another, each after the previous one has caught up
NODE  ROLE      ADDRESS    COMMAND
hong  follower  hong:7400  ssh hong restart
ming  leader    ming:7400  ssh ming restart
"
        );
        assert_eq!(
            printed(Format::Plain, &plan),
            "hong\tfollower\thong:7400\tssh hong restart\nming\tleader\tming:7400\tssh ming restart\n"
        );
    }
}
