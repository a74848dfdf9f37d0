//! The connection of a client as its requests see it: who it is, and what it may have in flight.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    envelope::UnknownKind,
    id::{ClusterId, NodeName},
    key::KeyRange,
    limits::REQUEST_TIMEOUT_MS,
    protocol::{Identity, Rejection, Request, Response, Role, SentFrom},
};
use tokio::time::Instant;

use super::{
    access::{self, RequestOrigin},
    audit,
    clients::ClientShare,
    context::Service,
    held::HeldResources,
    in_flight::InFlightGuard,
    key_access::check_keys,
    link::ClientLink,
    slots::{ConnectionSlots, RequestSlots, WatchCounts, WatchSlots},
};
use crate::{
    metrics::{ClientLimit, RequestKind, RequestOutcome},
    node::{VERSION, peer_standing::PeerStanding},
};

/// The state of a connection.
pub(crate) struct Session {
    pub(crate) service: Arc<Service>,
    pub(crate) link: Box<dyn ClientLink>,
    /// Whether the client was told the cluster of the node when it connected, or needs no such word.
    welcomed: bool,
    /// See [`Self::share`].
    client: Arc<ClientShare>,
    /// For the requests in flight.
    slots: Arc<ConnectionSlots>,
    /// The watches that wait.
    watches: Arc<WatchCounts>,
}

/// A request in flight: counted, and not answered yet.
pub(crate) struct AdmittedRequest {
    /// The number that the client gave it to match the response; 0 where none is needed.
    pub(crate) id: u64,
    kind: RequestKind,
    arrived: Instant,
    pub(crate) deadline: Instant,
    in_flight: InFlightGuard,
    /// `None` for a watch, which has its own.
    slots: Option<RequestSlots>,
    watch: Option<WatchSlots>,
}

impl Session {
    pub(crate) fn new(service: Arc<Service>, link: Box<dyn ClientLink>, welcomed: bool) -> Self {
        let client = service.clients.share_of(link.peer());
        let slots = ConnectionSlots::new(Arc::clone(&client.slots));
        Self { service, link, welcomed, client, slots, watches: Arc::default() }
    }

    /// Returns the share of the node that the client may use at present, with all of its connections.
    /// Nodes of the cluster have another one, and may become such or cease to be while connected.
    pub(crate) fn share(&self) -> &ClientShare {
        let Identity { role, name, .. } = self.link.peer();
        if *role != Role::Node || self.service.node.standing_of(name) == PeerStanding::Stranger {
            return &self.client;
        }
        self.link.widen();
        self.service.clients.nodes()
    }

    /// Returns the share of the client that sent a write, which a node may have forwarded.
    pub(crate) fn share_of(&self, origin: &Identity) -> Arc<ClientShare> {
        let Identity { role, name, .. } = self.link.peer();
        match origin.role == *role && origin.name == *name {
            true => Arc::clone(&self.client),
            false => self.service.clients.share_of(origin),
        }
    }

    /// Admits a request, unless the node is stopping or too many are in flight.
    pub(crate) fn admit(
        &self,
        share: &ClientShare,
        id: u64,
        kind: RequestKind,
        timeout_ms: u32,
    ) -> Result<AdmittedRequest, Rejection> {
        match (self.service.in_flight.enter(), self.slots.take(share.requests_max)) {
            (Some(in_flight), Some(slots)) => {
                let arrived = Instant::now();
                let deadline = arrived + timeout(timeout_ms);
                Ok(AdmittedRequest {
                    id,
                    kind,
                    arrived,
                    deadline,
                    in_flight,
                    slots: Some(slots),
                    watch: None,
                })
            }
            (None, _) => Err(self.stopping()),
            (Some(_), None) => Err(self.overloaded(ClientLimit::Requests)),
        }
    }

    /// Takes the slot of a watch that waits. Returns `None` if too many wait.
    pub(crate) fn enter_watch(&self, range: &KeyRange) -> Option<WatchSlots> {
        let (client, node) = (&self.share().watches, &self.service.watches);
        WatchSlots::take(&self.watches, client, node, is_general(range))
    }

