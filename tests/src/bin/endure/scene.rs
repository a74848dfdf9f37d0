//! A cluster under load, and what is asked of it.

use std::time::Duration;

use coffee_client::{
    Client, Consistency, NodeName,
    bench::{Keys, fill},
};
use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::{
    cluster::{Cluster, Plan},
    usage::{self, Usage},
    witness::Witness,
};

/// Clients that write while something happens, with one write in flight each.
pub(crate) const CLIENTS: usize = 64;

/// Longer than any operation of an operator takes here.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(1800);

/// How large the values are where nothing else is asked for.
pub(crate) const VALUE_BYTES: usize = 256;

const KEY_BYTES: usize = 32;

/// How large the values of a large state are.
const BULK_BYTES: usize = 4096;

/// A cluster, and who asks it.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) admin: Client,
    writers: Vec<(Client, Consistency)>,
}

/// So many keys with values of a size.
pub(crate) fn keys(prefix: &str, count: u64, value_bytes: usize) -> Keys {
    Keys::new(format!("{prefix}/"), count, KEY_BYTES, value_bytes).expect("the keys fit")
}

/// The keys that clients write while something happens.
pub(crate) fn busy_keys() -> Keys {
    keys("busy", 100_000, VALUE_BYTES)
}

impl Scene {
    pub(crate) async fn start(plan: Plan) -> Self {
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

    /// Writes values of so many MB in all.
    pub(crate) async fn fill_mb(&self, mb: u64) {
        self.fill(&keys("bulk", (mb << 20) / BULK_BYTES as u64, BULK_BYTES)).await;
    }

    /// Clients begin to write.
    pub(crate) fn load(&self) -> Witness {
        Witness::start(&self.writers, &busy_keys(), CLIENTS)
    }

    /// The name of the leader.
    pub(crate) async fn leader(&self) -> NodeName {
        self.cluster.leader().await.parse().expect("a name")
    }

    /// Who asks this node alone.
    pub(crate) fn observer(&self, node: &str) -> Client {
        let found = self.cluster.watched().iter().find(|found| found.name() == node);
        let address = found.expect("a node of the cluster").address();
        let credentials = self.cluster.credentials(Role::Admin);
        let client = Client::builder().endpoints([address]).credentials(credentials).follow_leader(false);
        client.build().expect("a client")
    }

    /// What all running nodes have used.
    pub(crate) fn usage(&self) -> Usage {
        let nodes = self.cluster.watched();
        let pids: Vec<u32> = nodes.iter().filter(|node| node.is_started()).map(|node| node.pid()).collect();
        Usage::of(&pids, self.cluster.folder())
    }

    /// What the largest running node takes of memory, in bytes.
    pub(crate) fn most_memory(&self) -> u64 {
        let nodes = self.cluster.watched().iter().filter(|node| node.is_started());
        nodes.map(|node| usage::memory(node.pid())).max().unwrap_or_default()
    }

    /// Bytes that all nodes have on their disks.
    pub(crate) fn disk(&self) -> u64 {
        let folders: Vec<_> = self.cluster.watched().iter().map(|node| node.data()).collect();
        usage::disk(&folders)
    }
}

/// What a node knows of its cluster.
pub(crate) async fn status(observer: &Client) -> RaftStatus {
    observer.status().await.expect("it answers").raft.expect("it takes part")
}
