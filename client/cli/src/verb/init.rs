//! `init`: founds a new cluster with one node.
//!
//! Asks every endpoint first. A node that founds a second cluster of the same name would
//! take the clients of the first one, so an endpoint that does not answer stops it as well:
//! it may belong to a cluster.

use clap::Args;
use coffee_common::{
    id::{Address, NodeId, NodeName},
    protocol::NodeStatus,
};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::{
    cluster_ref::ClusterRef, exit::ExitCode, failure::Failure, invocation::Invocation, printer::Printable,
};

pub(super) const AFTER_HELP: &str = "\
All endpoints are asked first. If one of them belongs to a cluster, nothing is
done. One that does not answer may belong to a cluster: start it first, or use
--yes if it certainly does not.";

/// Part of the timeout in which all endpoints must answer.
const LOOK_SHARE: u32 = 2;

/// `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The node, which must run, have no data and belong to no cluster
    #[arg(value_name = "NODE")]
    node: NodeName,
    /// The node's address, unless it is an endpoint
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
}

/// An endpoint and its status, if it answered.
type Found = (Address, Result<NodeStatus, coffee_client::Error>);

pub(crate) async fn run(
    arguments: &InitArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    if let Some(ClusterRef::Id(cluster)) = invocation.session.connection().cluster {
        return Err(Failure::usage(format!("--cluster or the context names a cluster: {cluster}"))
            .hint("a new cluster has another id; use a context without 'cluster', or --context ''"));
    }
    let timeout = invocation.usual_timeout();
    let client = invocation.client(timeout)?;
    let mut endpoints = invocation.session.connection().endpoints.clone();
    if let Some(address) = arguments.address.as_ref().filter(|address| !endpoints.contains(address)) {
        endpoints.push(address.clone());
    }
    let mut looks = JoinSet::new();
    for (order, address) in endpoints.into_iter().enumerate() {
        let one = client.at(address.clone())?;
        looks.spawn(async move { (order, (address, one.with_timeout(timeout / LOOK_SHARE).status().await)) });
    }
    let mut found = looks.join_all().await;
    found.sort_by_key(|(order, _)| *order);
    let found: Vec<Found> = found.into_iter().map(|(_, found)| found).collect();
    let target = decide(&arguments.node, &found, invocation.options.yes)?.clone();
    let done = client.at(target)?.with_timeout(timeout).found(arguments.node.clone()).await?;
    invocation.printer.report(&InitReport {
        node: arguments.node.clone(),
        cluster: done.cluster.to_string(),
        changed: done.changed,
    });
    Ok(ExitCode::Done)
}

/// Returns the address of the node, if it may found a cluster or has done so.
fn decide<'a>(node: &NodeName, found: &'a [Found], yes: bool) -> Result<&'a Address, Failure> {
    let answered = || found.iter().filter_map(|(address, status)| Some((address, status.as_ref().ok()?)));
    let Some((target, own)) = answered().find(|(_, status)| status.name == *node) else {
        return Err(not_there(node, found));
    };
    let own_cluster = own.raft.as_ref().filter(|raft| raft.id == NodeId::FOUNDER).map(|raft| raft.cluster);
    let other = answered().find_map(|(address, status)| {
        let raft = status.raft.as_ref()?;
        (Some(raft.cluster) != own_cluster).then_some((address, &status.name, raft.cluster))
    });
    if let Some((_, name, cluster)) = other {
        let refused = Failure::new(ExitCode::Refused, format!("{name} belongs to cluster {cluster} already"));
        return Err(if name == node {
            refused.hint("'coffeectl list' shows the nodes of its cluster")
        } else {
            refused.hint(format!("to add {node} to that cluster: coffeectl boot {node} --address {target}"))
        });
    }
    let silent: Vec<&str> =
        found.iter().filter(|(_, status)| status.is_err()).map(|(address, _)| address.as_str()).collect();
    if own_cluster.is_none() && !silent.is_empty() && !yes {
        let what =
            format!("{} did not answer, and may belong to a cluster; nothing was done", silent.join(", "));
        return Err(Failure::new(ExitCode::Refused, what).hint(format!(
            "start the other nodes first; if none of them was ever in a cluster: coffeectl init {node} --yes"
        )));
    }
    Ok(target)
}