    /// Rejects a request of a kind that its sender may never send. Denials are logged.
    pub(crate) fn authorize_kind(
        &self,
        (on_behalf_of, sent_from): (Option<&Identity>, Option<&SentFrom>),
        kind: RequestKind,
    ) -> Result<(), Rejection> {
        let node = &self.service.node;
        let verdict = access::authorize_kind(node.name(), self.link.peer(), on_behalf_of, kind);
        verdict.inspect_err(|rejection| {
            audit::denied(node, self.link.as_ref(), (on_behalf_of, sent_from), Err(kind), rejection);
        })
    }

    /// Authorizes a request of the client, which is meant for a cluster: the sender, the cluster and
    /// the keys. Denials are logged.
    pub(crate) fn authorize(
        &self,
        (on_behalf_of, sent_from): (Option<&Identity>, Option<SentFrom>),
        cluster: Option<ClusterId>,
        request: &Request,
    ) -> Result<RequestOrigin, Rejection> {
        let (node, link) = (&self.service.node, self.link.as_ref());
        let standing = |name: &NodeName| node.standing_of(name);
        let log = |rejection: &Rejection| {
            audit::denied(node, link, (on_behalf_of, sent_from.as_ref()), Ok(request), rejection);
        };
        let origin = access::authorize(node.name(), link.peer(), on_behalf_of, request, standing);
        let origin = origin.inspect_err(log)?;
        access::check_cluster(node, cluster, self.welcomed, request)
            .inspect_err(|rejection| self.log_other_cluster(&origin, request, rejection))?;
        check_keys(&origin.identity, request).inspect_err(log)?;
        let sent_from = if origin.forwarded { sent_from } else { audit::sent_from(link, request) };
        Ok(RequestOrigin { sent_from, ..origin })
    }

    /// Logs an act that was meant for another cluster: no other node carries it out. A node without a
    /// cluster refuses too, but then the client asks the next one.
    fn log_other_cluster(&self, origin: &RequestOrigin, request: &Request, rejection: &Rejection) {
        if matches!(rejection, Rejection::OtherCluster { .. }) {
            let link = self.link.as_ref();
            audit::ended(&self.service.node, link, origin, request, Err(rejection), false);
        }
    }

    pub(crate) fn stopping(&self) -> Rejection {
        Rejection::Unavailable(format!("{} is stopping", self.service.node.name()))
    }

    pub(crate) fn disconnected(&self) -> Rejection {
        Rejection::Unavailable("the client has disconnected".to_owned())
    }

    /// Rejects a request with a part that this build does not know. Only this request: its sender is
    /// newer, and may send others.
    pub(crate) fn unsupported(&self, part: UnknownKind) -> Rejection {
        let name = self.service.node.name();
        Rejection::Unsupported(format!(
            "{name} runs coffeed {VERSION}, which does not know this request: it has {part}"
        ))
    }

    /// Rejects a request since its client met a limit.
    pub(crate) fn overloaded(&self, limit: ClientLimit) -> Rejection {
        self.service.node.metrics().client_limits.of(limit).increment();
        Rejection::Overloaded
    }

    /// Counts a client that sends or reads too slowly.
    pub(crate) fn note_slow(&self, limit: ClientLimit) {
        let counter = self.service.node.metrics().client_limits.of(limit);
        counter.increment();
        if counter.get().is_power_of_two() {
            let (client, address) = (&self.link.peer().name, self.link.address());
            let (limit, count) = (limit.name(), counter.get());
            tracing::warn!(%client, %address, limit, count, "the client is too slow");
        }
    }
}

impl AdmittedRequest {
    /// Takes the slot of a watch until it is answered, and lets other requests take its own.
    pub(crate) fn wait_as_watch(&mut self, watch: WatchSlots) {
        (self.slots, self.watch) = (None, Some(watch));
    }

    /// Counts the request as answered, and returns what it holds until its response is sent.
    pub(crate) fn answered(self, service: &Service, result: &Result<Response, Rejection>) -> HeldResources {
        let metrics = &service.node.metrics().requests;
        metrics.answered(self.kind, RequestOutcome::of(result), self.arrived.elapsed());
        HeldResources::of(self.in_flight, self.slots, self.watch)
    }
}

/// Whether a range is neither of a single key nor of a prefix.
fn is_general(range: &KeyRange) -> bool {
    range.single_key().is_none() && range.as_prefix().is_none()
}

/// Returns how long a client waits for its response, within the bounds of the protocol.
pub(crate) fn timeout(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end()).into())
}
