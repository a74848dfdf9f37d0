//! What `down` and `node remove` share: the plan, the question, the report.
//!
//! Guards: nothing is taken out of a cluster before somebody has seen what
//! that does to its quorum and said yes, be it by `--yes`.

use coffee_common::{id::NodeName, protocol::Removal};
use serde::Serialize;

use crate::{
    confirm,
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::Printable,
    wording::{self, quorum},
};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalKind {
    /// The node is alive, and is shut down.
    Down,
    /// The node is lost.
    Remove,
}

impl RemovalKind {
    fn deed(self) -> &'static str {
        match self {
            Self::Down => "take it out of the cluster and shut it down",
            Self::Remove => "take it out of the cluster for good",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Down => "is down",
            Self::Remove => "is removed",
        }
    }
}

/// What was asked for.
pub(super) struct Wish {
    pub(super) kind: RemovalKind,
    /// `None` is the leader.
    pub(super) node: Option<NodeName>,
    pub(super) dry_run: bool,
}

/// Shows the plan, asks, and does it. What was shown is what is done: a
/// leader that was not named is named before the question.
pub(super) async fn run(wish: Wish, invocation: &mut Invocation<'_>) -> Result<ExitCode, Failure> {
    if wish.dry_run {
        let plan = ask(&wish, wish.node.clone(), true, invocation).await?;
        invocation.printer.report(&Removed::new(wish.kind, &plan, true));
        return Ok(ExitCode::Done);
    }
    let mut node = wish.node.clone();
    if !invocation.options.yes {
        let plan = ask(&wish, node, true, invocation).await?;
        if plan.changed {
            confirm::confirm(&Removed::new(wish.kind, &plan, true).table(), invocation).await?;
        }
        node = Some(plan.node);
    }
    let done = ask(&wish, node, false, invocation).await?;
    invocation.printer.report(&Removed::new(wish.kind, &done, false));
    Ok(ExitCode::Done)
}

async fn ask(
    wish: &Wish,
    node: Option<NodeName>,
    dry_run: bool,
    invocation: &Invocation<'_>,
) -> Result<Removal, Failure> {
    let client = invocation.client(invocation.patient_timeout())?;
    match (wish.kind, node) {
        (RemovalKind::Remove, Some(node)) => Ok(client.remove(node, dry_run).await?),
        (RemovalKind::Remove, None) => Err(Failure::usage("name the node that is to be removed")),
        (RemovalKind::Down, node) => Ok(client.down(node, dry_run).await?),
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
    #[serde(skip)]
    kind: RemovalKind,
}

impl Removed {
    fn new(kind: RemovalKind, removal: &Removal, dry_run: bool) -> Self {
        Self {
            node: removal.node.clone(),
            changed: removal.changed,
            dry_run,
            voters_before: removal.voters_before,
            voters_after: removal.voters_after,
            quorum_before: quorum(removal.voters_before),
            quorum_after: quorum(removal.voters_after),
            leader: removal.leader.clone(),
            took_ms: removal.took_ms,
            kind,
        }
    }

    fn plan(&self) -> String {
        let Self { node, voters_before, voters_after, quorum_before, quorum_after, .. } = self;
        format!(
            "plan for {node}: {}\n  voters  {voters_before} -> {voters_after}\n  quorum  {quorum_before} -> \
             {quorum_after}\n",
            self.kind.deed()
        )
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

    #[test]
    fn golden() {
        let done = Removed::new(RemovalKind::Down, &removal(), false);
        assert_eq!(printed(Format::Table, &done), "ming is down: voters 5 -> 4, leader hong, after 37 ms\n");
        assert_eq!(printed(Format::Plain, &done), "ming\ttrue\t5\t4\thong\t37\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"ming\",\"changed\":true,\"dry_run\":false,\"voters_before\":5,\
             \"voters_after\":4,\"quorum_before\":3,\"quorum_after\":3,\"leader\":\"hong\",\"took_ms\":37}\n"
        );
        let already = Removed::new(RemovalKind::Remove, &Removal { changed: false, ..removal() }, false);
        assert_eq!(printed(Format::Table, &already), "ming is removed already\n");
    }

    #[test]
    fn the_plan_shows_the_quorum_before_and_after() {
        let plan = Removed::new(
            RemovalKind::Down,
            &Removal { voters_before: 4, voters_after: 3, leader: None, ..removal() },
            true,
        );
        assert_eq!(
            printed(Format::Table, &plan),
            "plan for ming: take it out of the cluster and shut it down\n  voters  4 -> 3\n  quorum  3 -> 2\n"
        );
    }
}
