//! A QUIC connection as the service sees it.

use std::net::SocketAddr;

use coffee_common::{protocol::Identity, quic::Connection};
use futures_util::future::BoxFuture;

use crate::service::link::ClientLink;

/// The connection of a client.
pub(super) struct QuicLink(pub(super) Connection);

impl ClientLink for QuicLink {
    fn peer(&self) -> &Identity {
        self.0.peer()
    }

    fn serial(&self) -> String {
        self.0.peer_serial()
    }

    fn address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.closed().await;
        })
    }

    fn widen(&self) {
        self.0.widen();
    }
}
