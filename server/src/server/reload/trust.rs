//! Finds the voters whose certificates new credentials would not accept.
//!
//! Read-only. Each voter is dialled with the new credentials before they take effect: what it
//! showed when a present connection began says nothing about the certificate that it has now.

use std::time::Duration;

use coffee_common::{
    id::NodeName,
    quic::{ConnectError, Endpoint, EndpointOptions, Expect, Protocol},
    tls::Credentials,
};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::ReloadError;
use crate::node::Node;

/// A voter that does not answer in this time is not in reach.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Returns the other voters in reach whose certificates these credentials reject, with the cause.
pub(super) async fn rejected_voters(
    node: &Node,
    credentials: &Credentials,
) -> Result<Vec<(NodeName, String)>, ReloadError> {
    let Some(replica) = node.replica() else { return Ok(Vec::new()) };
    let membership = replica.membership();
    let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default())?;
    let others = membership.voter_ids().filter(|id| *id != replica.id());
    let dials = others.filter_map(|id| membership.get_node(&id)).map(|member| {
        let endpoint = &endpoint;
        async move {
            let expect = Expect::Node(member.name.clone());
            let dial = endpoint.connect(&member.address, &expect, Protocol::Client);
            match timeout(ANSWER_WITHIN, dial).await {
                Ok(Err(ConnectError::Identity { by_us: true, cause, .. })) => {
                    Some((member.name.clone(), cause))
                }
                _ => None,
            }
        }
    });
    let rejected = join_all(dials).await.into_iter().flatten().collect();
    endpoint.close("checked").await;
    Ok(rejected)
}
