//! Accepts connections, bounded in number, time and memory.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use quinn::VarInt;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Priority, Protocol,
    connection::{Connection, canonical},
    disconnect::{CLOSE_BUSY, CLOSE_DENIED},
    endpoint::{Endpoint, EndpointInner},
    error::{ConnectError, StreamError},
    handshake_limit::HandshakeSlot,
    options::{NODE_HANDSHAKES_MAX, WAITING_MAX},
    places::Newcomer,
    registry::peer_chain,
};
use crate::{
    frame,
    id::NodeName,
    limits::{CLIENT_WINDOW_BYTES, WIDE_CONNECTIONS_MAX},
    protocol::{Identity, Role},
    tls::identity_of_chain,
};

/// The least number of sites that can use up the handshake slots.
const SITES_MIN: usize = 4;

/// The least number of handshakes allowed per site: many clients may share a NAT address.
const SHARE_MIN: usize = 8;

/// How long a handshake may hold a permit to compute. It then continues without one: a handshake
/// that waits for a distant or silent dialler computes nothing.
const COMPUTE_TIME_MAX: Duration = Duration::from_millis(10);

/// An incoming connection that is not authenticated yet.
#[derive(Debug)]
pub struct Handshake {
    endpoint: Arc<EndpointInner>,
    incoming: quinn::Incoming,
    address: SocketAddr,
    timeout: Duration,
    /// Held until the handshake ends.
    _permit: OwnedSemaphorePermit,
    /// Held as well. `None` for a node.
    site: Option<HandshakeSlot>,
}

impl Endpoint {
    /// Returns the next incoming connection, once a handshake slot is free; `None` after
    /// [`Endpoint::stop_accepting`] or [`Endpoint::close`]. Complete each handshake in its own
    /// task, so that a slow one does not delay the others. Connections from addresses of nodes do
    /// not wait with the others.
    pub async fn accept(&self) -> Option<Handshake> {
        loop {
            let stopped = self.0.stopped_accepting.notified();
            if !self.0.accepts.load(Ordering::Acquire) {
                return None;
            }
            let slots = Arc::clone(&self.0.handshakes.slots);
            let some_wait = !self.0.waiting().is_empty();
            let handshake = tokio::select! {
                incoming = self.0.quinn.accept() => self.admit_node(incoming?),
                permit = slots.acquire_owned(), if some_wait => self.admit_waiting(permit.ok()?),
                () = stopped => None,
            };
            if handshake.is_some() {
                return handshake;
            }
        }
    }

    /// Decides whether the handshake of a node may start. Lets all others wait.
    fn admit_node(&self, incoming: quinn::Incoming) -> Option<Handshake> {
        let address = canonical(incoming.remote_address());
        let permits = &self.0.node_handshakes;
        let is_node = self.0.registry.node_addresses().contain(address);
        let slot = is_node.then(|| Arc::clone(&permits.slots).try_acquire_owned());
        let Some(Ok(permit)) = slot else {
            let mut waiting = self.0.waiting();
            if waiting.len() < WAITING_MAX {
                waiting.push_back(incoming);
            } else {
                incoming.refuse();
            }
            return None;
        };
        // Nodes have places of their own beyond those of clients, or take that of a stranger.
        if self.0.places.is_full_for_all(self.connections(), 2 * NODE_HANDSHAKES_MAX) {
            incoming.refuse();
            return None;
        }
        if permits.are_scarce() && !incoming.remote_address_validated() {
            // The sender may be forged. Fails only if the address is proven already.
            let _ = incoming.retry();
            return None;
        }
        Some(self.handshake(incoming, address, permit, None))
    }

    /// Decides whether the first of the waiting handshakes may start. While one computes, or many
    /// are in progress, the dialler must first prove that it receives packets at its address (RFC
    /// 9000, section 8.1.2), which stops forged senders. From a site with a full share, attempts
    /// are ignored: an honest dialler retransmits its first packet, and succeeds once a slot is
    /// free.
    fn admit_waiting(&self, permit: OwnedSemaphorePermit) -> Option<Handshake> {
        let incoming = self.0.waiting().pop_front()?;
        // The role decides, which is known after the handshake: connections that end still count here.
        if self.0.places.is_full_for_all(self.connections(), self.0.handshakes.slots_max) {
            incoming.refuse();
            return None;
        }
        let address = canonical(incoming.remote_address());
        let permits = &self.0.handshakes;
        let share = (permits.slots_max / SITES_MIN).max(SHARE_MIN);
        let near = self.0.handshake_counts.count(address.ip());
        // Half of a share is reserved for proven addresses, so a forged sender cannot use up the
        // share of a site. This handshake has its permit already.
        let many = permits.are_scarce() || 2 * near >= share;
        if many && !incoming.remote_address_validated() {
            // Fails only if the address is proven already.
            let _ = incoming.retry();
            return None;
        }
        if near >= share {
            incoming.ignore();
            return None;
        }
        let slot = self.0.handshake_counts.start(address.ip());
        Some(self.handshake(incoming, address, permit, Some(slot)))
    }

    fn handshake(
        &self,
        incoming: quinn::Incoming,
        address: SocketAddr,
        permit: OwnedSemaphorePermit,
        site: Option<HandshakeSlot>,
    ) -> Handshake {
        let (endpoint, timeout) = (Arc::clone(&self.0), self.0.handshake_timeout);
        Handshake { endpoint, incoming, address, timeout, _permit: permit, site }
    }

