//! Writes and reads end to end.

use coffee_common::protocol::{Consistency, LifecyclePhase};
use coffeed::Closed;

use crate::support::{EmbeddedCluster, address, until_voter};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_one_takes_orders() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let client = cluster.client(&[&ming]);
    let written = client.set("order/1", "latte").await.expect("is written");
    let entry = client.get("order/1").await.expect("is read").expect("is there");
    assert_eq!((entry.value.as_bytes().as_ref(), entry.modified), (&b"latte"[..], written.revision));
    let local = client.get_with("order/1", Consistency::Local).await.expect("is read");
    assert_eq!(local.entry, Some(entry));
    assert_eq!(client.status().await.expect("answers").phase, LifecyclePhase::Running);
    assert_eq!(ming.shutdown().await, Closed::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_takes_any_verb() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let hong = cluster.joining("hong", &ming).await;
    let peng = cluster.joining("peng", &hong).await;
    for node in [&hong, &peng] {
        until_voter(node).await;
    }
    for (n, node) in [&ming, &hong, &peng].into_iter().enumerate() {
        let client = cluster.client_at(node);
        let key = format!("order/{n}");
        client.set(key.clone(), "latte").await.expect("is written");
        for other in [&ming, &hong, &peng] {
            let entry = cluster.client_at(other).get(key.clone()).await.expect("is read");
            assert!(entry.is_some(), "{key} is not visible at {}", address(other));
        }
    }
    for node in [ming, hong, peng] {
        assert_eq!(node.shutdown().await, Closed::Stopped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_acknowledged() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let at = address(&ming);
    let client = cluster.client(&[&ming]);
    client.set("order/1", "latte").await.expect("is written");
    assert_eq!(ming.shutdown().await, Closed::Stopped);
    drop(ming);
    let ming = cluster.again("ming", &at).await;
    let entry = cluster.client(&[&ming]).get("order/1").await.expect("is read").expect("is there");
    assert_eq!(entry.value.as_bytes().as_ref(), b"latte");
    ming.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_node_is_booted() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let hong = cluster.waiting("hong").await;
    assert_eq!(hong.status().phase, LifecyclePhase::Waiting);
    let client = cluster.client(&[&ming]);
    let hong_name = "hong".parse().expect("legal");
    let booted = client.boot(hong_name, Some(address(&hong))).await.expect("is booted");
    assert!(booted.changed);
    until_voter(&hong).await;
    let view = client.cluster().await.expect("is listed");
    assert_eq!((view.voters, view.voters_in_reach, view.may_lose), (2, 2, 0));
    for node in [hong, ming] {
        assert_eq!(node.shutdown().await, Closed::Stopped);
    }
}
