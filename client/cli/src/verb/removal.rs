//! The common part of `down` and `node remove`: plan, confirmation, report.
//!
//! Guards that no node is removed before the operator has seen the effect on
//! the quorum and has confirmed it, or has passed `--yes`.

use std::time::Duration;

use coffee_client::Client;
use coffee_common::{
    id::NodeName,
    protocol::{ClusterView, Removal},
};
use serde::Serialize;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    awaited, confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::{Invocation, Origin},
    printer::Printable,
    wording::{self, quorum},
};

/// How long the node that is taken down has to accept a connection, to be seen to stop.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// The verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalKind {
    /// `down`: the node is running, and is shut down.
    Down,
    /// `node remove`: the node is lost.
    Remove,
    /// `node remove --revoke`.
    RemoveAndRevoke,
}

impl RemovalKind {
    fn deed(self) -> &'static str {
        match self {
            Self::Down => "remove it from the cluster and shut it down",
            Self::Remove => "remove it from the cluster for good",
            Self::RemoveAndRevoke => "remove it from the cluster for good, and revoke its certificates",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Down => "is down",
            Self::Remove | Self::RemoveAndRevoke => "is removed",
        }
    }

    /// Returns what is left to do after `node` was removed.
    fn next_steps(self, node: &NodeName) -> Vec<String> {
        let row = format!("next: if {node} does not return, 'coffeectl node remove {node}' clears its row");
        let certificate = format!("next: 'coffeectl revoke node-{node}' revokes its certificate");
        match self {
            Self::Down => vec![row, certificate],
            Self::Remove => vec![certificate],
            Self::RemoveAndRevoke => Vec::new(),
        }
    }
}

/// A removal as the operator typed it.
pub(super) struct Wish {
    pub(super) kind: RemovalKind,
    /// The node; `None` for the leader.
    pub(super) node: Option<NodeName>,
    pub(super) dry_run: bool,
}

/// Shows the plan, asks for confirmation and removes the node.
///
/// The plan and the removal name the same node: a leader that was not named is
/// looked up before the question.
pub(super) async fn run(wish: Wish, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    if wish.dry_run {
        let plan = ask(&wish, wish.node.clone(), true, invocation).await?;
        let plan = planned(&wish, &plan, invocation).await;
        invocation.printer.report(&plan);
        return Ok(ExitCode::Done);
    }
    let mut node = wish.node.clone();
    if !invocation.options.yes {
        let plan = ask(&wish, node, true, invocation).await?;
        if plan.changed {
            let shown = planned(&wish, &plan, invocation).await;
            confirm::confirm(&shown.table(), invocation).await?;
        }
        node = Some(plan.node);
    }
    let client = invocation.client(invocation.patient_timeout())?;
    let stopped = match wish.kind {
        RemovalKind::Down => watch(&client, &mut node).await,
        RemovalKind::Remove | RemovalKind::RemoveAndRevoke => None,
    };
    let named = node.clone();
    let look = async || Some(awaited::removal(&client.cluster().await.ok()?, named.as_ref()));
    let removal = ask(&wish, node, false, invocation);
    let done = invocation.printer.progress().watching(removal, awaited::REMOVAL, look).await?;
    if let Some(stopped) = stopped.filter(|_| done.changed) {
        // A script may replace the data or start the node again after this.
        if timeout(invocation.patient_timeout(), stopped).await.is_err() {
            invocation.printer.note(&format!("{} has not ended yet", done.node));
        }
    }
    invocation.printer.report(&Removed::new(wish.kind, &done));
    // At the prompt of the demo, and of a script, these would be noise.
    if done.changed && invocation.origin == Origin::CommandLine {
        wish.kind.next_steps(&done.node).iter().for_each(|step| invocation.printer.note(step));
    }
    Ok(ExitCode::Done)
}

/// Begins to watch the node that is taken down, and names it: the leader unless it is named. The
/// task ends when the node has stopped. `None` if its address is not known.
async fn watch(client: &Client, node: &mut Option<NodeName>) -> Option<JoinHandle<()>> {
    let view = client.cluster().await.ok()?;
    if node.is_none() {
        node.clone_from(&view.leader);
    }
    let known = view.nodes.iter().find(|known| Some(&known.name) == node.as_ref())?;
    let client = client.at(known.address.clone()).ok()?.with_timeout(CONNECT_WITHIN);
    Some(tokio::spawn(async move { client.stopped().await }))
}

/// Returns the plan. Without a view of the cluster it is based on the number of voters alone.
async fn planned(wish: &Wish, plan: &Removal, invocation: &Invocation<'_>) -> Removed {
    let view = invocation.view(invocation.usual_timeout()).await.ok();
    let effect = RemovalEffect::new(plan, view.as_ref(), wish.node.is_none());
    Removed { dry_run: true, effect: Some(effect), ..Removed::new(wish.kind, plan) }
}

