//! A node whose state is valid but differs from the others' stops serving.

use std::path::Path;

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    id::Revision,
    key::{Key, Value},
    limits::REQUEST_MEMORY_MAX,
};
use coffee_tests::cluster::Cluster;
use coffeed::kv::{self, DbSnapshot, RequestMemory, Store, Tables};
use redb::{Database, ReadableDatabase};

use crate::support::refusal::refuses;

/// More entries than the interval between two digests.
const ORDERS: usize = 130;

/// Applies a change that is in no log entry.
fn go_astray(state: &Path) {
    let database = Database::open(state).expect("it is not in use");
    let snapshot = DbSnapshot::open(&database.begin_read().expect("begins")).expect("opens");
    let mut store = Store::over(snapshot);
    let key = Key::new("order/0").expect("legal");
    let Revision(set_at) = store.get(&key).expect("reads").expect("it is set").modified;
    let mut memory = RequestMemory::load(&store, REQUEST_MEMORY_MAX).expect("loads");
    let mut tables = Tables::open(&mut store, &mut memory).expect("opens");
    let set = Operation::Set(key, Value::new("tea").expect("legal"));
    let proposal = Proposal {
        request: None,
        proposed_at_ms: 0,
        command: Command::Batch(Batch::of(set).into()),
        author: String::new(),
    };
    kv::apply(&mut tables, Revision(set_at + 1), &proposal).expect("applies");
    tables.finish();
    let transaction = database.begin_write().expect("begins");
    store.seal();
    store.sealed().expect("something changed").flush(&transaction).expect("flushes");
    transaction.commit().expect("commits");
}

#[tokio::test]
async fn a_node_that_went_astray_takes_itself_out() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/0", "latte"]).ok().await;
    cluster.node("hong").stop().await;
    go_astray(&cluster.node("hong").data().join("state.redb"));
    let hong = cluster.node("hong");
    let from = hong.log().len();
    hong.start().await;
    for order in 1..ORDERS {
        cluster.coffeectl_via("ming", ["set", &format!("order/{order}"), "latte"]).ok().await;
    }
    let hong = cluster.node("hong");
    let status = hong.ended().await;
    assert_eq!(status.code(), Some(2), "{}", hong.log().tail(20));
    hong.says_from(from, "differs from the state of most other nodes").await;
    // It never serves from that state again.
    refuses(hong, 2, "state.redb").await;
    assert_eq!(cluster.coffeectl_via("ming", ["get", "order/0"]).ok().await, "latte");
}
