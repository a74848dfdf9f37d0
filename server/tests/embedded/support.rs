//! A cluster in this process: certificates in memory, data in a temporary folder.

use std::{path::PathBuf, time::Duration};

use coffee_client::{Client, Credentials, cert::Ca};
use coffee_common::{
    id::{Address, ClusterName, NodeName},
    protocol::{NodeStatus, Role},
    tls::CredentialFiles,
};
use coffeed::{Builder, Config, Server, StartError};
use tempfile::TempDir;

/// A CA and a folder for the data of the nodes.
pub(crate) struct EmbeddedCluster {
    pub(crate) ca: Ca,
    folder: TempDir,
}

pub(crate) fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a legal name")
}

impl EmbeddedCluster {
    pub(crate) fn new() -> Self {
        Self {
            ca: Ca::create(&ClusterName::default()).expect("a CA"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub(crate) fn data_dir(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    pub(crate) fn credentials(&self, role: Role, who: &str) -> Credentials {
        self.ca.credentials(role, &name(who)).expect("credentials")
    }

    /// A node that waits to be booted, on any free port.
    pub(crate) fn config(&self, node: &str) -> Config {
        let files = CredentialFiles::new("unused", "unused", "unused");
        Config::new(name(node), ([127, 0, 0, 1], 0).into(), self.data_dir(node), files)
    }

    pub(crate) fn builder(&self, config: Config) -> Builder {
        let credentials = self.credentials(Role::Node, config.name.as_str());
        Server::builder(config).credentials(credentials)
    }

    pub(crate) async fn try_start(&self, config: Config) -> Result<Server, StartError> {
        self.builder(config).start().await
    }

    /// A node that waits.
    pub(crate) async fn waiting(&self, node: &str) -> Server {
        self.try_start(self.config(node)).await.expect("it starts")
    }

    /// A node that founds a cluster.
    pub(crate) async fn founder(&self, node: &str) -> Server {
        self.found(self.builder(self.config(node))).await
    }

    /// Starts a node that founds a cluster.
    pub(crate) async fn found(&self, builder: Builder) -> Server {
        let server = builder.start().await.expect("it starts");
        server.found().await.expect("it is the first");
        server
    }

    /// A node that asks to join the cluster of another node.
    pub(crate) async fn asking(&self, node: &str, member: &Server) -> Server {
        let config = Config { join: vec![address(member)], ..self.config(node) };
        self.try_start(config).await.expect("it starts")
    }

    /// A node that asks to join the cluster of another node, and is booted.
    pub(crate) async fn joining(&self, node: &str, member: &Server) -> Server {
        let server = self.asking(node, member).await;
        let booted = self.client(&[member]).boot(name(node), Some(address(&server))).await;
        assert!(booted.expect("it is admitted").changed);
        server
    }

    /// A node with data, restarted on its previous port.
    pub(crate) async fn again(&self, node: &str, at: &Address) -> Server {
        let listen = at.as_str().parse().expect("an IP address");
        self.try_start(Config { listen, ..self.config(node) }).await.expect("it starts")
    }

    /// A client that follows the leader.
    pub(crate) fn client(&self, nodes: &[&Server]) -> Client {
        self.client_as(Role::Admin, nodes)
    }

    pub(crate) fn client_as(&self, role: Role, nodes: &[&Server]) -> Client {
        Client::builder()
            .endpoints(nodes.iter().map(|node| address(node)))
            .credentials(self.credentials(role, "tester"))
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client")
    }

    /// A client that asks only this node and lets it forward requests.
    pub(crate) fn client_at(&self, node: &Server) -> Client {
        self.client(&[node]).at(address(node)).expect("a client")
    }
}

pub(crate) fn address(node: &Server) -> Address {
    node.advertised().clone()
}

/// Waits until a node's status meets a condition.
pub(crate) async fn until(node: &Server, what: &str, met: impl Fn(&NodeStatus) -> bool) {
    let wait = async {
        while !met(&node.status()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    assert!(waited.is_ok(), "{} did not reach {what}: {:#?}", node.advertised(), node.status());
}

/// Waits until a node is a voter.
pub(crate) async fn until_voter(node: &Server) {
    until(node, "a vote", |status| {
        status.phase == coffee_common::protocol::LifecyclePhase::Running
            && status.raft.as_ref().is_some_and(|raft| raft.voters.iter().flatten().any(|id| *id == raft.id))
    })
    .await;
}
