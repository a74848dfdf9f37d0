//! The connection of a client, as far as the service needs to know it.

use std::net::SocketAddr;

use coffee_common::protocol::{Identity, SentFrom};
use futures_util::future::BoxFuture;

use crate::node::audit_log::Actor;

/// A connection whose other end has a verified certificate. Each protocol has its own.
pub(crate) trait ClientLink: Send + Sync {
    /// The identity in the certificate.
    fn peer(&self) -> &Identity;
    /// The serial number of the certificate, in hexadecimal.
    fn serial(&self) -> String;
    /// The address of the client.
    fn address(&self) -> SocketAddr;
    /// Whether the connection has ended.
    fn is_closed(&self) -> bool;
    /// Waits until the connection has ended.
    fn closed(&self) -> BoxFuture<'_, ()>;
    /// Gives the connection of a member more room than that of a client. Has no effect if repeated.
    fn widen(&self);
}

impl dyn ClientLink + '_ {
    /// The client, for the audit log.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            identity: Some(self.peer().clone()),
            serial: Some(self.serial()),
            address: Some(self.address()),
            via: None,
        }
    }

    /// The connection, for the node to which a request of the client is forwarded.
    pub(crate) fn sent_from(&self) -> SentFrom {
        SentFrom { serial: self.serial(), address: self.address() }
    }
}
