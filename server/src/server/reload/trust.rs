//! Finds the voters that new credentials would cut off, and those that they would bring into reach.
//!
//! Read-only. Each voter is dialled with the new credentials before they take effect: what it
//! showed when a present connection began says nothing about the certificate that it has now.
//! Voters that were off during a rotation reach only each other, and each of them shows a
//! certificate of the old CA until it takes up the new one: the first has to be able to.

use std::time::Duration;

use coffee_common::{
    id::NodeName,
    quic::{ConnectError, Connection, Endpoint, EndpointOptions, Expect, Protocol},
    tls::Credentials,
};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::ReloadError;
use crate::{node::Node, raft_types::Member};

/// A voter that does not answer in this time, or the lease if that is longer, is not in reach.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The change that new credentials make to the connections to the other voters.
#[derive(Debug, Default)]
pub(super) struct TrustChange {
    /// The voters in reach whose certificates the new credentials reject, with the cause.
    pub(super) rejected: Vec<(NodeName, String)>,
    /// The number of voters that only the new credentials reach.
    gained: usize,
}

impl TrustChange {
    /// Whether the new credentials reach more voters than the present ones.
    pub(super) fn reaches_more(&self) -> bool {
        self.gained > self.rejected.len()
    }
}

/// Dials the other voters with these credentials, and those that accept with the present ones too.
pub(super) async fn change(node: &Node, credentials: &Credentials) -> Result<TrustChange, ReloadError> {
    let mut change = TrustChange::default();
    let Some(replica) = node.replica() else { return Ok(change) };
    let membership = replica.membership();
    let (new, present) =
        (Endpoint::dial_only(credentials, &EndpointOptions::default())?, node.pool().endpoint());
    let within = ANSWER_WITHIN.max(node.lease());
    let others = membership.voter_ids().filter(|id| *id != replica.id());
    let dials = others.filter_map(|id| membership.get_node(&id)).map(|member| {
        let (new, present) = (&new, &present);
        async move {
            let with_new = dial(new, member, within).await;
            let is_refused_now = with_new.is_ok()
                && matches!(dial(present, member, within).await, Err(ConnectError::Identity { .. }));
            (&member.name, with_new, is_refused_now)
        }
    });
    for (name, with_new, is_refused_now) in join_all(dials).await {
        change.gained += usize::from(is_refused_now);
        if let Err(ConnectError::Identity { by_us: true, cause, .. }) = with_new {
            change.rejected.push((name.clone(), cause));
        }
    }
    new.close("checked").await;
    Ok(change)
}

async fn dial(endpoint: &Endpoint, member: &Member, within: Duration) -> Result<Connection, ConnectError> {
    let (address, expect) = (&member.address, Expect::Node(member.name.clone()));
    timeout(within, endpoint.connect(address, &expect, Protocol::Client)).await.unwrap_or_else(|_| {
        Err(ConnectError::Unreachable { address: address.to_string(), cause: "no answer in time".to_owned() })
    })
}
