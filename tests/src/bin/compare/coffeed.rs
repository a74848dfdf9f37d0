//! Members of coffeed on loopback.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use coffee_client::{Client, Consistency, CredentialFiles, bench::Failed};
use coffee_common::protocol::Role;
use coffee_tests::cluster::{Cluster, NodeProcess, SHOPS};
use rustls::pki_types::ServerName;

use crate::{
    contestant::{Contestant, TimerSetting, until_done},
    etcd_client::tls,
    http::HttpEndpoint,
};

/// For nodes in one room: a lost leader is replaced in about 110 ms.
const TUNED: &str =
    "[timers]\nheartbeat_interval_ms = 15\nelection_timeout_min_ms = 40\nelection_timeout_max_ms = 60\n";

/// Timeout of an attempt at a node that is starting.
const TRY: Duration = Duration::from_millis(100);

/// Clients of other languages come in here.
const DOOR: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";

/// Finds where a node serves HTTP in its log.
fn listening(log: &str) -> Option<SocketAddr> {
    let line = log.lines().rev().find(|line| line.contains("listening for HTTP"))?;
    line.rsplit_once("address=")?.1.trim().parse().ok()
}

/// A running cluster.
pub(crate) struct Coffeed {
    cluster: Cluster,
    members: usize,
    admin: Client,
    /// Length of each node's log at its last start.
    log_from: [usize; SHOPS.len()],
}

impl Coffeed {
    fn http_of(&self, role: Role) -> Vec<HttpEndpoint> {
        let certs = self.cluster.certs();
        let own = |ending| certs.join(format!("{}-test.{ending}", role.as_str()));
        let tls = tls(&CredentialFiles::new(certs.join("ca.crt"), own("crt"), own("key")), b"http/1.1");
        let endpoint = |node: &NodeProcess| HttpEndpoint {
            address: listening(&node.log().tail(usize::MAX)).expect("it says where it listens"),
            name: ServerName::try_from(node.name().to_owned()).expect("a host name"),
            tls: Arc::clone(&tls),
        };
        self.cluster.watched().iter().take(self.members).map(endpoint).collect()
    }
}

impl Contestant for Coffeed {
    type Target = (Client, Consistency);

    fn prepare(nodes: usize, timers: TimerSetting) -> Self {
        let plan = Cluster::of(nodes).with_default_timers().with(DOOR);
        let plan = match timers {
            TimerSetting::Default => plan,
            TimerSetting::Tuned => plan.with(TUNED),
        };
        let cluster = plan.prepare();
        let admin = cluster.client(Role::Admin);
        Self { cluster, members: nodes, admin, log_from: [0; SHOPS.len()] }
    }

    async fn found(&mut self) {
        self.cluster.found(self.members).await;
    }

    async fn spawn(&mut self, node: usize) {
        let started = &mut self.cluster.nodes()[node];
        self.log_from[node] = started.log().len();
        started.spawn(&[]);
    }

    async fn kill(&mut self, node: usize) {
        self.cluster.nodes()[node].kill().await;
    }

    async fn stop(&mut self, node: usize) {
        self.cluster.nodes()[node].stop().await;
    }

    async fn leader(&self) -> usize {
        let leader = until_done("an election", async || {
            let view = self.admin.cluster().await?;
            view.leader.ok_or(Failed { kind: "no leader", text: String::new() })
        });
        let leader = leader.await;
        SHOPS.into_iter().position(|shop| shop == leader.as_str()).expect("one of the shops")
    }

    async fn transfer(&mut self) {
        let moved = self.admin.transfer(None).await.expect("leadership can be transferred");
        assert!(moved.changed, "{moved:?}");
    }

    async fn at_leader(&self, connections: usize) -> Vec<Self::Target> {
        // A client finds the leader on its own.
        (0..connections).map(|_| (self.cluster.client(Role::Writer), Consistency::Linearizable)).collect()
    }

    fn anywhere(&self) -> Vec<Self::Target> {
        vec![(self.cluster.client(Role::Writer), Consistency::Linearizable)]
    }

    async fn at(&self, node: usize) -> Result<Self::Target, Failed> {
        let node_at = &self.cluster.watched()[node];
        // A packet sent before the socket is bound would be retransmitted only after a
        // long delay.
        node_at.says_from(self.log_from[node], "listening").await;
        let client = Client::builder()
            .endpoints([node_at.address()])
            .credentials(self.cluster.credentials(Role::Writer))
            .follow_leader(false)
            .timeout(TRY)
            .build()?;
        Ok((client, Consistency::Linearizable))
    }

    fn http(&self) -> Vec<Vec<HttpEndpoint>> {
        // No client gets more than the fourth part of a node's connections.
        [Role::Writer, Role::Reader].map(|role| self.http_of(role)).into()
    }

    fn pids(&self) -> Vec<u32> {
        let running = self.cluster.watched().iter().filter(|node| node.is_started());
        running.map(|node| node.pid()).collect()
    }

    fn data(&self) -> Vec<PathBuf> {
        self.cluster.watched().iter().map(|node| node.data()).collect()
    }
}
