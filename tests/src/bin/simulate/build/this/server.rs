//! A node of one version, in the values of this one.

use std::{net::Ipv4Addr, sync::Arc};

use coffee_common::{id::ClusterId, protocol::NodeStatus};
use coffee_tests::sim::observation::{AppliedState, CommittedMembers, MemberLine};
use futures_util::{FutureExt, future::BoxFuture};
use openraft::async_runtime::WatchReceiver;

use super::{
    common::{
        id::NodeId,
        tls::{CredentialFiles, Credentials},
    },
    daemon::{Closed, Config, Server, StartError, node::replica::Replica, raft_types::Member},
    endpoint::endpoint,
};
use crate::build::{NodeEnd, NodeSetup, ReplicaView, SimServer};

/// Verifies a CA, a certificate and a key in PEM.
pub(crate) fn credentials_of([ca, certificate, key]: [&[u8]; 3]) -> Credentials {
    Credentials::from_pem(ca, certificate, key).expect("credentials")
}

/// Starts a node on the current host.
pub(crate) async fn start(setup: NodeSetup) -> Result<Arc<dyn SimServer>, NodeEnd> {
    let failed = |error: &dyn std::fmt::Display, is_newer| NodeEnd {
        how: format!("does not start: {error}"),
        is_newer,
        is_removed: false,
    };
    let config = config(&setup).map_err(|error| failed(&error, false))?;
    let credentials = super::credentials(&setup.credentials);
    let endpoint = endpoint(setup.socket, credentials, setup.seed).map_err(|error| failed(&error, false))?;
    let server = Server::builder(config)
        .credentials(credentials.clone())
        .endpoint(endpoint)
        .databases(Arc::new(setup.disk))
        .start()
        .await;
    server
        .map(|server| Arc::new(server) as Arc<dyn SimServer>)
        .map_err(|error: StartError| failed(&error, error.is_newer()))
}

fn config(setup: &NodeSetup) -> Result<Config, Box<dyn std::error::Error>> {
    let files = CredentialFiles::new("unused", "unused", "unused");
    let listen = (Ipv4Addr::UNSPECIFIED, setup.port).into();
    let mut config = Config::new(setup.name.as_str().parse()?, listen, setup.folder.clone(), files);
    config.advertise = Some(setup.advertise.as_str().parse()?);
    config.join = setup.join.iter().map(|address| address.as_str().parse()).collect::<Result<_, _>>()?;
    config.storage.snapshot_every_entries = setup.snapshot_every_entries;
    config.storage.log_keep_entries = setup.log_keep_entries;
    Ok(config)
}

impl SimServer for Server {
    fn status(&self) -> NodeStatus {
        super::status(self.status())
    }

    fn cluster(&self) -> Option<ClusterId> {
        self.replica().map(|replica| super::cluster(replica.cluster()))
    }

    fn leads(&self) -> bool {
        self.replica().is_some_and(|replica| replica.leads())
    }

    fn replica(&self) -> Option<ReplicaView> {
        let replica = self.replica().filter(|replica| replica.state().nodes().is_ok())?;
        Some(ReplicaView {
            members: committed(&replica),
            handed_over: replica.transfer_term(),
            level: replica.state().level().0,
        })
    }

    fn state(&self) -> Option<AppliedState> {
        let replica = self.replica()?;
        // A poisoned state cannot be read.
        let (last, hash) = replica.state().hash().ok()?;
        Some(AppliedState { index: last?.index, hash, level: replica.state().level().0 })
    }

    fn found(&self) -> BoxFuture<'_, Result<ClusterId, String>> {
        Box::pin(async { self.found().await.map(super::cluster).map_err(|error| error.to_string()) })
    }

    fn stop(&self) {
        // It stops on its own once it is told to.
        let _ = self.shutdown().now_or_never();
    }

    fn closed(&self) -> BoxFuture<'_, NodeEnd> {
        Box::pin(async {
            let closed = self.closed().await;
            NodeEnd {
                how: format!("{closed:?}"),
                is_newer: matches!(closed, Closed::Newer(_)),
                is_removed: matches!(closed, Closed::Removed),
            }
        })
    }
}

/// The last membership that the node knows to be committed.
fn committed(replica: &Replica) -> Option<CommittedMembers> {
    let metrics = replica.raft().server_metrics();
    let metrics = metrics.borrow_watched();
    let membership = &metrics.committed_membership_config;
    let index = membership.log_id().as_ref()?.index;
    let votes = |id: NodeId| membership.voter_ids().any(|voter| voter == id);
    let member = |(id, member): (&NodeId, &Member)| MemberLine {
        id: id.0,
        name: member.name.to_string(),
        votes: votes(*id),
    };
    Some(CommittedMembers { index, members: membership.nodes().map(member).collect() })
}
