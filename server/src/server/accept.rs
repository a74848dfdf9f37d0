//! Lets connections in, and hands each to its port.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::quic::{ConnectError, Connection, Endpoint, Handshake, Protocol};
use tokio::sync::watch;

use crate::api::{
    client::Api,
    peer::{self, PeerContext},
};

/// The consensus that peers talk to, once there is one.
pub(super) type Peers = watch::Receiver<Option<PeerContext>>;

/// Lets connections in until the endpoint accepts no more.
pub(super) async fn accept(endpoint: Endpoint, api: Api, peers: Peers) {
    let refused = Arc::new(AtomicU64::new(0));
    while let Some(handshake) = endpoint.accept().await {
        tokio::spawn(serve(handshake, api.clone(), peers.clone(), Arc::clone(&refused)));
    }
}

async fn serve(handshake: Handshake, api: Api, peers: Peers, refused: Arc<AtomicU64>) {
    // Boxed: a connection that lasts does not go on holding what its handshake took.
    let outcome = Box::pin(handshake.complete()).await;
    match outcome {
        Ok(connection) => match connection.protocol() {
            Protocol::Client => api.serve(connection).await,
            Protocol::Peer => serve_peer(connection, peers).await,
        },
        Err(error @ ConnectError::Identity { .. }) => {
            let count = refused.fetch_add(1, Ordering::Relaxed) + 1;
            // One line for each power of two: enough to see it, and how much of it.
            if count.is_power_of_two() {
                tracing::warn!(%error, count, "somebody was not let in");
            }
        }
        Err(error) => tracing::debug!(%error, "a handshake came to nothing"),
    }
}

/// Serves a peer, once this node takes part: a leader may call before that.
async fn serve_peer(connection: Connection, mut peers: Peers) {
    let context = tokio::select! {
        context = peers.wait_for(Option::is_some) => context.ok().and_then(|context| context.clone()),
        _ = connection.closed() => return,
    };
    if let Some(context) = context {
        peer::serve(connection, context).await;
    }
}
