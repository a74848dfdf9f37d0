//! What happens to disks: they fill up, fail, and lose power.
//!
//! A node whose disk fails ends with the cause and a hint, and goes on where
//! it was once the disk is well again.

use std::{collections::BTreeMap, process::Stdio};

use coffee_tests::cluster::Cluster;
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

/// No room is left, and later there is again.
pub(crate) struct Full(pub(crate) BTreeMap<String, Small>);

impl Full {
    /// A small disk for each node.
    pub(crate) fn mount(cluster: &mut Cluster) -> Self {
        Self(cluster.nodes().iter().map(|node| (node.name().to_owned(), Small::mount(node.data()))).collect())
    }
}

impl Fault for Full {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        let from = scene.cluster.node(victim).log().len();
        self.0[victim].fill();
        fails(&mut scene.cluster, victim, from).await;
    }

    async fn heal(&mut self, scene: &mut Scene, victim: &str) {
        self.0[victim].clear();
        scene.cluster.node(victim).start().await;
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
pub(crate) struct PowerCut(pub(crate) Disks);

impl Fault for PowerCut {
    async fn strike(&mut self, scene: &mut Scene, victim: &str) {
        self.0.0[victim].cut_power();
        scene.cluster.node(victim).kill().await;
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
