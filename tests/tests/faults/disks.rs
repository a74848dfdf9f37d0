//! What happens to disks: they fill up, fail, and lose power.
//!
//! A node whose disk fails ends with the cause and a hint, and goes on where
//! it was once the disk is well again.

use std::{collections::BTreeMap, fs, process::Stdio, time::Duration};

use coffee_common::limits::VALUE_BYTES_MAX;
use coffee_tests::cluster::{Cluster, Node};
use tokio::process::Command;

use crate::{
    disk::{Ext4, Small},
    round::{Fault, Scene},
};

/// The node ends by itself, and says why and what to do.
async fn fails(cluster: &mut Cluster, victim: &str, from: usize) {
    let node = cluster.node(victim);
    assert_eq!(node.ended().await.code(), Some(1), "{}", node.log().tail(20));
    node.says_from(from, "error: ").await;
    node.says_from(from, "hint: ").await;
    assert!(!node.log().tail(20).contains("panicked"), "{}", node.log().tail(20));
}

/// As much as makes the files of a node grow, whatever they have room for. Each
/// under a key of its own: one that is written again takes the room that it had.
const LARGE_VALUES: usize = 100;

fn large(number: usize) -> String {
    format!("large-{number}")
}

/// What a node says that is about to end.
const FAILED: &str = "storage failed";
/// It says so at once, if at all.
const GRACE: Duration = Duration::from_secs(1);

/// No room is left, and later there is again.
pub(crate) struct Full {
    disks: BTreeMap<String, Small>,
    /// Large values of this round.
    written: usize,
}

impl Full {
    /// A small disk for each node.
    pub(crate) fn mount(cluster: &mut Cluster) -> Self {
        let disk = |node: &Node| (node.name().to_owned(), Small::mount(node.data()));
        Self { disks: cluster.nodes().iter().map(disk).collect(), written: 0 }
    }
}

impl Fault for Full {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        let from = scene.cluster.node(victim).log().len();
        self.disks[victim].fill();
        // What the load needs may find its place in pages that became free.
        let value = scene.cluster.folder().join("large");
        fs::write(&value, vec![b'x'; VALUE_BYTES_MAX]).expect("a file can be made");
        let value = value.to_str().expect("a path that is text");
        self.written = 0;
        while self.written < LARGE_VALUES {
            if scene.cluster.node(victim).log().says(from, "No space left", Duration::ZERO).await {
                break;
            }
            let key = large(self.written);
            self.written += 1;
            // The node that leads may be the one that ends.
            scene.cluster.coffeectl(["set", &key, "--file", value, "--timeout", "3s"]).run().await;
        }
        let node = scene.cluster.node(victim);
        node.says_from(from, "No space left").await;
        // One that has no room for a snapshot stays, and waits for room.
        if node.log().says(from, FAILED, GRACE).await {
            fails(&mut scene.cluster, victim, from).await;
        }
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        let node = scene.cluster.node(victim);
        let from = node.log().len();
        self.disks[victim].clear();
        if node.is_started() {
            node.says_from(from, "a snapshot is installed").await;
        } else {
            node.start().await;
        }
        // Else the next round would find the disks of all nodes full.
        for number in 0..self.written {
            scene.cluster.coffeectl(["del", &large(number)]).run().await;
        }
    }
}

/// The next fsync fails, and the data may be anywhere.
pub(crate) struct FailedSync;

impl Fault for FailedSync {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        let from = scene.cluster.node(victim).log().len();
        let pid = scene.cluster.node(victim).pid().to_string();
        let mut tracer = Command::new("strace");
        tracer.args(["-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"]);
        tracer.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &pid]);
        tracer.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut tracer = tracer.spawn().expect("a tracer");
        fails(&mut scene.cluster, victim, from).await;
        tracer.wait().await.expect("the tracer ends with the process");
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        scene.cluster.node(victim).start().await;
    }
}

/// Disks that lose what was not synced when the power goes.
pub(crate) struct Disks(BTreeMap<String, Ext4>);

impl Disks {
    /// One for each node.
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

/// The power of one node goes.
///
/// The processor stops before the disk does, as it does where the power goes:
/// an fsync during which ext4 is shut down may report success for blocks whose
/// allocation is lost, and nobody must live to hear it.
pub(crate) struct PowerCut(pub(crate) Disks);

impl Fault for PowerCut {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        let node = scene.cluster.node(victim);
        node.signal("STOP").await;
        self.0.0[victim].cut_power();
        node.kill().await;
        self.0.0[victim].power_up();
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        scene.cluster.node(victim).start().await;
    }
}

/// The power of all nodes goes.
pub(crate) struct Blackout(pub(crate) Disks);

impl Fault for Blackout {
    const SPARES_QUORUM: bool = false;

    async fn strike(&mut self, scene: &mut Scene, _: &str) {
        for node in scene.cluster.nodes() {
            node.signal("STOP").await;
        }
        self.0.0.values().for_each(Ext4::cut_power);
        for node in scene.cluster.nodes() {
            node.kill().await;
        }
        self.0.0.values().for_each(Ext4::power_up);
    }

    async fn heal(&mut self, scene: &mut Scene, _: &str) {
        for node in scene.cluster.nodes() {
            node.spawn(&[]);
        }
    }
}
