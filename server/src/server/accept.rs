//! Accepts connections and hands each to the API of its protocol.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::{
    id::NodeName,
    quic::{ConnectError, Connection, Endpoint, Handshake, Protocol},
};
use tokio::sync::watch;

use super::waiting_peers::WaitingPeers;
use crate::api::{
    client::Api,
    peer::{self, PeerContext},
};
use crate::{
    metrics::{if_any, measured},
    node::{
        Node,
        audit_log::{Actor, AuditEvent, AuditOutcome},
        peer_standing::PeerStanding,
    },
};

/// The context that serves peers, once the node has a replica.
pub(super) type Peers = watch::Receiver<Option<PeerContext>>;

/// Accepts connections until the endpoint stops accepting.
pub(super) async fn accept(
    endpoint: Endpoint,
    api: Api,
    peers: Peers,
    waiting: WaitingPeers,
    node: Arc<Node>,
) {
    let rejected = Arc::new(AtomicU64::new(0));
    while let Some(handshake) = endpoint.accept().await {
        let peers = (peers.clone(), waiting.clone());
        let (node, rejected) = (Arc::clone(&node), Arc::clone(&rejected));
        tokio::spawn(measured(serve(handshake, api.clone(), peers, (node, rejected))));
    }
}

async fn serve(
    handshake: Handshake,
    api: Api,
    (peers, waiting): (Peers, WaitingPeers),
    (node, rejected): (Arc<Node>, Arc<AtomicU64>),
) {
    let address = handshake.remote_address();
    let is_stranger = |name: &NodeName| node.standing_of(name) == PeerStanding::Stranger;
    // Boxed: a long connection must not keep the memory that its handshake needed.
    let outcome = Box::pin(handshake.complete_judging(&is_stranger)).await;
    match outcome {
        Ok(connection) => match connection.protocol() {
            Protocol::Client => api.serve(connection).await,
            Protocol::Peer => serve_peer(connection, peers, waiting).await,
        },
        Err(error @ ConnectError::Identity { by_us: true, .. }) => {
            node.audit_log().bounded(None, || AuditEvent {
                actor: Some(Actor::unidentified(address)),
                verb: "connect",
                object: None,
                outcome: AuditOutcome::Denied,
                reason: Some(error.to_string().into()),
            })
        }
        Err(error @ ConnectError::Identity { .. }) => {
            let count = rejected.fetch_add(1, Ordering::Relaxed) + 1;
            // One line per power of two shows the cause and the rate without a flood.
            if count.is_power_of_two() {
                tracing::warn!(reason = %error, count, "connection rejected");
            }
        }
        Err(error) => tracing::debug!(%error, "handshake failed"),
    }
}

/// Serves a peer once this node has a replica; a leader may connect before that.
async fn serve_peer(connection: Connection, mut peers: Peers, waiting: WaitingPeers) {
    let peer = &connection.peer().name;
    let (listed, is_new) = waiting.add(peer.clone());
    if is_new && peers.borrow().is_none() {
        const CALLED: &str = "called by a member of a cluster that knows this node";
        match waiting.admit_line(peer) {
            Some(suppressed) => {
                tracing::info!(%peer, suppressed = if_any(suppressed), "{CALLED}");
            }
            None => tracing::debug!(%peer, "{CALLED}"),
        }
    }
    let context = tokio::select! {
        context = peers.wait_for(Option::is_some) => context.ok().and_then(|context| context.clone()),
        _ = connection.closed() => return,
    };
    drop(listed);
    if let Some(context) = context {
        peer::serve(connection, context).await;
    }
}
