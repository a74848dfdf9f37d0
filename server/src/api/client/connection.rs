//! Serves one client connection: the welcome, then its streams.
//!
//! Guards that the session of a client ends with its certificate. That of a node continues: nodes
//! stay connected until their certificates are renewed, and a cluster does not lose its quorum
//! because a renewal is late.

use std::{pin::pin, sync::Arc};

use coffee_common::{protocol::Role, quic::Connection};

use super::{context::ApiContext, responder, state::ConnectionState, stream, welcome::welcome};
use crate::metrics::measured;

pub(super) async fn serve(api: &Arc<ApiContext>, connection: Connection) {
    let welcome = welcome(&api.service.node);
    let sent = Box::pin(responder::welcome(&connection, &welcome)).await;
    if let Err(error) = sent {
        tracing::debug!(%error, "client disconnected before its welcome was sent");
        return;
    }
    let state =
        Arc::new(ConnectionState::new(Arc::clone(api), connection.clone(), welcome.cluster.is_some()));
    let mut expired = pin!(expired(api, &connection));
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = &mut expired => break,
        };
        let Ok((sender, receiver)) = accepted else { return };
        tokio::spawn(measured(stream::serve(Arc::clone(&state), sender, receiver)));
    }
    let peer = connection.peer();
    tracing::info!(client = %peer.name, role = peer.role.as_str(), "session ended: the certificate has expired");
    connection.close_expired();
}

/// Waits until the certificate of a client has expired. Never ends for a node.
async fn expired(api: &ApiContext, connection: &Connection) {
    match connection.peer().role {
        Role::Node => std::future::pending().await,
        Role::Reader | Role::Writer | Role::Admin | Role::Backup => {
            connection.peer_expired(&api.service.node.credentials()).await;
        }
    }
}
