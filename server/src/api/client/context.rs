//! The state that all connections of this protocol share.

use std::sync::{Arc, atomic::AtomicU64};

use crate::service::Service;

/// The service of the node, and what clients of this protocol do to it.
pub(super) struct ApiContext {
    pub(super) service: Arc<Service>,
    /// Connections that were closed for breaking the protocol.
    pub(super) protocol_errors: AtomicU64,
}
