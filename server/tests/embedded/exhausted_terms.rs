//! A node whose vote is for the last term there is: no election is possible any more.

use coffee_common::id::NodeId;
use coffeed::{
    raft_types::{Member, Vote},
    storage::{
        durable_index::DurableIndex,
        log::LogStore,
        poison::Poison,
        record::{LeaderRecord, VoteRecord},
        recover::recover,
    },
};
use openraft::storage::RaftLogStorage;

use crate::support::{EmbeddedCluster, address, name, until_voter};

/// Saves a vote for the last term in the log of a node that is not running.
async fn exhaust(log: &std::path::Path) {
    let mut log = LogStore::open(log, DurableIndex::new(), Poison::new()).expect("opens");
    let leader = LeaderRecord { term: u64::MAX, node: NodeId(999_999) };
    log.save_vote(&Vote::from(VoteRecord { leader, committed: true })).await.expect("saved");
    log.close().await.expect("closes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_begins_with_a_term_that_can_be_followed() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    cluster.client(&[&ming]).set("order/1", "latte").await.expect("written");
    let member = Member { name: name("ming"), address: address(&ming) };
    ming.shutdown().await;
    drop(ming);
    let folder = cluster.data_dir("ming");
    exhaust(&folder.join("log.wal")).await;
    recover(&folder, &member).await.expect("recovers");
    let ming = cluster.again("ming", &member.address).await;
    until_voter(&ming).await;
    let client = cluster.client(&[&ming]);
    assert!(client.get("order/1").await.expect("there is a leader").is_some(), "nothing is lost");
    client.set("order/1", "mocha").await.expect("written");
}