async fn ask(
    wish: &Wish,
    node: Option<NodeName>,
    dry_run: bool,
    invocation: &Invocation<'_>,
) -> Result<Removal, Failure> {
    let client = invocation.client(invocation.patient_timeout())?;
    match (wish.kind, node) {
        (RemovalKind::Down, node) => Ok(client.down(node, dry_run).await?),
        (_, Some(node)) => Ok(client.remove(node, dry_run).await?),
        (_, None) => Err(Failure::usage("the node to remove is missing")),
    }
}

#[derive(Serialize)]
struct Removed {
    node: NodeName,
    changed: bool,
    dry_run: bool,
    voters_before: u32,
    voters_after: u32,
    quorum_before: u32,
    quorum_after: u32,
    leader: Option<NodeName>,
    took_ms: u64,
    #[serde(flatten)]
    effect: Option<RemovalEffect>,
    #[serde(skip)]
    kind: RemovalKind,
}

/// The effect of a removal that is only planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RemovalEffect {
    may_lose_before: u32,
    may_lose_after: u32,
    /// Whether the node leads; `None` if unknown.
    leads: Option<bool>,
    /// Whether the node was chosen because it leads.
    #[serde(skip)]
    unnamed: bool,
}

impl RemovalEffect {
    fn new(plan: &Removal, view: Option<&ClusterView>, unnamed: bool) -> Self {
        let spare = |voters: u32, in_reach: u32| in_reach.saturating_sub(quorum(voters));
        let (before, after) = (plan.voters_before, plan.voters_after);
        let Some(view) = view else {
            let (may_lose_before, may_lose_after) = (spare(before, before), spare(after, after));
            let leads = unnamed.then_some(true);
            return Self { may_lose_before, may_lose_after, leads, unnamed };
        };
        let in_reach =
            view.nodes.iter().any(|node| node.name == plan.node && node.role.is_some()) && after < before;
        Self {
            may_lose_before: view.may_lose,
            may_lose_after: spare(after, view.voters_in_reach.saturating_sub(in_reach.into())),
            leads: Some(view.leader.as_ref() == Some(&plan.node)),
            unnamed,
        }
    }
}

impl Removed {
    fn new(kind: RemovalKind, removal: &Removal) -> Self {
        Self {
            node: removal.node.clone(),
            changed: removal.changed,
            dry_run: false,
            voters_before: removal.voters_before,
            voters_after: removal.voters_after,
            quorum_before: quorum(removal.voters_before),
            quorum_after: quorum(removal.voters_after),
            leader: removal.leader.clone(),
            took_ms: removal.took_ms,
            effect: None,
            kind,
        }
    }

    fn plan(&self) -> String {
        let Self { node, voters_before, voters_after, quorum_before, quorum_after, effect, .. } = self;
        let leader = match effect {
            Some(RemovalEffect { unnamed: true, .. }) => ", the leader, as no node is named",
            Some(RemovalEffect { leads: Some(true), .. }) => ", the leader",
            _ => "",
        };
        let mut plan = format!(
            "plan for {node}{leader}: {}\n  voters       {voters_before} -> {voters_after}\n  \
             quorum       {quorum_before} -> {quorum_after}\n",
            self.kind.deed()
        );
        if let Some(RemovalEffect { may_lose_before, may_lose_after, .. }) = effect {
            plan += &format!("  may be lost  {may_lose_before} -> {may_lose_after}\n");
        }
        if voters_after < voters_before && *voters_after > 0 && voters_after % 2 == 0 {
            let odd = voters_after - 1;
            plan +=
                &format!("  {voters_after} voters tolerate no more losses than {odd}: prefer odd numbers\n");
        }
        plan
    }
}

