//! Whole nodes, each in its own thread and runtime, so that one can die like a process:
//! without closing its connections.

use std::{sync::mpsc, thread::JoinHandle, time::Duration};

use coffee_client::{Address, Client, ClusterName, CredentialFiles, NodeName, cert::Ca};
use coffee_common::protocol::{NodeState, Role};
use coffeed::{Config, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A cluster in this process.
pub(crate) struct ThreadedCluster {
    ca: Ca,
    folder: TempDir,
    nodes: Vec<ThreadedNode>,
    client: Option<Client>,
}

struct ThreadedNode {
    name: NodeName,
    address: Address,
    kill: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

impl ThreadedCluster {
    /// Starts nodes of these names, and waits until all vote.
    pub(crate) async fn of(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cluster = Self {
            ca: Ca::create(&ClusterName::default()).expect("a CA"),
            folder,
            nodes: Vec::new(),
            client: None,
        };
        for name in names {
            let node = cluster.start(name);
            cluster.nodes.push(node);
        }
        let addresses = cluster.nodes.iter().map(|node| node.address.clone());
        let credentials = cluster.ca.credentials(Role::Admin, &name("tester")).expect("credentials");
        let client = Client::builder().endpoints(addresses).credentials(credentials).build().expect("builds");
        cluster.client = Some(client.clone());
        for node in cluster.nodes.iter().skip(1) {
            client.boot(node.name.clone(), None).await.expect("it is admitted");
        }
        cluster.until_all_vote(&client).await;
        cluster
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone().expect("set up")
    }

    /// Kills the leader.
    pub(crate) async fn kill_leader(&mut self) {
        let leader = self.client().cluster().await.expect("lists").leader.expect("there is a leader");
        let node = self.nodes.iter_mut().find(|node| node.name == leader).expect("one of ours");
        node.kill();
    }

    fn start(&self, name_text: &str) -> ThreadedNode {
        let node = name(name_text);
        let files = CredentialFiles::new("unused", "unused", "unused");
        let mut config =
            Config::new(node.clone(), ([127, 0, 0, 1], 0).into(), self.folder.path().join(name_text), files);
        let first = self.nodes.is_empty();
        config.join = self.nodes.iter().map(|node| node.address.clone()).collect();
        let credentials = self.ca.credentials(Role::Node, &node).expect("credentials");
        let (kill, killed) = oneshot::channel::<()>();
        let (ready, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
            runtime.block_on(async {
                let server = Server::builder(config).credentials(credentials).start().await.expect("starts");
                if first {
                    server.found().await.expect("it is the first");
                }
                ready.send(server.advertised().clone()).expect("the receiver waits");
                // Fails when the node is dropped, which ends it as well.
                let _ = killed.await;
                std::mem::forget(server);
            });
            runtime.shutdown_background();
        });
        let address = address.recv().expect("starts");
        ThreadedNode { name: node, address, kill: Some(kill), thread: Some(thread) }
    }

    async fn until_all_vote(&self, client: &Client) {
        let all = async {
            loop {
                let view = client.cluster().await.expect("lists");
                let up = view.nodes.iter().filter(|node| node.state == NodeState::Up).count();
                if view.voters as usize == self.nodes.len() && up == self.nodes.len() && !view.joint {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            tokio::time::timeout(Duration::from_secs(20), all).await.is_ok(),
            "not all nodes became voters"
        );
    }
}

impl ThreadedNode {
    fn kill(&mut self) {
        drop(self.kill.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the node did not panic");
        }
    }
}

impl Drop for ThreadedCluster {
    fn drop(&mut self) {
        self.nodes.iter_mut().for_each(ThreadedNode::kill);
    }
}
