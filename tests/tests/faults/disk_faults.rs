//! Disk faults: full, failing, or without power.
//!
//! A node whose disk fails exits with the cause and a hint, and resumes once the disk
//! works again.

use std::{collections::BTreeMap, fs, process::Stdio, time::Duration};

use coffee_common::limits::VALUE_BYTES_MAX;
use coffee_tests::cluster::{Cluster, NodeProcess};
use tokio::process::Command;

use crate::support::{
    disk_image::{Ext4, Small},
    round::{FaultEnvironment, InjectedFault},
};

/// Asserts that the node exits, with an error and a hint in its log.
async fn fails(cluster: &mut Cluster, victim: &str, from: usize) {
    let node = cluster.node(victim);
    assert_eq!(node.ended().await.code(), Some(1), "{}", node.log().tail(20));
    node.says_from(from, "error: ").await;
    node.says_from(from, "hint: ").await;
    assert!(!node.log().tail(20).contains("panicked"), "{}", node.log().tail(20));
}

/// Enough to grow a node's files beyond their free pages. Each value has its own key: an
/// overwritten value would reuse its space.
const LARGE_VALUES: usize = 100;

fn large(number: usize) -> String {
    format!("large-{number}")
}

/// Logged by a node that is about to exit.
const FAILED: &str = "storage failed";
/// How soon it is logged, if at all.
const GRACE: Duration = Duration::from_secs(1);

/// The disk is full, and later has space again.
pub(crate) struct Full {
    disks: BTreeMap<String, Small>,
    /// Number of large values written in this round.
    written: usize,
}

impl Full {
    /// Mounts a small disk for each node.
    pub(crate) fn mount(cluster: &mut Cluster) -> Self {
        let disk = |node: &NodeProcess| (node.name().to_owned(), Small::mount(node.data()));
        Self { disks: cluster.nodes().iter().map(disk).collect(), written: 0 }
    }
}

impl InjectedFault for Full {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let from = environment.cluster.node(victim).log().len();
        self.disks[victim].fill();
        // The load's values may fit into free pages.
        let value = environment.cluster.folder().join("large");
        fs::write(&value, vec![b'x'; VALUE_BYTES_MAX]).expect("a file can be made");
        let value = value.to_str().expect("a path that is text");
        self.written = 0;
        while self.written < LARGE_VALUES {
            if environment.cluster.node(victim).log().says(from, "No space left", Duration::ZERO).await {
                break;
            }
            let key = large(self.written);
            self.written += 1;
            // The leader may be the node that exits.
            environment.cluster.coffeectl(["set", &key, "--file", value, "--timeout", "3s"]).run().await;
        }
        let node = environment.cluster.node(victim);
        node.says_from(from, "No space left").await;
        // A node without space for a snapshot stays up, and waits for space.
        if node.log().says(from, FAILED, GRACE).await {
            fails(&mut environment.cluster, victim, from).await;
        }
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let node = environment.cluster.node(victim);
        let from = node.log().len();
        self.disks[victim].clear();
        if node.is_started() {
            node.says_from(from, "snapshot installed").await;
        } else {
            node.start().await;
        }
        // Otherwise the next round would find all disks full.
        for number in 0..self.written {
            environment.cluster.coffeectl(["del", &large(number)]).run().await;
        }
    }
}

/// The next fsync fails, and the data may or may not be on disk.
pub(crate) struct FailedSync;

impl InjectedFault for FailedSync {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let from = environment.cluster.node(victim).log().len();
        let pid = environment.cluster.node(victim).pid().to_string();
        let mut tracer = Command::new("strace");
        tracer.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        tracer.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &pid]);
        tracer.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut tracer = tracer.spawn().expect("a tracer");
        fails(&mut environment.cluster, victim, from).await;
        tracer.wait().await.expect("the tracer ends with the process");
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).start().await;
    }
}

/// Disks that lose unsynced data in a power cut.
pub(crate) struct Disks(BTreeMap<String, Ext4>);

impl Disks {
    /// Mounts one for each node.
    pub(crate) fn mount(cluster: &mut Cluster) -> Self {
        let folder = cluster.folder().to_owned();
        let disk = |name: &str, at| Ext4::mount(folder.join(format!("{name}.ext4")), at);
        Self(
            cluster
                .nodes()
                .iter()
                .map(|node| (node.name().to_owned(), disk(node.name(), node.data())))
                .collect(),
        )
    }
}

/// One node loses power.
///
/// The process stops before the disk does, as in a real power cut: an fsync during which
/// ext4 is shut down may report success for blocks whose allocation is lost, and no
/// process may live to see it.
pub(crate) struct DiskPowerCut(pub(crate) Disks);

impl InjectedFault for DiskPowerCut {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let node = environment.cluster.node(victim);
        node.signal("STOP").await;
        self.0.0[victim].cut_power();
        node.kill().await;
        self.0.0[victim].power_up();
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).start().await;
    }
}

/// All nodes lose power.
pub(crate) struct Blackout(pub(crate) Disks);

impl InjectedFault for Blackout {
    const SPARES_QUORUM: bool = false;

    async fn strike(&mut self, environment: &mut FaultEnvironment, _: &str) {
        for node in environment.cluster.nodes() {
            node.signal("STOP").await;
        }
        self.0.0.values().for_each(Ext4::cut_power);
        for node in environment.cluster.nodes() {
            node.kill().await;
        }
        self.0.0.values().for_each(Ext4::power_up);
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, _: &str) {
        for node in environment.cluster.nodes() {
            node.spawn(&[]);
        }
    }
}