fn not_there(node: &NodeName, found: &[Found]) -> Failure {
    match found.iter().find_map(|(_, status)| status.as_ref().err()) {
        Some(error) => {
            let failure = Failure::from(error.clone());
            let message = format!("no endpoint that answers is {node}: {}", failure.message());
            failure.with_message(message)
        }
        None => Failure::new(ExitCode::NotFound, format!("none of the endpoints is {node}"))
            .hint(format!("name its address: coffeectl init {node} --address HOST:PORT")),
    }
}

#[derive(Serialize)]
struct InitReport {
    node: NodeName,
    cluster: String,
    changed: bool,
}

impl Printable for InitReport {
    fn table(&self) -> String {
        let Self { node, cluster, changed } = self;
        if *changed {
            format!("{node} founded cluster {cluster}\n")
        } else {
            format!("{node} has founded cluster {cluster} already\n")
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        let Self { node, cluster, changed } = self;
        vec![vec![node.to_string(), cluster.clone(), changed.to_string()]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    fn unreachable() -> Result<NodeStatus, coffee_client::Error> {
        Err(coffee_client::Error::Unavailable("no connection".into()))
    }

    fn waiting(name: &str) -> Result<NodeStatus, coffee_client::Error> {
        Ok(NodeStatus {
            name: name.parse().unwrap(),
            address: "h:1".parse().unwrap(),
            version: "0.1.0".into(),
            phase: coffee_common::protocol::LifecyclePhase::Waiting,
            uptime_ms: 1,
            raft: None,
            certificate: coffee_common::protocol::CertificateStatus { serial: "1".into(), valid_until_s: 1 },
            started_at_ms: 1,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            pace: Default::default(),
            left_out: None,
            writes_refused: None,
            level: coffee_common::feature_level::LEVEL_MAX,
            clock_ms: 1,
        })
    }

    fn at(address: &str, status: Result<NodeStatus, coffee_client::Error>) -> Found {
        (address.parse().unwrap(), status)
    }

    #[test]
    fn a_silent_endpoint_may_belong_to_a_cluster() {
        let ming: NodeName = "ming".parse().unwrap();
        let found = [at("h:1", waiting("ming")), at("h:2", waiting("hong")), at("h:3", unreachable())];
        let refused = decide(&ming, &found, false).unwrap_err();
        assert_eq!(refused.code(), ExitCode::Refused);
        assert!(refused.message().contains("h:3"), "{refused:?}");
        assert_eq!(decide(&ming, &found, true).unwrap().as_str(), "h:1");
        assert_eq!(decide(&ming, &found[..2], false).unwrap().as_str(), "h:1");
        assert_eq!(decide(&ming, &found[1..], true).unwrap_err().code(), ExitCode::Unavailable);
        assert_eq!(decide(&ming, &found[1..2], true).unwrap_err().code(), ExitCode::NotFound);
    }

    #[test]
    fn golden() {
        let done = InitReport { node: "ming".parse().unwrap(), cluster: "00ff".into(), changed: true };
        assert_eq!(printed(Format::Table, &done), "ming founded cluster 00ff\n");
        assert_eq!(printed(Format::Plain, &done), "ming\t00ff\ttrue\n");
        assert_eq!(
            printed(Format::Json, &done),
            "{\"apiVersion\":\"coffee/v1\",\"node\":\"ming\",\"cluster\":\"00ff\",\"changed\":true}\n"
        );
        let already = InitReport { changed: false, ..done };
        assert_eq!(printed(Format::Table, &already), "ming has founded cluster 00ff already\n");
    }
}
