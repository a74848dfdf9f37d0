//! `wait`: waits until the cluster reaches a state, so that scripts need no sleep.

use std::{cell::RefCell, time::Duration};

use clap::{Args, ValueEnum};
use coffee_common::{
    feature_level::FeatureLevel,
    id::{NodeName, Revision},
    protocol::{ClusterView, NodeState, NodeView, RaftRole},
};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    lookup,
    printer::Printable,
    warnings,
    wording::{self, quorum},
};

/// `wait`.
#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// The state to wait for
    #[arg(long = "for", value_name = "WHAT")]
    goal: WaitGoal,
    /// The node that has to reach it (leader, synced, voter)
    #[arg(long, value_name = "NODE", required_if_eq("goal", "voter"))]
    node: Option<NodeName>,
    /// The feature level that the cluster has to reach
    #[arg(long, value_name = "LEVEL", required_if_eq("goal", "level"), value_parser = clap::value_parser!(u32).range(1..))]
    level: Option<u32>,
}

/// The states that `wait` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitGoal {
    /// A node leads
    Leader,
    /// A majority of the voters is in reach, and one leads
    Quorum,
    /// All members (or the named node) have applied what the leader had applied at the start
    Synced,
    /// The named node is a voter
    Voter,
    /// The cluster is at this feature level, or a higher one
    Level,
}

/// The time between two looks at the cluster.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) async fn run(
    arguments: &WaitArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let wanted = Wanted::new(arguments)?;
    let start = Instant::now();
    let deadline = start + invocation.patient_timeout();
    let missing = RefCell::new("no node has answered".to_owned());
    let looks = tokio::time::timeout_at(deadline, look_until(&wanted, deadline, &missing, invocation));
    let progress = invocation.printer.progress();
    let why_not = match progress.during(looks, || format!("waiting: {}", missing.borrow())).await {
        Ok(Ok(())) => return Ok(reached(&wanted, start, invocation)),
        Ok(Err(WaitFailure::Failed(failure))) => return Err(failure),
        Ok(Err(WaitFailure::Late(why_not))) => why_not,
        Err(_) => "no node answered".to_owned(),
    };
    let waited = wording::span(u64::try_from((deadline - start).as_millis()).unwrap_or(u64::MAX));
    Err(Failure::new(ExitCode::Unavailable, format!("waited {waited} for {}: {why_not}", wanted.name()))
        .hint("'coffeectl list' shows the nodes; --timeout waits longer"))
}

fn reached(wanted: &Wanted, start: Instant, invocation: &mut Invocation<'_>) -> ExitCode {
    let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    invocation.printer.report(&WaitReport { reached: wanted.name(), node: wanted.node.clone(), waited_ms });
    ExitCode::Done
}

/// Why the wait ended without success.
enum WaitFailure {
    /// The time is over; this was missing.
    Late(String),
    /// More time does not help.
    Failed(Failure),
}

async fn look_until(
    wanted: &Wanted,
    deadline: Instant,
    missing: &RefCell<String>,
    invocation: &Invocation<'_>,
) -> Result<(), WaitFailure> {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut target = None;
    // The last complete look says more than one that timed out.
    let mut seen: Option<String> = None;
    loop {
        ticks.tick().await;
        let why_not = match invocation.view(deadline.saturating_duration_since(Instant::now())).await {
            Ok(view) => match wanted.judge(&view, &mut target) {
                Ok(()) => return Ok(()),
                Err(why_not) => match hopeless(wanted, &view, deadline, invocation).await {
                    Some(failure) => return Err(WaitFailure::Failed(failure)),
                    None => seen.insert(why_not).clone(),
                },
            },
            Err(failure) if failure.code() == ExitCode::Unavailable => {
                seen.clone().unwrap_or_else(|| failure.message().to_owned())
            }
            Err(failure) => return Err(WaitFailure::Failed(failure)),
        };
        missing.replace(why_not.clone());
        if Instant::now() + LOOK_EVERY >= deadline {
            return Err(WaitFailure::Late(why_not));
        }
    }
}

/// Returns why waiting does not help.
async fn hopeless(
    wanted: &Wanted,
    view: &ClusterView,
    deadline: Instant,
    invocation: &Invocation<'_>,
) -> Option<Failure> {
    let Some(name) = wanted.unlisted(view) else { return wanted.is_elsewhere(view) };
    let left = deadline.saturating_duration_since(Instant::now());
    let client = invocation.client(left).ok()?;
    // The list of one node may be old, and a leader that is lost says nothing.
    let exists = lookup::exists(&client, name).await.unwrap_or(true);
    let to_join = format!("for one that is to join: coffeectl wait --for voter --node {name}");
    (!exists).then(|| lookup::no_such_node(name).hint(to_join))
}

/// The state to wait for, and the node that has to reach it.
struct Wanted {
    goal: WaitGoal,
    node: Option<NodeName>,
    level: Option<FeatureLevel>,
}

impl Wanted {
    fn new(arguments: &WaitArguments) -> Result<Self, Failure> {
        let WaitArguments { goal, node, level } = arguments;
        let wanted = Self { goal: *goal, node: node.clone(), level: level.map(FeatureLevel) };
        if matches!(goal, WaitGoal::Quorum | WaitGoal::Level) && node.is_some() {
            let name = wanted.name();
            return Err(Failure::usage(format!("--for {name} concerns all nodes")).hint("omit --node"));
        }
        if *goal != WaitGoal::Level && level.is_some() {
            let name = wanted.name();
            return Err(Failure::usage(format!("--for {name} needs no level")).hint("omit --level"));
        }
        Ok(wanted)
    }

