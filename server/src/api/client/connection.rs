//! Serves one client connection: the welcome, then its streams.

use std::sync::Arc;

use coffee_common::quic::Connection;

use super::{context::ApiContext, responder, state::ConnectionState, stream};

pub(super) async fn serve(api: &Arc<ApiContext>, connection: Connection) {
    let welcomed = Box::pin(responder::welcome(&connection, &api.welcome())).await;
    if let Err(error) = welcomed {
        tracing::debug!(%error, "client disconnected before its welcome was sent");
        return;
    }
    let state = Arc::new(ConnectionState::new(Arc::clone(api), connection.clone()));
    while let Ok((sender, receiver)) = connection.accept().await {
        tokio::spawn(stream::serve(Arc::clone(&state), sender, receiver));
    }
}
