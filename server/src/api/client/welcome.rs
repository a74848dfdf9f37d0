//! The first message of a connection: what a client has to know before it sends anything.

use coffee_common::{protocol::Welcome, protocol_versions::ProtocolVersions};

use crate::node::{Node, VERSION};

/// Returns the first message of a connection.
pub(super) fn welcome(node: &Node) -> Welcome {
    let replica = node.replica();
    Welcome {
        node: node.name().clone(),
        version: VERSION.to_owned(),
        // A client must not keep to the cluster of a node that was left out of a restore.
        cluster: replica
            .as_ref()
            .filter(|replica| replica.left_out().is_none())
            .map(|replica| replica.cluster()),
        applied: replica.as_ref().map(|replica| replica.state().applied()).unwrap_or_default(),
        leader: replica.and_then(|replica| replica.leader_hint()),
        lease_ms: u32::try_from(node.lease().as_millis()).unwrap_or(u32::MAX),
        versions: ProtocolVersions::OWN,
        #[cfg(coffee_future)]
        future_note: 7,
    }
}
