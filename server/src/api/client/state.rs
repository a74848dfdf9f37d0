//! The state that the streams of a connection share, and the admission of their requests.
//!
//! Guards that a client that breaks the protocol loses its connection with the reason, and cannot
//! flood the log by doing so.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use coffee_common::{
    envelope::UnknownKind,
    id::{ClusterId, NodeName},
    key::KeyRange,
    limits::REQUEST_TIMEOUT_MS,
    protocol::{Identity, Rejection, Request, RequestEnvelope, Response, Role, SentFrom},
    quic::Connection,
};
use tokio::time::Instant;

use super::{
    access::{self, RequestOrigin},
    audit,
    clients::{COMPLETE_WITHIN, ClientShare},
    context::ApiContext,
    in_flight::InFlightGuard,
    key_access::check_keys,
    responder::{HeldResources, OutgoingResponse, Responder, ResponseGroup},
    slots::{ConnectionSlots, RequestSlots, WatchCounts, WatchSlots},
};
use crate::{
    metrics::{ClientLimit, RequestKind, RequestOutcome},
    node::{VERSION, peer_standing::PeerStanding},
};

/// The state of a connection.
pub(super) struct ConnectionState {
    pub(super) api: Arc<ApiContext>,
    pub(super) connection: Connection,
    /// Whether its welcome named a cluster.
    pub(super) welcomed: bool,
    /// See [`Self::share`].
    client: Arc<ClientShare>,
    /// For the requests in flight.
    slots: Arc<ConnectionSlots>,
    /// The watches that wait.
    watches: Arc<WatchCounts>,
}

/// A request in flight: counted, and not answered yet.
pub(super) struct AdmittedRequest {
    id: u64,
    kind: RequestKind,
    arrived: Instant,
    pub(super) deadline: Instant,
    in_flight: InFlightGuard,
    /// `None` for a watch, which has its own.
    slots: Option<RequestSlots>,
    watch: Option<WatchSlots>,
}

impl ConnectionState {
    pub(super) fn new(api: Arc<ApiContext>, connection: Connection, welcomed: bool) -> Self {
        let client = api.clients.share_of(connection.peer());
        let slots = ConnectionSlots::new(Arc::clone(&client.slots));
        Self { api, connection, welcomed, client, slots, watches: Arc::default() }
    }

    /// Returns the share of the node that the client may use at present, with all of its connections.
    /// Nodes of the cluster have another one, and may become such or cease to be while connected.
    pub(super) fn share(&self) -> &ClientShare {
        let Identity { role, name, .. } = self.connection.peer();
        if *role != Role::Node || self.api.node.standing_of(name) == PeerStanding::Stranger {
            return &self.client;
        }
        self.connection.widen();
        self.api.clients.nodes()
    }

    /// Returns the share of the client that sent a write, which a node may have forwarded.
    pub(super) fn share_of(&self, origin: &Identity) -> Arc<ClientShare> {
        let Identity { role, name, .. } = self.connection.peer();
        match origin.role == *role && origin.name == *name {
            true => Arc::clone(&self.client),
            false => self.api.clients.share_of(origin),
        }
    }