    /// Stops accepting connections: further attempts are refused until the endpoint is closed.
    /// Existing connections continue.
    pub fn stop_accepting(&self) {
        if self.0.accepts.swap(false, Ordering::AcqRel) {
            self.0.stopped_accepting.notify_waiters();
            // A connection that is dropped is refused.
            self.0.waiting().clear();
            let quinn = self.0.quinn.clone();
            tokio::spawn(async move {
                while let Some(incoming) = quinn.accept().await {
                    incoming.refuse();
                }
            });
        }
    }
}

impl Handshake {
    /// Returns the dialler's address.
    pub fn remote_address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses the connection without a handshake.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Completes the handshake, within the handshake timeout.
    ///
    /// # Errors
    /// The handshake fails or times out, or the peer is not accepted.
    pub async fn complete(self) -> Result<Connection, ConnectError> {
        self.complete_judging(&|_| false).await
    }

    /// Like [`Handshake::complete`]. `is_stranger` tells whether a node of this name has no business
    /// with the cluster: it shares the places of clients, and leaves when a member needs one.
    ///
    /// # Errors
    /// As [`Handshake::complete`].
    pub async fn complete_judging(
        self,
        is_stranger: &(dyn Fn(&NodeName) -> bool + Sync),
    ) -> Result<Connection, ConnectError> {
        let address = self.address.to_string();
        let handshake = async {
            let EndpointInner { handshakes, node_handshakes, .. } = &*self.endpoint;
            let permits = if self.site.is_some() { handshakes } else { node_handshakes };
            let permit = permits.compute.acquire().await;
            let mut welcome = pin!(welcome(&self.endpoint, self.incoming, &address, is_stranger));
            if let Ok(soon) = timeout(COMPUTE_TIME_MAX, &mut welcome).await {
                return soon;
            }
            drop(permit);
            welcome.await
        };
        timeout(self.timeout, handshake).await.unwrap_or_else(|_| {
            Err(ConnectError::Unreachable { address: address.clone(), cause: "no answer in time".to_owned() })
        })
    }
}

async fn welcome(
    endpoint: &EndpointInner,
    incoming: quinn::Incoming,
    address: &str,
    is_stranger: &(dyn Fn(&NodeName) -> bool + Sync),
) -> Result<Connection, ConnectError> {
    let generation = endpoint.generation();
    let connection = incoming.await.map_err(|error| ConnectError::of(&error, address, None))?;
    let (peer, protocol) = identify(&connection, address).inspect_err(|error| {
        connection.close(CLOSE_DENIED, error.to_string().as_bytes());
    })?;
    if !protocol.is_open_to(peer.role) {
        let cause = format!("the {protocol} is for nodes; this is {} {}", peer.role.as_str(), peer.name);
        connection.close(CLOSE_DENIED, cause.as_bytes());
        return Err(ConnectError::Identity { address: address.to_owned(), by_us: true, cause });
    }
    let own = endpoint.registry.connections_of(&peer);
    let is_stranger = |peer: &Identity| peer.role == Role::Node && is_stranger(&peer.name);
    let newcomer = Newcomer { peer: &peer, is_stranger: is_stranger(&peer), own };
    let displace = || endpoint.registry.displace(is_stranger);
    if let Some(cause) = endpoint.places.refusal(newcomer, endpoint.registry.len(), displace) {
        connection.close(CLOSE_BUSY, cause.as_bytes());
        return Err(ConnectError::Busy { address: address.to_owned(), cause });
    }
    // Narrow otherwise, so that the many connections of one client do not take much memory.
    if own < WIDE_CONNECTIONS_MAX {
        connection.set_receive_window(VarInt::from_u32(CLIENT_WINDOW_BYTES));
        connection.set_send_window(CLIENT_WINDOW_BYTES.into());
    }
    let admitted = Connection::new(connection.clone(), peer, protocol, &endpoint.registry);
    endpoint.check_newcomer(&admitted, generation, address)?;
    send_welcome(&admitted).await.map_err(|error| {
        let cause = connection.close_reason();
        connection.close(CLOSE_BUSY, b"the handshake did not complete");
        cause.map_or_else(
            || ConnectError::Unreachable { address: address.to_owned(), cause: error.to_string() },
            |cause| ConnectError::of(&cause, address, None),
        )
    })?;
    Ok(admitted)
}

/// Returns the identity of the peer and the negotiated protocol.
pub(super) fn identify(
    connection: &quinn::Connection,
    address: &str,
) -> Result<(Identity, Protocol), ConnectError> {
    let peer = identity_of_chain(&peer_chain(connection)).map_err(|error| ConnectError::Identity {
        address: address.to_owned(),
        by_us: true,
        cause: error.to_string(),
    })?;
    let protocol = connection
        .handshake_data()
        .and_then(|any| any.downcast::<quinn::crypto::rustls::HandshakeData>().ok())
        .and_then(|data| data.protocol)
        .and_then(|alpn| Protocol::of_alpn(&alpn))
        .ok_or_else(|| ConnectError::Protocol {
            address: address.to_owned(),
            cause: "no protocol was negotiated".to_owned(),
        })?;
    Ok((peer, protocol))
}

/// Sends an empty frame, which tells the dialler that it was accepted.
async fn send_welcome(connection: &Connection) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Urgent).await?;
    sender.send(frame::encode(&())?).await?;
    sender.finish();
    Ok(())
}
