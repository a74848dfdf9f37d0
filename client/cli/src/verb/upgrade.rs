//! `upgrade status` and `upgrade finish`: the feature level of the cluster, and how it is raised.
//!
//! Guards that the level is raised only after the operator has seen what it ends: older versions
//! of coffeed cannot take part afterwards.

use clap::{Args, Subcommand};
use coffee_common::{
    feature_level::{FeatureLevel, LEVELS},
    protocol::{ClusterView, NodeView, RaisedLevel},
};
use serde::Serialize;

use crate::{
    confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape, table::TextTable},
    wording,
};

/// `upgrade ..`.
#[derive(Debug, Subcommand)]
pub(crate) enum UpgradeVerb {
    /// Show the version and feature level of each node, and what is missing for the next level
    Status,
    /// Raise the feature level to the highest one that all nodes know: there is no way back
    #[command(after_help = "\
Run it when all nodes run the new version and have proved themselves. Until then
each node can return to the version before. Afterwards new commands and formats are
in use, and an older coffeed refuses the data directory and cannot join.
The level is only raised by hand.")]
    Finish(FinishArguments),
    /// Write the record of a node again
    #[cfg(coffee_future)]
    #[command(hide = true)]
    Touch {
        /// The node
        #[arg(value_name = "NODE")]
        node: coffee_common::id::NodeName,
    },
}

/// `upgrade finish`.
#[derive(Debug, Args)]
pub(crate) struct FinishArguments {
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(verb: &UpgradeVerb, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    match verb {
        UpgradeVerb::Status => {
            let view = invocation.view(invocation.usual_timeout()).await?;
            invocation.printer.report(&UpgradeStatus::new(&view));
        }
        #[cfg(coffee_future)]
        UpgradeVerb::Touch { node } => {
            let done = invocation.client(invocation.usual_timeout())?.future_touch(node.clone()).await?;
            invocation.printer.text(&format!("{node}: {done}\n"));
        }
        UpgradeVerb::Finish(arguments) => {
            let client = invocation.client(invocation.patient_timeout())?;
            let plan = client.finish_upgrade(true).await?;
            let planned = FinishReport { dry_run: true, ..FinishReport::new(plan) };
            if arguments.dry_run {
                invocation.printer.report(&planned);
                return Ok(ExitCode::Done);
            }
            if plan.from != plan.to && !invocation.options.yes {
                confirm::confirm(&planned.table(), invocation).await?;
            }
            let done = client.finish_upgrade(false).await?;
            invocation.printer.report(&FinishReport::new(done));
        }
    }
    Ok(ExitCode::Done)
}

/// Returns a sentence on the feature level: `Err` if it is unknown, or below one that a node knows.
pub(super) fn judge_level(view: &ClusterView) -> Result<String, String> {
    let status = UpgradeStatus::new(view);
    let is_settled = status.level.is_some() && status.known <= status.level;
    if is_settled { Ok(status.summary()) } else { Err(status.summary()) }
}

#[derive(Serialize)]
struct UpgradeStatus<'a> {
    level: Option<FeatureLevel>,
    /// The highest level that every node knows; `None` if one does not answer.
    known_by_all: Option<FeatureLevel>,
    /// The highest level that a node knows.
    known: Option<FeatureLevel>,
    nodes: Vec<NodeLevel<'a>>,
}

#[derive(Serialize)]
struct NodeLevel<'a> {
    name: &'a str,
    version: Option<&'a str>,
    level: Option<FeatureLevel>,
    state: &'static str,
}

impl<'a> UpgradeStatus<'a> {
    fn new(view: &'a ClusterView) -> Self {
        let node = |node: &'a NodeView| NodeLevel {
            name: node.name.as_str(),
            version: node.version.as_deref(),
            level: node.level,
            state: node.state.as_str(),
        };
        let members = || view.nodes.iter().filter(|node| !node.state.is_outside());
        let known: Option<Vec<FeatureLevel>> = members().map(|node| node.level).collect();
        Self {
            level: view.level,
            known_by_all: known.and_then(|known| known.into_iter().min()),
            known: members().filter_map(|node| node.level).max(),
            nodes: members().map(node).collect(),
        }
    }

    /// Returns the line below the table.
    fn summary(&self) -> String {
        let Some(level) = self.level else {
            return "the feature level of the cluster is unknown: no member answers".to_owned();
        };
        let now = format!("the cluster is at feature level {level}");
        let Some(known) = self.known.filter(|known| *known > level) else {
            return format!("{now}; no node knows a higher one");
        };
        if let Some(all) = self.known_by_all.filter(|all| *all > level) {
            return format!("{now}; all nodes know level {all}: 'coffeectl upgrade finish' raises it");
        }
        let missing: Vec<String> = self.nodes.iter().filter_map(|node| node.lacks(level.next())).collect();
        format!("{now}; level {known} is known, but not everywhere: {}", missing.join(", "))
    }
}

impl NodeLevel<'_> {
    /// Returns the node with the reason why it does not count as knowing a level.
    fn lacks(&self, level: FeatureLevel) -> Option<String> {
        match self.level {
            Some(known) if known >= level => None,
            Some(known) => Some(format!("{} knows level {known}", self.name)),
            None => Some(format!("{} does not answer", self.name)),
        }
    }
}