    /// Admits a request, unless the node is stopping or too many are in flight.
    pub(super) fn admit(
        &self,
        share: &ClientShare,
        id: u64,
        kind: RequestKind,
        timeout_ms: u32,
    ) -> Result<AdmittedRequest, Rejection> {
        match (self.api.in_flight.enter(), self.slots.take(share.requests_max)) {
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
    pub(super) fn enter_watch(&self, range: &KeyRange) -> Option<WatchSlots> {
        let (client, node) = (&self.share().watches, &self.api.watches);
        WatchSlots::take(&self.watches, client, node, is_general(range))
    }

    /// Rejects a request of a kind that its sender may never send. Denials are logged.
    pub(super) fn authorize_kind(
        &self,
        envelope: &RequestEnvelope,
        kind: RequestKind,
    ) -> Result<(), Rejection> {
        let (node, connection) = (&self.api.node, &self.connection);
        let RequestEnvelope { on_behalf_of, sent_from, .. } = envelope;
        let verdict = access::authorize_kind(node.name(), connection.peer(), on_behalf_of.as_ref(), kind);
        verdict.inspect_err(|rejection| {
            let origin = (on_behalf_of.as_ref(), sent_from.as_ref());
            audit::denied(node, connection, origin, Err(kind), rejection);
        })
    }

    /// Authorizes a request of the client, which is meant for a cluster: the sender, the cluster and
    /// the keys. Denials are logged.
    pub(super) fn authorize(
        &self,
        (on_behalf_of, sent_from): (Option<&Identity>, Option<SentFrom>),
        cluster: Option<ClusterId>,
        request: &Request,
    ) -> Result<RequestOrigin, Rejection> {
        let (node, connection) = (&self.api.node, &self.connection);
        let standing = |name: &NodeName| node.standing_of(name);
        let log = |rejection: &Rejection| {
            audit::denied(node, connection, (on_behalf_of, sent_from.as_ref()), Ok(request), rejection);
        };
        let origin = access::authorize(node.name(), connection.peer(), on_behalf_of, request, standing);
        let origin = origin.inspect_err(log)?;
        access::check_cluster(node, cluster, self.welcomed, request)
            .inspect_err(|rejection| self.log_other_cluster(&origin, request, rejection))?;
        check_keys(&origin.identity, request).inspect_err(log)?;
        let sent_from = if origin.forwarded { sent_from } else { audit::sent_from(connection, request) };
        Ok(RequestOrigin { sent_from, ..origin })
    }

    /// Logs an act that was meant for another cluster: no other node carries it out. A node without a
    /// cluster refuses too, but then the client asks the next one.
    fn log_other_cluster(&self, origin: &RequestOrigin, request: &Request, rejection: &Rejection) {
        if matches!(rejection, Rejection::OtherCluster { .. }) {
            audit::ended(&self.api.node, &self.connection, origin, request, Err(rejection), false);
        }
    }

    pub(super) fn stopping(&self) -> Rejection {
        Rejection::Unavailable(format!("{} is stopping", self.api.node.name()))
    }

    pub(super) fn disconnected(&self) -> Rejection {
        Rejection::Unavailable("the client has disconnected".to_owned())
    }

    /// Rejects a request with a part that this build does not know. Only this request: its sender is
    /// newer, and may send others.
    pub(super) fn unsupported(&self, part: UnknownKind) -> Rejection {
        let name = self.api.node.name();
        Rejection::Unsupported(format!(
            "{name} runs coffeed {VERSION}, which does not know this request: it has {part}"
        ))
    }

    /// Rejects a request since its client met a limit.
    pub(super) fn overloaded(&self, limit: ClientLimit) -> Rejection {
        self.api.node.metrics().client_limits.of(limit).increment();
        Rejection::Overloaded
    }

    /// Rejects a request that arrives too slowly.
    pub(super) fn late(&self) -> Rejection {
        self.note_slow(ClientLimit::RequestTime);
        let within = COMPLETE_WITHIN.as_secs();
        Rejection::Unavailable(format!("the request did not arrive within {within} s: the link is too slow"))
    }

    /// Closes the connection of a client that does not read.
    pub(super) fn close_slow(&self) {
        self.note_slow(ClientLimit::ResponseTime);
        self.connection.close("responses were not read in time");
    }

    /// Counts a client that sends or reads too slowly.
    pub(super) fn note_slow(&self, limit: ClientLimit) {
        let counter = self.api.node.metrics().client_limits.of(limit);
        counter.increment();
        if counter.get().is_power_of_two() {
            let (client, address) = (&self.connection.peer().name, self.connection.remote_address());
            let (limit, count) = (limit.name(), counter.get());
            tracing::warn!(%client, %address, limit, count, "the client is too slow");
        }
    }

    /// Closes the connection of a client that broke the protocol.
    pub(super) fn close_broken(&self, error: &dyn fmt::Display) {
        if self.connection.is_closed() {
            return;
        }
        let client = self.connection.peer();
        let count = self.api.protocol_errors.fetch_add(1, Ordering::Relaxed) + 1;
        // One line per power of two shows the problem and its extent.
        if count.is_power_of_two() {
            tracing::warn!(
                client = %client.name, address = %self.connection.remote_address(), %error, count,
                "connection closed: the client broke the protocol"
            );
        }
        self.connection.close(&format!("protocol error: {error}"));
    }
}

impl AdmittedRequest {
    /// Takes the slot of a watch until it is answered, and lets other requests take its own.
    pub(super) fn wait_as_watch(&mut self, watch: WatchSlots) {
        (self.slots, self.watch) = (None, Some(watch));
    }

    /// Sends the response and counts the request.
    pub(super) async fn respond(self, responder: &Responder, response: OutgoingResponse) {
        self.count(responder, &response.result);
        let Self { id, in_flight, slots, watch, deadline, .. } = self;
        let held = HeldResources::of(in_flight, slots).with_watch(watch);
        responder.send(id, response, held, deadline).await;
    }

    /// Adds the response to those that are sent together, and counts the request.
    pub(super) fn respond_together(
        self,
        responder: &Responder,
        group: &mut ResponseGroup,
        result: &Result<Response, Rejection>,
    ) {
        self.count(responder, result);
        responder.add(group, self.id, result, HeldResources::of(self.in_flight, self.slots));
    }

    fn count(&self, responder: &Responder, result: &Result<Response, Rejection>) {
        let metrics = &responder.node().metrics().requests;
        metrics.answered(self.kind, RequestOutcome::of(result), self.arrived.elapsed());
    }
}

/// Whether a range is neither of a single key nor of a prefix.
fn is_general(range: &KeyRange) -> bool {
    range.single_key().is_none() && range.as_prefix().is_none()
}

/// Returns how long a client waits for its response, within the bounds of the protocol.
pub(super) fn timeout(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end()).into())
}
