//! Transactions, counters and ranges that are deleted, over real nodes.

use std::time::Duration;

use coffee_client::{
    Client, Error, KeyRange, Relation, StepResult, TransactionFailure, Txn, TxnResult, TxnStep,
};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;

fn text(result: &StepResult) -> Option<&str> {
    match result {
        StepResult::Entry(Some(entry)) => std::str::from_utf8(entry.value.as_bytes()).ok(),
        _ => None,
    }
}

async fn number(client: &Client, key: &str) -> i64 {
    let entry = client.get(key).await.expect("reads").expect("is there");
    std::str::from_utf8(entry.value.as_bytes()).expect("text").parse().expect("a number")
}

/// A client that asks one node alone.
fn client_of(cluster: &Cluster, number: usize) -> Client {
    let endpoint = cluster.addresses().swap_remove(number);
    let client = Client::builder().endpoints([endpoint]).credentials(cluster.credentials(Role::Writer));
    client.follow_leader(false).build().expect("a client")
}

fn take_order(name: &str) -> Txn {
    Txn::new()
        .when_value("shop", Relation::Equal, "open")
        .then(TxnStep::get("shop"))
        .then(TxnStep::add("orders/count", 1))
        .then(TxnStep::set(format!("orders/{name}"), "latte"))
        .then(TxnStep::set("shop", "busy"))
        .then(TxnStep::get("shop"))
        .then(TxnStep::range(KeyRange::prefix("orders/"), 0))
        .then(TxnStep::set("shop", "open"))
        .otherwise(TxnStep::get("opens"))
}

/// Whichever node is asked, it answers the same, to a retry too.
#[tokio::test]
async fn every_node_answers_a_transaction_with_what_it_has_read() {
    let cluster = Cluster::of(3).start().await;
    let admin = cluster.client(Role::Writer);
    admin.set("opens", "at eight").await.expect("is set");
    let mut orders = Vec::new();
    for number in 0..3 {
        let client = client_of(&cluster, number);
        let closed = client.txn(take_order("none")).await.expect("takes effect");
        assert_eq!((closed.succeeded, closed.results.len()), (false, 1));
        assert_eq!(text(&closed.results[0]), Some("at eight"));
        admin.set("shop", "open").await.expect("is set");

        let request = client.new_request_id().await.expect("draws");
        let name = format!("n{number}");
        let done = client.txn_again(request, take_order(&name)).await.expect("takes effect");
        orders.push(format!("orders/{name}"));
        check_order(&done, &orders);
        admin.set("orders/later", "tea").await.expect("is set");
        for other in 0..3 {
            let other = client_of(&cluster, other);
            assert_eq!(other.txn_again(request, take_order(&name)).await, Ok(done.clone()));
            other.close().await;
        }
        let reused = client.txn_again(request, take_order("other")).await;
        assert_eq!(reused, Err(Error::RequestIdReused));
        admin.delete("orders/later").await.expect("is deleted");
        admin.set("shop", "closed").await.expect("is set");
        client.close().await;
    }
    assert_eq!(number(&admin, "orders/count").await, 3);
    admin.close().await;
}

fn check_order(done: &TxnResult, orders: &[String]) {
    assert!(done.succeeded);
    assert_eq!(text(&done.results[0]), Some("open"));
    assert_eq!(done.results[1], StepResult::Added(orders.len() as i64));
    assert_eq!(text(&done.results[4]), Some("busy"), "a step sees those before it");
    let StepResult::Page { entries, upto: None } = &done.results[5] else { panic!("{done:?}") };
    let names: Vec<_> = entries.iter().filter_map(|(key, _)| key.as_text()).collect();
    let known = std::iter::once("orders/count").chain(orders.iter().map(String::as_str));
    assert_eq!(names, known.collect::<Vec<_>>());
    let newest = entries.last().map(|(_, entry)| (entry.modified, entry.version));
    assert_eq!(newest, Some((done.revision, 1)));
}

/// Many clients count at once, through all nodes, while the leader is killed.
#[tokio::test]
async fn a_counter_misses_nothing_and_counts_nothing_twice() {
    let mut cluster = Cluster::of(3).start().await;
    let clients: Vec<_> =
        (0..6).map(|_| cluster.client(Role::Writer).with_timeout(Duration::from_secs(30))).collect();
    let count = |client: Client| async move {
        let mut sums = Vec::new();
        for _ in 0..60 {
            sums.push(client.add("count", 1).await.expect("is added"));
        }
        client.close().await;
        sums
    };
    let counting: Vec<_> = clients.into_iter().map(|client| tokio::spawn(count(client))).collect();
    let watcher = cluster.client(Role::Reader);
    while watcher.get("count").await.expect("reads").is_none_or(|entry| entry.version < 100) {}
    let leader = cluster.leader().await;
    cluster.node(&leader).kill().await;
    let mut sums = Vec::new();
    for counting in counting {
        let own = counting.await.expect("ends");
        assert!(own.is_sorted_by(|one, next| one < next), "{own:?}");
        sums.extend(own);
    }
    sums.sort_unstable();
    assert_eq!(sums, (1..=360).collect::<Vec<_>>());
    assert_eq!(number(&watcher, "count").await, 360);

    let bounded = watcher.add_within("count", 1, 0..=360).await;
    assert!(matches!(bounded, Err(Error::Denied(_))), "{bounded:?}");
    watcher.close().await;
    let writer = cluster.client(Role::Writer);
    let bounded = writer.add_within("count", 1, 0..=360).await;
    let why = TransactionFailure::OutOfBounds(360);
    assert!(
        matches!(&bounded, Err(Error::TransactionFailed { why: found, .. }) if *found == why),
        "{bounded:?}"
    );
    writer.set("count", "three").await.expect("is set");
    cluster
        .coffeectl(["incr", "count"])
        .fails(1, "step 1: the value is not a number; nothing was changed")
        .await;
    writer.close().await;
}

#[tokio::test]
async fn a_prefix_is_deleted_whatever_its_length() {
    let cluster = Cluster::of(1).start().await;
    let lines: String = (0..2500).map(|n| format!("set tmp/{n:04} x\n")).collect();
    cluster.coffeectl(["batch", "-"]).stdin(lines).ok().await;
    cluster.coffeectl(["set", "tmq", "kept"]).ok().await;
    assert_eq!(cluster.coffeectl(["del", "tmp/", "--prefix"]).ok().await, "2500 keys deleted\n");
    assert_eq!(cluster.coffeectl(["keys"]).ok().await, "tmq\n");
    assert_eq!(cluster.coffeectl(["del", "tmp/", "--prefix"]).ok().await, "0 keys deleted\n");
    let txn = "if\nempty tmp/\nthen\ndel tmq\nadd n 5\nkeys t\n";
    let said = cluster.coffeectl(["txn", "-", "-o", "plain"]).stdin(txn).ok().await;
    let lines: Vec<&str> =
        said.lines().skip(1).map(|line| line.split('\t').next().expect("a field")).collect();
    assert_eq!(lines, ["del", "add"], "no key is left to list: {said}");
    assert_eq!(cluster.coffeectl(["next-id", "n"]).ok().await, "6\n");
    assert_eq!(cluster.coffeectl(["incr", "n", "--by", "-10", "--min", "-4"]).ok().await, "-4\n");
}
