//! Which node to ask: what a client knows of the nodes, and the choice it makes.
//!
//! Pure: knows no network and no clock; it is told what was heard and what
//! the time is, and which nodes are connected. Nothing here can make a call
//! wrong, only slow: any node takes any request.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    id::{Address, NodeName},
    limits::NODES_MAX,
    protocol::Leader,
};

use crate::timing;

/// A node to ask: its address, and who must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteTarget {
    /// Where it is reached.
    pub(crate) address: Address,
    /// Who it must be; `None` takes whichever node of the cluster answers.
    pub(crate) name: Option<NodeName>,
}

/// Where a request is best sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// To the leader: others would have to pass it on.
    Leader,
    /// To the first endpoint that answers, in the order in which they were given.
    First,
}

/// What was heard of the nodes so far.
#[derive(Debug)]
pub(crate) struct Routes {
    places: Vec<KnownNode>,
    leader: Option<Address>,
    /// How often another leader was heard of.
    leaders: u64,
    /// The endpoint that last did what was asked of it.
    proven: Option<Address>,
    follow_leader: bool,
}

#[derive(Debug)]
struct KnownNode {
    target: Arc<RouteTarget>,
    /// Given by the user, not learned from a node.
    given: bool,
    failures: u32,
    avoid_until: Duration,
}

/// What a choice depends on besides [`Routes`].
pub(crate) struct RouteContext<'a> {
    /// The endpoints that this call has tried so far, with repetitions.
    pub(crate) tried: &'a [Arc<RouteTarget>],
    /// Whether an endpoint is connected and shows signs of life.
    pub(crate) connected: &'a dyn Fn(&Address) -> bool,
    /// Whether a leader was heard of since the last try: it is asked, tried before or not.
    pub(crate) news: bool,
    /// The time since the client started.
    pub(crate) now: Duration,
}

/// The choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Whom to ask.
    pub(crate) target: Arc<RouteTarget>,
    /// Whom to connect to meanwhile: a leader who will be asked directly next time.
    pub(crate) connect: Option<Arc<RouteTarget>>,
}

impl Routes {
    /// Knows the endpoints that the user gave. `follow_leader` lets it learn more.
    pub(crate) fn new(endpoints: impl IntoIterator<Item = Address>, follow_leader: bool) -> Self {
        let mut routes = Self { places: Vec::new(), leader: None, leaders: 0, proven: None, follow_leader };
        for address in endpoints {
            if routes.place(&address).is_none() {
                routes.places.push(KnownNode::new(RouteTarget { address, name: None }, true));
            }
        }
        routes
    }

    /// Whether it learns from what nodes say.
    pub(crate) fn follows_leader(&self) -> bool {
        self.follow_leader
    }

    /// A node named the leader. Whether that is news.
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

    /// There is a node of this name at this address.
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
                self.places.push(KnownNode::new(target, false));
            }
        }
    }

    /// An endpoint did what was asked of it.
    pub(crate) fn proved(&mut self, address: &Address) {
        if self.proven.as_ref() != Some(address) {
            self.proven = Some(address.clone());
        }
        self.revived(address);
    }

    /// An endpoint shows signs of life.
    pub(crate) fn revived(&mut self, address: &Address) {
        if let Some(place) = self.place(address) {
            place.failures = 0;
            place.avoid_until = Duration::ZERO;
        }
    }

    /// An endpoint cannot be reached, or went silent: it is tried last for a while.
    pub(crate) fn failed(&mut self, address: &Address, now: Duration) {
        if let Some(place) = self.place(address) {
            place.failures = place.failures.saturating_add(1);
            place.avoid_until = now + timing::avoidance(place.failures);
        }
    }

    /// Where a leader is said to be who has not failed lately.
    pub(crate) fn leader(&self, now: Duration) -> Option<&Address> {
        let leader = self.leader.as_ref()?;
        let place = self.places.iter().find(|place| place.target.address == *leader)?;
        (!place.is_avoided(now)).then_some(leader)
    }

    /// How often another leader was heard of: tells whether there is news.
    pub(crate) fn leaders(&self) -> u64 {
        self.leaders
    }

    /// All endpoints, given or learned.
    pub(crate) fn targets(&self) -> Vec<Arc<RouteTarget>> {
        self.places.iter().map(|place| place.target.clone()).collect()
    }

    /// Whom to ask next. `None` only if there are no endpoints at all.
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

    /// Whether an endpoint is left that seems well and has not been tried: no
    /// need to pause before it.
    pub(crate) fn untried(&self, context: &RouteContext<'_>) -> bool {
        let least = self.places.iter().map(|place| place.weight(context)).min();
        self.places.iter().any(|place| Some(place.weight(context)) == least && !place.was_tried(context))
    }

    /// Whether each of the endpoints is among `failed`.
    pub(crate) fn all_in(&self, failed: impl Fn(&Address) -> bool) -> bool {
        self.places.iter().all(|place| failed(&place.target.address))
    }

    fn leader_place(&self, route: Route, context: &RouteContext<'_>) -> Option<&KnownNode> {
        let address = self.leader(context.now).filter(|_| route == Route::Leader)?;
        self.places.iter().find(|place| place.target.address == *address)
    }

    /// The least goes first.
    fn rank(
        &self,
        place: &KnownNode,
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

    fn place(&mut self, address: &Address) -> Option<&mut KnownNode> {
        self.places.iter_mut().find(|place| place.target.address == *address)
    }

    /// Forgets the oldest learned endpoint if there are too many: a cluster
    /// whose addresses change must not fill our memory.
    fn evict_oldest_learned(&mut self) {
        let learned = self.places.iter().filter(|place| !place.given).count();
        if learned >= NODES_MAX
            && let Some(oldest) = self.places.iter().position(|place| !place.given)
        {
            self.places.remove(oldest);
        }
    }
}

impl KnownNode {
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

    /// How often this call tried it; an endpoint that failed lately counts as tried twice more.
    fn weight(&self, context: &RouteContext<'_>) -> usize {
        let tries = context.tried.iter().filter(|tried| tried.address == self.target.address).count();
        tries + if self.is_avoided(context.now) { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests;
