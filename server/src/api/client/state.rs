//! The state that the streams of a connection share.
//!
//! Guards that a client that breaks the protocol loses its connection with the reason, and cannot
//! flood the log by doing so.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use coffee_common::{
    protocol::{Rejection, RequestEnvelope},
    quic::Connection,
};

use super::{context::ApiContext, link::QuicLink};
use crate::{
    metrics::{ClientLimit, RequestKind},
    service::{Session, clients::COMPLETE_WITHIN},
};

/// The state of a connection.
pub(super) struct ConnectionState {
    pub(super) api: Arc<ApiContext>,
    pub(super) connection: Connection,
    pub(super) session: Arc<Session>,
}

impl ConnectionState {
    /// `welcomed` says whether the welcome of the connection named a cluster.
    pub(super) fn new(api: Arc<ApiContext>, connection: Connection, welcomed: bool) -> Self {
        let link = Box::new(QuicLink(connection.clone()));
        let session = Arc::new(Session::new(Arc::clone(&api.service), link, welcomed));
        Self { api, connection, session }
    }

    /// Rejects a request of a kind that its sender may never send. Denials are logged.
    pub(super) fn authorize_kind(
        &self,
        envelope: &RequestEnvelope,
        kind: RequestKind,
    ) -> Result<(), Rejection> {
        let RequestEnvelope { on_behalf_of, sent_from, .. } = envelope;
        self.session.authorize_kind((on_behalf_of.as_ref(), sent_from.as_ref()), kind)
    }

    /// Rejects a request that arrives too slowly.
    pub(super) fn late(&self) -> Rejection {
        self.session.note_slow(ClientLimit::RequestTime);
        let within = COMPLETE_WITHIN.as_secs();
        Rejection::Unavailable(format!("the request did not arrive within {within} s: the link is too slow"))
    }

    /// Closes the connection of a client that does not read.
    pub(super) fn close_slow(&self) {
        self.session.note_slow(ClientLimit::ResponseTime);
        self.connection.close("responses were not read in time");
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
