//! Selects the node to ask next from what the client knows about the nodes.
//!
//! Pure: knows no network and no clock; the caller supplies the time and which
//! nodes are connected. A wrong choice makes a call slow, never incorrect: any node
//! accepts any request.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, NodeName},
    limits::NODES_MAX,
    protocol::Leader,
};

use crate::timing;

/// A node to ask: its address and expected name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteTarget {
    /// The node's address.
    pub(crate) address: Address,
    /// The name the node must have; `None` accepts any node of the cluster.
    pub(crate) name: Option<NodeName>,
}

/// Where to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the leader: other nodes would have to forward it.
    Leader,
    /// To the first endpoint that answers, in the order given.
    First,
}

/// The nodes, as far as the client knows them.
#[derive(Debug)]
pub(crate) struct Routes {
    places: Vec<RouteEntry>,
    leader: Option<Address>,
    /// How often the leader changed.
    leaders: u64,
    /// The last endpoint that executed a request.
    proven: Option<Address>,
    follow_leader: bool,
}

#[derive(Debug)]
struct RouteEntry {
    target: Arc<RouteTarget>,
    /// Given by the user, not learned from a node.
    given: bool,
    failures: u32,
    avoid_until: Duration,
}

/// The inputs of a choice besides [`Routes`].
pub(crate) struct RouteContext<'a> {
    /// The endpoints that this call has tried so far, with repetitions.
    pub(crate) tried: &'a [Arc<RouteTarget>],
    /// Whether an endpoint is connected and responsive.
    pub(crate) connected: &'a dyn Fn(&Address) -> bool,
    /// Whether the client learned of a leader since the last try: it is asked even if
    /// tried before.
    pub(crate) news: bool,
    /// The time since the client started.
    pub(crate) now: Duration,
}

/// The selected node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The node to ask.
    pub(crate) target: Arc<RouteTarget>,
    /// A leader to connect to meanwhile, so that it can be asked directly next time.
    pub(crate) connect: Option<Arc<RouteTarget>>,
}

impl Routes {
    /// Creates routes for the endpoints given by the user. `follow_leader` lets them
    /// learn others.
    pub(crate) fn new(endpoints: impl IntoIterator<Item = Address>, follow_leader: bool) -> Self {
        let mut routes = Self { places: Vec::new(), leader: None, leaders: 0, proven: None, follow_leader };
        for address in endpoints {
            if routes.place(&address).is_none() {
                routes.places.push(RouteEntry::new(RouteTarget { address, name: None }, true));
            }
        }
        routes
    }

    /// Returns whether it learns from what nodes say.
    pub(crate) fn follows_leader(&self) -> bool {
        self.follow_leader
    }

    /// Records the leader that a node named. Returns whether it is new.
    pub(crate) fn heard_of_leader(&mut self, leader: &Leader) -> bool {
        if !self.follow_leader || self.leader.as_ref() == Some(&leader.address) {
            return false;
        }
        self.learn(&leader.name, &leader.address);
        if let Some(place) = self.place(&leader.address) {
            // It won an election since it failed.
            place.avoid_until = Duration::ZERO;
        }
        self.leader = Some(leader.address.clone());
        self.leaders += 1;
        true
    }

    /// Records that the named node is at this address.
    pub(crate) fn learn(&mut self, name: &NodeName, address: &Address) {
        if !self.follow_leader {
            return;
        }
        match self.place(address) {
            Some(place) if place.given => {}
            Some(place) => place.rename(name),
            None => {
                self.evict_oldest_learned();
                let target = RouteTarget { address: address.clone(), name: Some(name.clone()) };
                self.places.push(RouteEntry::new(target, false));
            }
        }
    }

    /// Records that an endpoint executed a request.
    pub(crate) fn proved(&mut self, address: &Address) {
        if self.proven.as_ref() != Some(address) {
            self.proven = Some(address.clone());
        }
        self.revived(address);
    }

    /// Records that an endpoint is responsive.
    pub(crate) fn revived(&mut self, address: &Address) {
        if let Some(place) = self.place(address) {
            place.failures = 0;
            place.avoid_until = Duration::ZERO;
        }
    }

    /// Records that an endpoint is unreachable or silent: it is tried last for a while.
    pub(crate) fn failed(&mut self, address: &Address, now: Duration) {
        if let Some(place) = self.place(address) {
            place.failures = place.failures.saturating_add(1);
            place.avoid_until = now + timing::avoidance(place.failures);
        }
    }

