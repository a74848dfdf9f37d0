//! A cluster under load, and its clients.

use std::time::Duration;

use coffee_client::{
    Client, Consistency, NodeName,
    bench::{Keys, fill},
};
use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::{
    cluster::{Cluster, ClusterPlan},
    recorder::WriteRecorder,
    usage::{self, Usage},
};

/// Clients that write during an operation, each with one write in flight.
pub(crate) const CLIENTS: usize = 64;

/// Longer than any operator's command takes here.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(1800);

/// Default size of values.
pub(crate) const VALUE_BYTES: usize = 256;

const KEY_BYTES: usize = 32;

/// Size of the values of a large state.
const BULK_BYTES: usize = 4096;

/// A cluster and its clients.
pub(crate) struct Rig {
    pub(crate) cluster: Cluster,
    pub(crate) admin: Client,
    writers: Vec<(Client, Consistency)>,
}

/// Returns `count` keys with values of a size.
pub(crate) fn keys(prefix: &str, count: u64, value_bytes: usize) -> Keys {
    Keys::new(format!("{prefix}/"), count, KEY_BYTES, value_bytes).expect("the keys fit")
}

/// Keys written during an operation.
pub(crate) fn busy_keys() -> Keys {
    keys("busy", 100_000, VALUE_BYTES)
}

impl Rig {
    pub(crate) async fn start(plan: ClusterPlan) -> Self {
        let cluster = plan.with_default_timers().start().await;
        let admin = cluster.client(Role::Admin).with_timeout(OPERATION_TIMEOUT);
        let writers = vec![(cluster.client(Role::Writer), Consistency::Linearizable)];
        Self { cluster, admin, writers }
    }

    pub(crate) fn writers(&self) -> &[(Client, Consistency)] {
        &self.writers
    }

    /// Writes every key once.
    pub(crate) async fn fill(&self, keys: &Keys) {
        fill(keys, CLIENTS, &self.writers).await.expect("the cluster takes writes");
    }

    /// Writes `mb` MB of values.
    pub(crate) async fn fill_mb(&self, mb: u64) {
        self.fill(&keys("bulk", (mb << 20) / BULK_BYTES as u64, BULK_BYTES)).await;
    }

    /// Starts the write load.
    pub(crate) fn load(&self) -> WriteRecorder {
        WriteRecorder::start(&self.writers, &busy_keys(), CLIENTS)
    }

    /// Returns the leader's name.
    pub(crate) async fn leader(&self) -> NodeName {
        self.cluster.leader().await.parse().expect("a name")
    }

    /// Returns a client that asks only this node.
    pub(crate) fn observer(&self, node: &str) -> Client {
        let found = self.cluster.watched().iter().find(|found| found.name() == node);
        let address = found.expect("a node of the cluster").address();
        let credentials = self.cluster.credentials(Role::Admin);
        let client = Client::builder().endpoints([address]).credentials(credentials).follow_leader(false);
        client.build().expect("a client")
    }

    /// Resources used by all running nodes.
    pub(crate) fn usage(&self) -> Usage {
        let nodes = self.cluster.watched();
        let pids: Vec<u32> = nodes.iter().filter(|node| node.is_started()).map(|node| node.pid()).collect();
        Usage::of(&pids, self.cluster.folder())
    }

    /// Memory of the largest running node, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        let nodes = self.cluster.watched().iter().filter(|node| node.is_started());
        nodes.map(|node| usage::memory(node.pid())).max().unwrap_or_default()
    }

    /// Disk usage of all nodes, in bytes.
    pub(crate) fn disk(&self) -> u64 {
        let folders: Vec<_> = self.cluster.watched().iter().map(|node| node.data()).collect();
        usage::disk(&folders)
    }
}

/// A node's view of its cluster.
pub(crate) async fn status(observer: &Client) -> RaftStatus {
    observer.status().await.expect("it answers").raft.expect("it takes part")
}
