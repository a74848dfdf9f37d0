//! Lets others in: bounded in number, in time and in memory.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Priority, Protocol,
    connection::{Connection, canonical, chain},
    disconnect::{CLOSE_BUSY, CLOSE_DENIED},
    endpoint::{Endpoint, EndpointInner},
    error::{ConnectError, StreamError},
    handshake_limit::HandshakeSlot,
};
use crate::{frame, protocol::Identity, tls::identity_of_chain};

/// It takes at least so many addresses to use up the room for handshakes.
const SITES_MIN: usize = 4;

/// Yet any address may have so many under way: a NAT has many behind it.
const SHARE_MIN: usize = 8;

/// A handshake is at work no longer than this, and goes on as it may: one that
/// waits for a far or silent dialler computes nothing.
const TURN: Duration = Duration::from_millis(10);

/// Somebody who wants in and has not proven anything yet.
#[derive(Debug)]
pub struct Handshake {
    endpoint: Arc<EndpointInner>,
    incoming: quinn::Incoming,
    address: SocketAddr,
    timeout: Duration,
    /// Held until the handshake is over.
    _permit: OwnedSemaphorePermit,
    _slot: HandshakeSlot,
}

impl Endpoint {
    /// The next one who wants in, once a handshake may be begun; `None` after
    /// [`Endpoint::stop_accepting`] or [`Endpoint::close`]. Complete each
    /// handshake in a task of its own, lest a slow one holds up the rest.
    pub async fn accept(&self) -> Option<Handshake> {
        loop {
            let stopped = self.0.stopped_accepting.notified();
            if !self.0.accepts.load(Ordering::Acquire) {
                return None;
            }
            let next = async {
                let permit = Arc::clone(&self.0.handshakes).acquire_owned().await.ok()?;
                Some((permit, self.0.quinn.accept().await?))
            };
            let (permit, incoming) = tokio::select! {
                next = next => next?,
                () = stopped => continue,
            };
            if let Some(incoming) = self.admit(incoming) {
                let address = canonical(incoming.remote_address());
                return Some(Handshake {
                    endpoint: Arc::clone(&self.0),
                    address,
                    incoming,
                    _slot: self.0.handshake_counts.start(address.ip()),
                    timeout: self.0.handshake_timeout,
                    _permit: permit,
                });
            }
        }
    }

    /// Turns away whom there is no room for. While one is at work or many are
    /// under way, a newcomer first has to prove that it receives what is sent to its
    /// address (RFC 9000, section 8.1.2): forged senders get no further. One
    /// who has proven it and takes more than a share of the room hears nothing:
    /// who is honest sends his first packet again, and finds room.
    fn admit(&self, incoming: quinn::Incoming) -> Option<quinn::Incoming> {
        if self.connections() >= self.connections_max() {
            incoming.refuse();
            return None;
        }
        let share = (self.0.handshakes_max / SITES_MIN).max(SHARE_MIN);
        let near = self.0.handshake_counts.count(incoming.remote_address().ip());
        // Half of a share is for those with a proof: nobody uses up the share of another.
        let many = self.0.turns.available_permits() == 0
            || self.0.handshakes.available_permits() < self.0.handshakes_max / 2
            || 2 * near >= share;
        if many && !incoming.remote_address_validated() {
            // Fails only for one whose address is proven.
            let _ = incoming.retry();
            return None;
        }
        if near >= share {
            incoming.ignore();
            return None;
        }
        Some(incoming)
    }

    /// Lets nobody in any more: newcomers are told at once that there is no
    /// room, until the endpoint is closed. Connections that exist go on.
    pub fn stop_accepting(&self) {
        if self.0.accepts.swap(false, Ordering::AcqRel) {
            self.0.stopped_accepting.notify_waiters();
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
    /// Where the packets come from.
    pub fn remote_address(&self) -> SocketAddr {
        self.address
    }

    /// Turns the other side away without a look at it.
    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Carries the handshake to its end, when its turn comes and within a bounded time.
    pub async fn complete(self) -> Result<Connection, ConnectError> {
        let address = self.address.to_string();
        let in_turn = async {
            let turn = self.endpoint.turns.acquire().await;
            let mut welcome = pin!(welcome(&self.endpoint, self.incoming, &address));
            if let Ok(soon) = timeout(TURN, &mut welcome).await {
                return soon;
            }
            drop(turn);
            welcome.await
        };
        timeout(self.timeout, in_turn).await.unwrap_or_else(|_| {
            Err(ConnectError::Unreachable { address: address.clone(), cause: "no answer in time".to_owned() })
        })
    }
}

async fn welcome(
    endpoint: &EndpointInner,
    incoming: quinn::Incoming,
    address: &str,
) -> Result<Connection, ConnectError> {
    let generation = endpoint.generation();
    let connection = incoming.await.map_err(|error| ConnectError::of(&error, address, None))?;
    let (peer, protocol) = recognise(&connection, address).inspect_err(|error| {
        connection.close(CLOSE_DENIED, error.to_string().as_bytes());
    })?;
    if !protocol.is_open_to(peer.role) {
        let cause = format!("the {protocol} is for nodes; this is {} {}", peer.role.as_str(), peer.name);
        connection.close(CLOSE_DENIED, cause.as_bytes());
        return Err(ConnectError::Identity { address: address.to_owned(), by_us: true, cause });
    }
    let admitted = Connection::new(connection.clone(), peer, protocol, &endpoint.registry);
    endpoint.judge_newcomer(&admitted, generation, address)?;
    say_welcome(&admitted).await.map_err(|error| {
        let cause = connection.close_reason();
        connection.close(CLOSE_BUSY, b"the handshake did not end");
        cause.map_or_else(
            || ConnectError::Unreachable { address: address.to_owned(), cause: error.to_string() },
            |cause| ConnectError::of(&cause, address, None),
        )
    })?;
    Ok(admitted)
}

/// Who has come, and what for.
pub(super) fn recognise(
    connection: &quinn::Connection,
    address: &str,
) -> Result<(Identity, Protocol), ConnectError> {
    let peer = identity_of_chain(&chain(connection)).map_err(|error| ConnectError::Identity {
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
            cause: "none was agreed on".to_owned(),
        })?;
    Ok((peer, protocol))
}

/// The acceptor's first word: an empty frame. It tells the dialler that it is in.
async fn say_welcome(connection: &Connection) -> Result<(), StreamError> {
    let mut sender = connection.open_uni(Priority::Urgent).await?;
    sender.send(frame::encode(&())?).await?;
    sender.finish();
    Ok(())
}