    /// Returns the leader's address unless it failed recently.
    pub(crate) fn leader(&self, now: Duration) -> Option<&Address> {
        let leader = self.leader.as_ref()?;
        let place = self.places.iter().find(|place| place.target.address == *leader)?;
        (!place.is_avoided(now)).then_some(leader)
    }

    /// Returns how often the leader changed; a caller compares it to detect news.
    pub(crate) fn leaders(&self) -> u64 {
        self.leaders
    }

    /// Returns all endpoints, given or learned.
    pub(crate) fn targets(&self) -> Vec<Arc<RouteTarget>> {
        self.places.iter().map(|place| place.target.clone()).collect()
    }

    /// Returns the node to ask next; `None` only without any endpoint.
    pub(crate) fn choose(&self, route: Route, context: &RouteContext<'_>) -> Option<Choice> {
        let leader = self.leader_place(route, context);
        if let Some(leader) = leader
            && (context.news || (context.connected)(&leader.target.address) && !leader.was_tried(context))
        {
            return Some(Choice { target: leader.target.clone(), connect: None });
        }
        let (_, chosen) = self
            .places
            .iter()
            .enumerate()
            .map(|(order, place)| (self.rank(place, order, route, context), place))
            .min_by_key(|(rank, _)| *rank)?;
        let connect = leader.filter(|leader| !(context.connected)(&leader.target.address));
        Some(Choice {
            target: chosen.target.clone(),
            connect: connect.map(|leader| leader.target.clone()).filter(|leader| *leader != chosen.target),
        })
    }

    /// Returns whether a healthy endpoint is left that has not been tried, so no pause
    /// is needed.
    pub(crate) fn untried(&self, context: &RouteContext<'_>) -> bool {
        let least = self.places.iter().map(|place| place.weight(context)).min();
        self.places.iter().any(|place| Some(place.weight(context)) == least && !place.was_tried(context))
    }

    /// Returns whether `failed` holds for every endpoint.
    pub(crate) fn all_in(&self, failed: impl Fn(&Address) -> bool) -> bool {
        self.places.iter().all(|place| failed(&place.target.address))
    }

    fn leader_place(&self, route: Route, context: &RouteContext<'_>) -> Option<&RouteEntry> {
        let address = self.leader(context.now).filter(|_| route == Route::Leader)?;
        self.places.iter().find(|place| place.target.address == *address)
    }

    /// The endpoint with the lowest rank is asked first.
    fn rank(
        &self,
        place: &RouteEntry,
        order: usize,
        route: Route,
        context: &RouteContext<'_>,
    ) -> (usize, u8, usize) {
        let address = &place.target.address;
        let class = match route {
            Route::First => u8::from(!place.given),
            Route::Leader => match ((context.connected)(address), self.proven.as_ref() == Some(address)) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) if self.leader.as_ref() == Some(address) => 2,
                (false, true) => 3,
                (false, false) => 4,
            },
        };
        (place.weight(context), class, order)
    }

    fn place(&mut self, address: &Address) -> Option<&mut RouteEntry> {
        self.places.iter_mut().find(|place| place.target.address == *address)
    }

    /// Evicts the oldest learned endpoint if there are too many: a cluster whose
    /// addresses keep changing must not fill memory.
    fn evict_oldest_learned(&mut self) {
        let learned = self.places.iter().filter(|place| !place.given).count();
        if learned >= NODES_MAX
            && let Some(oldest) = self.places.iter().position(|place| !place.given)
        {
            self.places.remove(oldest);
        }
    }
}

impl RouteEntry {
    fn new(target: RouteTarget, given: bool) -> Self {
        Self { target: Arc::new(target), given, failures: 0, avoid_until: Duration::ZERO }
    }

    fn rename(&mut self, name: &NodeName) {
        if self.target.name.as_ref() != Some(name) {
            let address = self.target.address.clone();
            self.target = Arc::new(RouteTarget { address, name: Some(name.clone()) });
        }
    }

    fn is_avoided(&self, now: Duration) -> bool {
        now < self.avoid_until
    }

    fn was_tried(&self, context: &RouteContext<'_>) -> bool {
        context.tried.iter().any(|tried| tried.address == self.target.address)
    }

    /// Returns how often this call tried the endpoint; a recent failure counts as two
    /// more.
    fn weight(&self, context: &RouteContext<'_>) -> usize {
        let tries = context.tried.iter().filter(|tried| tried.address == self.target.address).count();
        tries + if self.is_avoided(context.now) { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
