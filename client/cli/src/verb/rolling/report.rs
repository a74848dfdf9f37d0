//! What a rolling restart says: the plan, then a line a node.

use std::time::Duration;

use coffee_common::id::NodeName;
use serde::Serialize;

use super::{command::Template, order::Stop};
use crate::{
    printer::{Report, escape, table::Table},
    wording,
};

/// What is going to be done.
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
    pub(super) fn new(order: &[Stop], template: &Template) -> Self {
        let node = |stop: &Stop| PlannedNode {
            node: stop.name.clone(),
            role: if stop.leads { "leader" } else { "follower" },
            address: stop.address.to_string(),
            command: template.command(stop),
        };
        Self { dry_run: true, nodes: order.iter().map(node).collect() }
    }
}

impl Report for Planned {
    fn table(&self) -> String {
        let mut table = Table::new(["NODE", "ROLE", "ADDRESS", "COMMAND"]);
        for PlannedNode { node, role, address, command } in &self.nodes {
            table.row([node.to_string(), (*role).to_owned(), address.clone(), escape::shown(command)]);
        }
        format!("plan: one after another, each only when the one before it has caught up\n{}", table.render())
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

/// What came of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Result {
    /// It has a new process, and has caught up.
    Restarted,
    /// It was its turn, and something went wrong.
    Failed,
    /// Its turn did not come.
    Left,
}

/// A node that was, or was not, restarted.
#[derive(Serialize)]
pub(super) struct Done {
    node: NodeName,
    result: Result,
    led: bool,
    took_ms: Option<u64>,
}

/// What stands beside the nodes in JSON.
#[derive(Serialize)]
pub(super) struct Rest {
    pub(super) changed: bool,
}

impl Done {
    pub(super) fn restarted(stop: &Stop, led: bool, took: Duration) -> Self {
        let took_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Self { node: stop.name.clone(), result: Result::Restarted, led, took_ms }
    }

    pub(super) fn failed(stop: &Stop) -> Self {
        Self { node: stop.name.clone(), result: Result::Failed, led: stop.leads, took_ms: None }
    }

    pub(super) fn left(stop: &Stop) -> Self {
        Self { node: stop.name.clone(), result: Result::Left, led: stop.leads, took_ms: None }
    }

    fn word(&self) -> &'static str {
        match self.result {
            Result::Restarted => "restarted",
            Result::Failed => "failed",
            Result::Left => "left",
        }
    }
}

impl Report for Done {
    fn table(&self) -> String {
        let Self { node, led, .. } = self;
        match (self.result, self.took_ms) {
            (Result::Restarted, took_ms) => {
                let led = if *led { ", handed leadership over before" } else { "" };
                format!(
                    "{node} was restarted: caught up after {}{led}\n",
                    wording::span(took_ms.unwrap_or(0))
                )
            }
            (Result::Failed, _) => format!("{node} failed\n"),
            (Result::Left, _) => format!("{node} was left as it was\n"),
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

    fn stop(name: &str, leads: bool) -> Stop {
        let address = Address::new(format!("{name}:7400")).unwrap();
        Stop { name: NodeName::new(name).unwrap(), address, leads }
    }

    #[test]
    fn golden() {
        let done = Done::restarted(&stop("hong", false), false, Duration::from_millis(4_213));
        assert_eq!(printed(Format::Table, &done), "hong was restarted: caught up after 4213 ms\n");
        assert_eq!(printed(Format::Plain, &done), "hong\trestarted\tfalse\t4213\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"hong\",\"result\":\"restarted\",\"led\":false,\"took_ms\":4213}\n"
        );
        assert_eq!(printed(Format::Table, &Done::failed(&stop("hong", false))), "hong failed\n");
        assert_eq!(printed(Format::Plain, &Done::left(&stop("ming", true))), "ming\tleft\ttrue\t-\n");
    }

    #[test]
    fn the_plan_shows_the_commands() {
        let template = Template::new("ssh {host} restart").unwrap();
        let plan = Planned::new(&[stop("hong", false), stop("ming", true)], &template);
        assert_eq!(
            printed(Format::Table, &plan),
            "\
plan: one after another, each only when the one before it has caught up
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
