//! Serves one client connection: the welcome, then its streams.

use std::sync::Arc;

use coffee_common::quic::Connection;

use super::{context::ApiContext, responder, state::ConnectionState, stream};
use crate::metrics::measured;

pub(super) async fn serve(api: &Arc<ApiContext>, connection: Connection) {
    let welcome = api.welcome();
    let sent = Box::pin(responder::welcome(&connection, &welcome)).await;
    if let Err(error) = sent {
        tracing::debug!(%error, "client disconnected before its welcome was sent");
        return;
    }
    let state =
        Arc::new(ConnectionState::new(Arc::clone(api), connection.clone(), welcome.cluster.is_some()));
    while let Ok((sender, receiver)) = connection.accept().await {
        tokio::spawn(measured(stream::serve(Arc::clone(&state), sender, receiver)));
    }
}
