//! The nodes that are asked for their events, and how far each was read.

use std::time::Duration;

use coffee_client::{Client, Error};
use coffee_common::{
    id::{Address, NodeName},
    protocol::{ClusterView, NodeEvents, NodeState},
};

use super::row::EventRow;
use crate::{
    failure::Failure,
    invocation::Invocation,
    lookup,
    verb::{gather::gather, status},
};

/// The time that the other nodes get after the first answer, unless `--timeout` is given.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The nodes, each with the place up to which its events were read.
#[derive(Debug, Default)]
pub(crate) struct EventSources(Vec<EventSource>);

#[derive(Debug)]
struct EventSource {
    name: NodeName,
    address: Address,
    /// The start of the node that the number is of; 0 before its first answer.
    started_at_ms: u64,
    /// The number of the last event that was read.
    last: u64,
    /// Whether its last answer was missing, which is told once.
    is_missing: bool,
}

/// The outcome of one look at all nodes.
#[derive(Debug)]
pub(crate) struct LookedEvents {
    /// The new events, in the order of their times.
    pub(crate) events: Vec<EventRow>,
    /// The nodes that do not answer, unless this was told before.
    pub(crate) failures: Vec<Failure>,
    /// The nodes that answer again.
    pub(crate) back: Vec<NodeName>,
}

impl EventSources {
    /// Asks for a list, and follows these nodes of it, or all: see [`Self::follow`].
    pub(crate) async fn find(
        &mut self,
        names: &[NodeName],
        invocation: &Invocation<'_>,
    ) -> Result<(), Failure> {
        let view = match names {
            [] => invocation.view(invocation.usual_timeout()).await?,
            names => lookup::view_with(names, invocation).await?,
        };
        if let Some(missing) = names.iter().find(|name| !lookup::is_listed(&view, name)) {
            return Err(lookup::no_such_node(missing));
        }
        self.follow(&view, names);
        Ok(())
    }

    /// Follows these nodes of a list, or all of it that are not shut down. Adds those that are new, and
    /// follows one to another address.
    pub(crate) fn follow(&mut self, view: &ClusterView, names: &[NodeName]) {
        let is_asked = |name: &NodeName, state: NodeState| match names {
            [] => !matches!(state, NodeState::Shutdown | NodeState::Announced),
            names => names.contains(name),
        };
        for node in view.nodes.iter().filter(|node| is_asked(&node.name, node.state)) {
            match self.0.iter_mut().find(|source| source.name == node.name) {
                Some(source) => source.address.clone_from(&node.address),
                None => self.0.push(EventSource {
                    name: node.name.clone(),
                    address: node.address.clone(),
                    started_at_ms: 0,
                    last: 0,
                    is_missing: false,
                }),
            }
        }
    }

    /// Returns the width of the longest name.
    pub(crate) fn name_width(&self) -> usize {
        self.0.iter().map(|source| source.name.as_str().len()).max().unwrap_or_default()
    }

    /// Asks all nodes at once for their events since the last look; of those that have told none yet, at most
    /// the latest `limit` of each, 0 for all. After the first answer the others have `grace` left.
    pub(crate) async fn look(
        &mut self,
        client: &Client,
        limit: u32,
        grace: Option<Duration>,
    ) -> LookedEvents {
        let width = self.name_width();
        let answers = gather(
            self.0.iter().map(|source| source.ask(client, if source.last == 0 { limit } else { 0 })),
            grace,
        )
        .await;
        let (mut events, mut missing, mut back) = (Vec::new(), Vec::new(), Vec::new());
        for (source, answer) in self.0.iter_mut().zip(answers) {
            match answer {
                Some(Ok(told)) => {
                    source.note(&told);
                    if std::mem::take(&mut source.is_missing) {
                        back.push(source.name.clone());
                    }
                    events.extend(EventRow::all(told, &source.name, width));
                }
                failed => {
                    if !std::mem::replace(&mut source.is_missing, true) {
                        let failure = failed.and_then(Result::err).map_or_else(status::late, Failure::from);
                        missing.push((&source.address, &source.name, failure));
                    }
                }
            }
        }
        events.sort_by(|a, b| (a.at_ms, &a.node, a.number).cmp(&(b.at_ms, &b.node, b.number)));
        let name_of = |address: &Address| {
            missing.iter().find(|(known, ..)| *known == address).map(|(_, name, _)| name.as_str())
        };
        let failures: Vec<_> =
            missing.iter().map(|(address, _, failure)| (*address, failure.clone())).collect();
        let failures = status::absent(&failures, name_of);
        LookedEvents { events, failures, back }
    }
}

impl EventSource {
    /// Asks for the events after the last one, or for all if the node has restarted since.
    async fn ask(&self, client: &Client, limit: u32) -> Result<NodeEvents, Error> {
        let node = client.at(self.address.clone())?;
        let told = node.events(self.last, limit).await?;
        if self.last > 0 && told.started_at_ms != self.started_at_ms {
            return node.events(0, limit).await;
        }
        Ok(told)
    }

    fn note(&mut self, told: &NodeEvents) {
        if told.started_at_ms != self.started_at_ms {
            (self.started_at_ms, self.last) = (told.started_at_ms, 0);
        }
        self.last = told.events.last().map_or(self.last, |event| event.number);
    }
}