impl Printable for UpgradeStatus<'_> {
    fn table(&self) -> String {
        let mut table = TextTable::new(["NODE", "VERSION", "KNOWS LEVEL", "STATE"]).right([2]);
        for node in &self.nodes {
            table.row([
                node.name.to_owned(),
                node.version.map_or_else(|| "-".to_owned(), escape::shown),
                wording::or_nothing(node.level),
                node.state.to_owned(),
            ]);
        }
        format!("{}{}\n", table.render(), self.summary())
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let row = |node: &NodeLevel<'_>| {
            vec![
                node.name.to_owned(),
                node.version.map_or_else(|| "-".to_owned(), escape::field),
                wording::or_nothing(node.level),
                node.state.to_owned(),
            ]
        };
        let cluster = vec!["#".to_owned(), wording::or_nothing(self.level)];
        self.nodes.iter().map(row).chain([cluster]).collect()
    }
}

/// The level before and after.
#[derive(Serialize)]
struct FinishReport {
    from: FeatureLevel,
    to: FeatureLevel,
    changed: bool,
    dry_run: bool,
}

impl FinishReport {
    fn new(RaisedLevel { from, to }: RaisedLevel) -> Self {
        Self { from, to, changed: from != to, dry_run: false }
    }
}

impl Printable for FinishReport {
    fn table(&self) -> String {
        let Self { from, to, .. } = self;
        match (self.changed, self.dry_run) {
            (false, _) => {
                format!("the cluster is at feature level {to} already: no node knows a higher one\n")
            }
            (true, false) => format!("the cluster is at feature level {to} now: it was at {from}\n"),
            (true, true) => {
                let brought = LEVELS.iter().filter(|known| known.level > *from && known.level <= *to);
                let brought: String = brought
                    .map(|known| format!("  level {} brings {}\n", known.level, known.brought))
                    .collect();
                format!(
                    "plan: raise the feature level of the cluster from {from} to {to}\n{brought}  \
                     no version that knows less can take part afterwards; this cannot be undone\n"
                )
            }
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![self.from.to_string(), self.to.to_string(), self.changed.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::protocol::{NodeState, RaftRole};

    use super::*;
    use crate::{
        printer::{Format, tests::printed},
        sample_view,
    };

    fn view(level: u32, known: [Option<u32>; 3]) -> ClusterView {
        let node = |(name, known): (&str, Option<u32>)| {
            let state = if known.is_some() { NodeState::Up } else { NodeState::Unreachable };
            let node = sample_view::node(name, Some(RaftRole::Follower), state, None);
            NodeView { level: known.map(FeatureLevel), version: known.map(|_| "0.1.0".to_owned()), ..node }
        };
        let shut_down = sample_view::node("long", None, NodeState::Shutdown, None);
        let nodes = ["ming", "hong", "peng"].into_iter().zip(known).map(node).chain([shut_down]).collect();
        ClusterView { level: Some(FeatureLevel(level)), ..sample_view::view(3, 3, nodes) }
    }

    #[test]
    fn golden() {
        let view = view(1, [Some(2), Some(1), None]);
        let status = UpgradeStatus::new(&view);
        assert_eq!(
            printed(Format::Table, &status),
            "NODE  VERSION  KNOWS LEVEL  STATE\n\
             ming  0.1.0              2  up\n\
             hong  0.1.0              1  up\n\
             peng  -                  -  unreachable\n\
             the cluster is at feature level 1; level 2 is known, but not everywhere: hong knows level 1, peng \
             does not answer\n"
        );
        assert_eq!(
            printed(Format::Plain, &status),
            "ming\t0.1.0\t2\tup\nhong\t0.1.0\t1\tup\npeng\t-\t-\tunreachable\n#\t1\n"
        );
        let json = printed(Format::Json, &status);
        assert!(
            json.starts_with(
                r#"{"apiVersion":"coffee/v1","level":1,"known_by_all":null,"known":2,"nodes":[{"name":"ming","version":"0.1.0","level":2,"state":"up"}"#
            ),
            "{json}"
        );
    }

    #[test]
    fn the_summary_says_what_to_do() {
        let summary = |level, known| UpgradeStatus::new(&view(level, known)).summary();
        assert_eq!(
            summary(1, [Some(2), Some(2), Some(3)]),
            "the cluster is at feature level 1; all nodes know level 2: 'coffeectl upgrade finish' raises it"
        );
        assert!(judge_level(&view(1, [Some(2), Some(2), Some(3)])).is_err());
        assert!(judge_level(&view(2, [Some(2), Some(2), None])).is_ok());
        assert!(judge_level(&ClusterView { level: None, ..view(2, [None, None, None]) }).is_err());
        assert_eq!(
            summary(2, [Some(2), Some(2), None]),
            "the cluster is at feature level 2; no node knows a higher one"
        );
    }

    #[test]
    fn the_plan_says_that_there_is_no_way_back() {
        let raised = |from, to| RaisedLevel { from: FeatureLevel(from), to: FeatureLevel(to) };
        let plan = FinishReport { dry_run: true, ..FinishReport::new(raised(1, 2)) };
        let table = printed(Format::Table, &plan);
        assert!(table.starts_with("plan: raise the feature level of the cluster from 1 to 2\n"), "{table}");
        assert!(table.ends_with("this cannot be undone\n"), "{table}");
        let done = FinishReport::new(raised(1, 2));
        assert_eq!(printed(Format::Table, &done), "the cluster is at feature level 2 now: it was at 1\n");
        assert_eq!(printed(Format::Plain, &done), "1\t2\ttrue\n");
        assert_eq!(
            printed(Format::Json, &FinishReport::new(raised(2, 2))),
            "{\"apiVersion\":\"coffee/v1\",\"from\":2,\"to\":2,\"changed\":false,\"dry_run\":false}\n"
        );
    }
}
