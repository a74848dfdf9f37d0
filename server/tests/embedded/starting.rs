//! Conditions under which a node refuses to start, and its reasons.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use coffee_common::{
    id::NodeId,
    protocol::{LifecyclePhase, NodeState, Role},
};
use coffeed::{
    Config, Server, StartError,
    storage::state::{Databases, StateDir, StateFiles},
};
use redb::StorageBackend;

use crate::support::{EmbeddedCluster, address, name, until_voter};

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_start_under_another_identity() {
    let cluster = EmbeddedCluster::new();
    for (role, who) in [(Role::Node, "peng"), (Role::Admin, "hong")] {
        let builder = Server::builder(cluster.config("hong")).credentials(cluster.credentials(role, who));
        let error = builder.start().await.err().expect("is refused");
        assert!(matches!(error, StartError::Credentials(_)), "{error}");
        assert!(error.hint().contains("coffeectl cert node hong"), "{}", error.hint());
    }
    assert!(!cluster.data_dir("hong").join("identity.toml").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_and_port_are_for_one() {
    let cluster = EmbeddedCluster::new();
    let hong = cluster.waiting("hong").await;
    let error = cluster.try_start(cluster.config("hong")).await.err().expect("the data is in use");
    assert!(matches!(error, StartError::DataDir(_)), "{error}");
    let config = Config { listen: hong.address(), ..cluster.config("peng") };
    let error = cluster.try_start(config).await.err().expect("the port is in use");
    assert!(matches!(error, StartError::Endpoint(_)), "{error}");
    let other = Config { name: name("peng"), ..cluster.config("hong") };
    hong.shutdown().await;
    drop(hong);
    let ming = cluster.founder("hong").await;
    ming.shutdown().await;
    drop(ming);
    let error = cluster.try_start(other).await.err().expect("another node's data");
    assert!(matches!(error, StartError::DataDir(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_founder_that_is_asked_again_keeps_its_cluster() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let id = ming.status().raft.expect("takes part").cluster;
    ming.shutdown().await;
    drop(ming);
    let ming = cluster.founder("ming").await;
    assert_eq!(ming.status().raft.expect("takes part").cluster, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_shut_down_waits_and_does_not_found_a_second_cluster() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let hong = cluster.waiting("hong").await;
    let client = cluster.client(&[&ming, &hong]);
    client.boot(name("hong"), Some(address(&hong))).await.expect("is booted");
    client.down(Some(name("ming")), false).await.expect("is shut down");
    ming.closed().await;
    drop(ming);
    let ming = cluster.waiting("ming").await;
    assert_eq!(ming.status().phase, LifecyclePhase::Waiting);
    let refused = ming.found().await.expect_err("it was a member");
    assert!(refused.to_string().contains("founds no other one"), "{refused}");
    assert_eq!(ming.status().phase, LifecyclePhase::Waiting);
}

/// A disk that takes as long as the test wants to open the data, and then fails.
#[derive(Debug)]
struct SlowDisk {
    opens: mpsc::Sender<()>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Databases for SlowDisk {
    fn log(&self, _: NodeId) -> io::Result<Box<dyn StorageBackend>> {
        Err(io::Error::other("the test is over"))
    }

    fn state(&self, _: NodeId) -> Arc<dyn StateFiles> {
        self.opens.send(()).expect("the test waits for it");
        let released = self.released.lock().expect("not poisoned");
        released.recv_timeout(Duration::from_secs(60)).expect("the test releases it");
        Arc::new(StateDir::new("/nonexistent/state.redb"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_member_that_opens_its_data_is_starting_and_does_not_wait_to_be_booted() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let hong = cluster.joining("hong", &ming).await;
    until_voter(&hong).await;
    let at = address(&hong);
    hong.shutdown().await;
    drop(hong);

    let ((opens, opened), (release, released)) = (mpsc::channel(), mpsc::channel());
    let disk = Arc::new(SlowDisk { opens, released: Mutex::new(released) });
    let config = Config { listen: at.as_str().parse().expect("an IP address"), ..cluster.config("hong") };
    let starting = tokio::spawn(cluster.builder(config).databases(disk).start());
    tokio::task::spawn_blocking(move || opened.recv()).await.expect("no panic").expect("it opens");

    let client = cluster.client_at(&ming);
    let view = client.cluster().await.expect("answers");
    let node = view.nodes.iter().find(|node| node.name == name("hong")).expect("is listed");
    assert_eq!(node.state, NodeState::Starting, "{view:#?}");
    let asked = client.at(at).expect("a client");
    assert_eq!(asked.status().await.expect("answers").phase, LifecyclePhase::Opening);
    let view = asked.cluster().await.expect("answers");
    assert_eq!(view.nodes[0].state, NodeState::Starting, "{view:#?}");
    let error = asked.with_timeout(Duration::from_millis(300)).get("order/1").await.expect_err("is not open");
    assert!(!error.to_string().contains("boot"), "{error}");

    release.send(()).expect("it waits");
    assert!(starting.await.expect("no panic").is_err(), "the disk fails");
}