    fn name(&self) -> &'static str {
        match self.goal {
            WaitGoal::Leader => "leader",
            WaitGoal::Quorum => "quorum",
            WaitGoal::Synced => "synced",
            WaitGoal::Voter => "voter",
            WaitGoal::Level => "level",
        }
    }

    /// Judges a view: `Ok`, or what is missing. `target` keeps what the leader
    /// had applied in the first view with a leader.
    fn judge(&self, view: &ClusterView, target: &mut Option<Revision>) -> Result<(), String> {
        if view.cluster.is_none() {
            let is_starting = view.nodes.iter().any(|node| node.state == NodeState::Starting);
            return Err(wording::no_cluster(view.asked.as_str(), is_starting));
        }
        match self.goal {
            WaitGoal::Leader => self.judge_leader(view),
            WaitGoal::Quorum => judge_quorum(view),
            WaitGoal::Synced => self.judge_synced(view, target),
            WaitGoal::Voter => self.judge_voter(view),
            WaitGoal::Level => self.judge_level(view),
        }
    }

    /// Returns the named node if it has to be in the list and is not.
    fn unlisted(&self, view: &ClusterView) -> Option<&NodeName> {
        // A node that is to become a voter may still have to join.
        let name = self.node.as_ref().filter(|_| self.goal != WaitGoal::Voter && view.leader.is_some())?;
        (!lookup::is_listed(view, name)).then_some(name)
    }

    /// Returns the failure if a node to wait for is in another cluster.
    fn is_elsewhere(&self, view: &ClusterView) -> Option<Failure> {
        let is_meant = |node: &&NodeView| match (&self.node, self.goal) {
            (Some(name), _) => node.name == *name,
            (None, goal) => goal == WaitGoal::Synced,
        };
        let (node, cluster) =
            view.nodes.iter().filter(is_meant).find_map(|node| Some((node, node.other_cluster?)))?;
        let failure = Failure::new(
            ExitCode::Refused,
            format!("waited for {}: {} is in another cluster, {cluster}", self.name(), node.name),
        );
        let hint = warnings::left_out_hint(view);
        Some(match hint {
            Some(hint) => failure.hint(format!("if it was left out of a restore or a recovery: {hint}")),
            None => failure,
        })
    }

    fn judge_leader(&self, view: &ClusterView) -> Result<(), String> {
        match (&view.leader, &self.node) {
            (_, Some(node)) if !lookup::is_listed(view, node) => Err(self.not_there()),
            (None, _) => Err("no node leads".into()),
            (Some(leader), Some(node)) if leader != node => Err(format!("{leader} leads")),
            (Some(_), _) => Ok(()),
        }
    }

    fn judge_synced(&self, view: &ClusterView, target: &mut Option<Revision>) -> Result<(), String> {
        let leader = view.nodes.iter().find(|node| node.role == Some(RaftRole::Leader));
        let target = match (*target, leader.and_then(|leader| leader.applied)) {
            (Some(target), _) => target,
            (None, Some(applied)) => *target.insert(applied),
            (None, None) => return Err("no node leads".into()),
        };
        let meant = |node: &&NodeView| match &self.node {
            Some(name) => node.name == *name,
            // The role of an unreachable node is unknown, but it is a member.
            None => node.role.is_some() || !node.state.is_outside(),
        };
        let mut nodes = view.nodes.iter().filter(meant).peekable();
        if nodes.peek().is_none() {
            return Err(self.not_there());
        }
        match nodes.find(|node| node.applied.is_none_or(|applied| applied < target)) {
            None => Ok(()),
            Some(NodeView { name, applied: Some(applied), .. }) => {
                Err(format!("{name} is at {applied} of {target}"))
            }
            Some(NodeView { name, state, .. }) => Err(format!("{name} is {}", wording::condition(*state))),
        }
    }

    fn judge_voter(&self, view: &ClusterView) -> Result<(), String> {
        let Some(node) = view.nodes.iter().find(|node| Some(&node.name) == self.node.as_ref()) else {
            return Err(self.not_there());
        };
        match (node.role, node.state) {
            (Some(RaftRole::Leader | RaftRole::Follower | RaftRole::Candidate), NodeState::Up) => Ok(()),
            (Some(role), NodeState::Up) => Err(format!("{} is a {}", node.name, role.as_str())),
            (_, state) => Err(format!("{} is {}", node.name, wording::condition(state))),
        }
    }

    fn judge_level(&self, view: &ClusterView) -> Result<(), String> {
        match view.level {
            Some(level) if Some(level) >= self.level => Ok(()),
            Some(level) => Err(format!("the cluster is at level {level}")),
            None => Err("the level of the cluster is unknown: no member answers".to_owned()),
        }
    }

    fn not_there(&self) -> String {
        format!("{} is not in the list", wording::or_nothing(self.node.as_ref()))
    }
}

/// Returns why the cluster does not work: too few voters in reach, or no leader that hears a quorum.
pub(super) fn judge_quorum(view: &ClusterView) -> Result<(), String> {
    let (reach, voters) = (view.voters_in_reach, view.voters);
    match &view.leader {
        _ if voters == 0 || reach < quorum(voters) => Err(format!("{reach} of {voters} voters are in reach")),
        None => Err("no node leads".into()),
        Some(_) if view.quorum_silent_ms.is_some() => Err("the leader hears no quorum".into()),
        Some(_) => Ok(()),
    }
}

#[derive(Serialize)]
struct WaitReport {
    reached: &'static str,
    node: Option<NodeName>,
    waited_ms: u64,
}

impl Printable for WaitReport {
    fn table(&self) -> String {
        format!("{}: yes, after {}\n", self.reached, wording::span(self.waited_ms))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.reached.to_owned(),
            wording::or_nothing(self.node.as_ref()),
            self.waited_ms.to_string(),
        ]]
    }
}

#[cfg(test)]
mod tests;
