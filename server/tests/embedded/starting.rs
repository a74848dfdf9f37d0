//! Conditions under which a node refuses to start, and its reasons.

use coffee_common::protocol::{LifecyclePhase, Role};
use coffeed::{Config, Server, StartError};

use crate::support::{EmbeddedCluster, address, name};

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
    let ming = Config { bootstrap: true, ..cluster.config("hong") };
    let ming = cluster.try_start(ming).await.expect("the data is free again");
    ming.shutdown().await;
    drop(ming);
    let error = cluster.try_start(other).await.err().expect("another node's data");
    assert!(matches!(error, StartError::DataDir(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bootstrap_continues_the_first_cluster() {
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
    let config = Config { bootstrap: true, ..cluster.config("ming") };
    let ming = cluster.try_start(config).await.expect("waits for a call");
    assert_eq!(ming.status().phase, LifecyclePhase::Waiting);
}
