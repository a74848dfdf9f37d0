//! Finds named nodes, and says with certainty that one does not exist.
//!
//! The list of one node may be old: the node lags, or was cut off. Only the leader, confirmed by a
//! quorum, can say that there is no such node.

use coffee_client::{Client, Error};
use coffee_common::{id::NodeName, protocol::ClusterView};

use crate::{exit::ExitCode, failure::Failure, invocation::Invocation};

/// Whether the view has this node.
pub(crate) fn is_listed(view: &ClusterView, name: &NodeName) -> bool {
    view.nodes.iter().any(|node| node.name == *name)
}

/// Asks the leader whether it has a record of the node.
pub(crate) async fn exists(client: &Client, name: &NodeName) -> Result<bool, Error> {
    match client.can_stop(name.clone()).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns a view that has all these nodes: of the contacted node, or else of the leader.
pub(crate) async fn view_with(
    names: &[NodeName],
    invocation: &Invocation<'_>,
) -> Result<ClusterView, Failure> {
    let view = invocation.view(invocation.usual_timeout()).await?;
    let Some(missing) = names.iter().find(|name| !is_listed(&view, name)) else { return Ok(view) };
    if view.cluster.is_none() {
        return Err(no_such_node(missing));
    }
    let client = invocation.client(invocation.usual_timeout())?;
    let unsure = |why: &dyn std::fmt::Display| format!("{} does not list {missing} {why}", view.asked);
    match exists(&client, missing).await {
        Ok(true) => {}
        Ok(false) => return Err(no_such_node(missing)),
        Err(error) => {
            let why = unsure(&format_args!("yet, and the leader cannot be asked: {error}"));
            return Err(Failure::from(error).with_message(why));
        }
    }
    let leader = view.leader.as_ref().and_then(|leader| view.nodes.iter().find(|node| node.name == *leader));
    if let Some(leader) = leader {
        let view = client.at(leader.address.clone())?.cluster().await?;
        if names.iter().all(|name| is_listed(&view, name)) {
            return Ok(view);
        }
    }
    Err(Failure::new(ExitCode::Unavailable, unsure(&"yet")).hint("retry, or name other --endpoints"))
}

/// The failure for a node that does not exist.
pub(crate) fn no_such_node(name: &NodeName) -> Failure {
    Failure::new(ExitCode::NotFound, format!("there is no node {name}"))
        .hint("'coffeectl list' shows the nodes")
}