impl Printable for Removed {
    fn table(&self) -> String {
        let Self { node, voters_before, voters_after, took_ms, .. } = self;
        match (self.changed, self.dry_run) {
            (false, _) => format!("{node} {} already\n", self.kind.done()),
            (true, true) => self.plan(),
            (true, false) => {
                let leader = self.leader.as_ref().map(|name| format!(", leader {name}")).unwrap_or_default();
                let span = wording::span(*took_ms);
                format!(
                    "{node} {}: voters {voters_before} -> {voters_after}{leader}, after {span}\n",
                    self.kind.done()
                )
            }
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.node.to_string(),
            self.changed.to_string(),
            self.voters_before.to_string(),
            self.voters_after.to_string(),
            wording::or_nothing(self.leader.as_ref()),
            self.took_ms.to_string(),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        id::{Address, NodeId},
        protocol::{NodeState, NodeView, RaftRole},
    };

    use super::*;
    use crate::printer::{Format, tests::printed};

    fn removal() -> Removal {
        Removal {
            node: NodeName::new("ming").unwrap(),
            changed: true,
            voters_before: 5,
            voters_after: 4,
            leader: NodeName::new("hong").ok(),
            took_ms: 37,
        }
    }

    fn view(leader: &str, in_reach: u32, may_lose: u32, role: Option<RaftRole>) -> ClusterView {
        let node = NodeView {
            name: NodeName::new("ming").unwrap(),
            id: Some(NodeId(1)),
            address: Address::new("10.0.0.1:7400").unwrap(),
            role,
            state: NodeState::Up,
            lag: None,
            applied: None,
            version: None,
            pace: None,
            certificate_until_s: None,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            other_cluster: None,
            level: None,
        };
        ClusterView {
            disk_free_bytes_min: None,
            quorum_silent_ms: None,
            join_requests: Vec::new(),
            writes_refused: None,
            cluster: None,
            asked: NodeName::new("hong").unwrap(),
            leader: NodeName::new(leader).ok(),
            term: 1,
            joint: false,
            voters: 5,
            voters_in_reach: in_reach,
            may_lose,
            nodes: vec![node],
            level: None,
        }
    }

    fn plan(removal: &Removal, view: Option<&ClusterView>, unnamed: bool) -> Removed {
        let effect = Some(RemovalEffect::new(removal, view, unnamed));
        Removed { dry_run: true, effect, ..Removed::new(RemovalKind::Down, removal) }
    }

    #[test]
    fn golden() {
        let done = Removed::new(RemovalKind::Down, &removal());
        assert_eq!(printed(Format::Table, &done), "ming is down: voters 5 -> 4, leader hong, after 37 ms\n");
        assert_eq!(printed(Format::Plain, &done), "ming\ttrue\t5\t4\thong\t37\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"ming\",\"changed\":true,\"dry_run\":false,\"voters_before\":5,\
             \"voters_after\":4,\"quorum_before\":3,\"quorum_after\":3,\"leader\":\"hong\",\"took_ms\":37}\n"
        );
        let already = Removed::new(RemovalKind::Remove, &Removal { changed: false, ..removal() });
        assert_eq!(printed(Format::Table, &already), "ming is removed already\n");
    }

    #[test]
    fn the_plan_shows_the_quorum_before_and_after() {
        let three = Removal { voters_before: 4, voters_after: 3, leader: None, ..removal() };
        assert_eq!(
            printed(Format::Table, &plan(&three, None, false)),
            "plan for ming: remove it from the cluster and shut it down\n  voters       4 -> 3\n  \
             quorum       3 -> 2\n  may be lost  1 -> 1\n"
        );
        let json = printed(Format::Json, &plan(&three, None, false));
        assert!(
            json.contains(r#""took_ms":37,"may_lose_before":1,"may_lose_after":1,"leads":null}"#),
            "{json}"
        );
    }

    #[test]
    fn the_plan_names_the_leader_and_warns_of_an_even_number() {
        let all = view("ming", 5, 2, Some(RaftRole::Leader));
        let text = printed(Format::Table, &plan(&removal(), Some(&all), true));
        assert!(text.starts_with("plan for ming, the leader, as no node is named: remove it"), "{text}");
        assert!(
            text.ends_with(
                "  may be lost  2 -> 1\n  4 voters tolerate no more losses than 3: prefer odd numbers\n"
            ),
            "{text}"
        );
        let named = printed(Format::Table, &plan(&removal(), Some(&all), false));
        assert!(named.starts_with("plan for ming, the leader: remove it"), "{named}");
    }

    #[test]
    fn what_may_be_lost_depends_on_the_nodes_in_reach() {
        let effect = |view: &ClusterView, removal: &Removal| {
            let RemovalEffect { may_lose_before, may_lose_after, leads, .. } =
                RemovalEffect::new(removal, Some(view), false);
            (may_lose_before, may_lose_after, leads)
        };
        let absent = view("hong", 4, 1, None);
        assert_eq!(effect(&absent, &removal()), (1, 1, Some(false)), "a lost node counts for nothing");
        let present = view("hong", 4, 1, Some(RaftRole::Follower));
        assert_eq!(effect(&present, &removal()), (1, 0, Some(false)), "another node is lost");
        let row = Removal { voters_after: 5, ..removal() };
        assert_eq!(effect(&view("hong", 5, 2, None), &row), (2, 2, Some(false)), "ming has no vote");
    }

    #[test]
    fn next_steps_are_commands() {
        let ming = NodeName::new("ming").unwrap();
        let steps = RemovalKind::Down.next_steps(&ming);
        assert!(steps[0].contains("'coffeectl node remove ming'"), "{steps:?}");
        assert!(steps[1].contains("'coffeectl revoke node-ming'"), "{steps:?}");
        assert_eq!(RemovalKind::Remove.next_steps(&ming), steps[1..]);
    }
}
