//! The history of keys: earlier values, who changed them, and listings of one revision.

use std::time::Duration;

use coffee_client::{Client, Consistency, HistoryOptions, KeyRange, PageOptions, Revision};
use coffee_common::{protocol::Role, setting::Setting};
use coffee_tests::cluster::Cluster;
use tokio::time::timeout;

const LONG: usize = 100_000;

/// A client that asks one node alone.
fn client_of(cluster: &Cluster, number: usize) -> Client {
    let endpoint = cluster.addresses().swap_remove(number);
    let client = Client::builder().endpoints([endpoint]).credentials(cluster.credentials(Role::Reader));
    client.follow_leader(false).build().expect("a client")
}

async fn set(client: &Client, key: &str, value: impl Into<bytes::Bytes>) -> Revision {
    client.set(key, value).await.expect("is set").revision
}

#[tokio::test]
async fn every_node_reads_what_was_there_and_who_changed_it() {
    let mut cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer);
    let first = set(&client, "order/1", "latte").await;
    let second = set(&client, "order/1", vec![b'x'; LONG]).await;
    set(&client, "order/2", "tea").await;
    let deleted = client.delete("order/1").await.expect("is deleted").revision;
    let again = set(&client, "order/1", "mocha").await;

    let at = |revision: Revision| format!("{revision}");
    let get =
        async |revision: Revision| cluster.coffeectl(["get", "order/1", "--rev", &at(revision)]).ok().await;
    assert_eq!(get(first).await, "latte");
    assert_eq!(get(second).await, "x".repeat(LONG));
    assert_eq!(get(again).await, "mocha");
    cluster
        .coffeectl(["get", "order/1", "--rev", &at(deleted)])
        .fails(3, "there was no key order/1 at revision ")
        .await;
    cluster.coffeectl(["get", "order/1", "--rev", "1000000"]).fails(2, "has not been reached yet").await;
    let keys =
        async |revision: Revision| cluster.coffeectl(["keys", "order/", "--rev", &at(revision)]).ok().await;
    assert_eq!(keys(first).await, "order/1\n");
    assert_eq!(keys(deleted).await, "order/2\n");
    assert_eq!(keys(again).await, "order/1\norder/2\n");

    // The leader stops, and each of the others knows the same. It is the same after a restart.
    let history = async |client: &Client, limit| {
        let options = HistoryOptions { limit, consistency: Consistency::Local, ..<_>::default() };
        client.history("order/1", options).await.expect("reads")
    };
    let all = history(&client, 0).await;
    let revisions: Vec<_> = all.versions.iter().map(|version| version.revision).collect();
    assert_eq!(revisions, [again, deleted, second, first]);
    assert!(
        all.versions.iter().all(|version| version.author.starts_with("writer ") && version.at_ms.is_some())
    );
    assert_eq!(all.versions[1].entry, None);
    assert!(!all.more);
    client.close().await;
    for number in 0..3 {
        let node = &mut cluster.nodes()[number];
        assert!(node.stop().await.success(), "{}", node.log().tail(20));
        node.start().await;
        let client = client_of(&cluster, number);
        assert_eq!(history(&client, 0).await, all);
        let page = history(&client, 2).await;
        assert_eq!((&page.versions[..], page.more), (&all.versions[..2], true));
        let options = HistoryOptions { before: Some(deleted), ..<_>::default() };
        let rest = client.history("order/1", options).await.expect("reads");
        assert_eq!((&rest.versions[..], rest.more), (&all.versions[2..], false));
        client.close().await;
    }
    let shown = cluster.coffeectl(["history", "order/1"]).ok().await;
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 5, "{shown}");
    assert!(lines[0].starts_with("REVISION") && lines[2].ends_with("(deleted)"), "{shown}");
    let at_none = ["history", "order/1", "--before", &at(Revision(deleted.0 - 1))];
    cluster.coffeectl(at_none).fails(2, "the key was not changed at revision ").await;
    cluster.coffeectl(["history", "nothing"]).fails(3, "no version of key nothing is known").await;
}

#[tokio::test]
async fn a_listing_of_many_pages_is_of_one_revision() {
    let cluster = Cluster::of(1).start().await;
    let client = cluster.client(Role::Writer);
    for n in 0..30 {
        set(&client, &format!("k/{n:02}"), "old").await;
    }
    let options = PageOptions { limit: 10, ..<_>::default() };
    let first = client.range(KeyRange::prefix("k/"), options).await.expect("reads");
    assert!(first.upto.is_some());
    // Meanwhile keys that were not read yet change, are deleted and added.
    set(&client, "k/15", "new").await;
    client.delete("k/20").await.expect("is deleted");
    set(&client, "k/25a", "new").await;
    let (mut entries, mut range) = (first.entries.clone(), KeyRange::prefix("k/"));
    let mut upto = first.upto;
    while let Some(last) = upto {
        range = range.after(&last);
        let page = client.range_at(range.clone(), first.at, options).await.expect("reads");
        entries.extend(page.entries);
        upto = page.upto;
    }
    let names: Vec<_> = entries.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(names, (0..30).map(|n| format!("k/{n:02}")).collect::<Vec<_>>());
    assert!(entries.iter().all(|(_, entry)| entry.value.as_bytes()[..] == b"old"[..]));

    // No range ends a node.
    let backwards = KeyRange::between("k/2", Some(b"k/1"));
    let page = client.range_at(backwards, first.at, options).await.expect("reads");
    assert_eq!((page.entries, page.upto), (Vec::new(), None));
    assert_eq!(client.get("k/00").await.expect("reads").map(|entry| entry.version), Some(1));
    client.close().await;
}

#[tokio::test]
async fn a_compacted_history_says_where_it_begins() {
    let cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Admin);
    let first = set(&client, "order/1", "latte").await;
    let second = set(&client, "order/1", "mocha").await;
    let third = set(&client, "order/1", "tea").await;
    let floor = format!("{second}");
    cluster.coffeectl(["compact", &floor]).fails(8, "confirmation is missing").await;
    let compacted = cluster.coffeectl(["compact", &floor, "--yes"]).ok().await;
    assert_eq!(compacted, format!("the history begins at revision {second}\n"));
    let again = cluster.coffeectl(["compact", &format!("{first}"), "-o", "plain", "--yes"]).ok().await;
    assert_eq!(again, format!("{second}\n"), "it does not come back");
    cluster
        .coffeectl(["get", "order/1", "--rev", &format!("{first}")])
        .fails(3, &format!("the history begins at revision {second}"))
        .await;
    cluster
        .coffeectl(["keys", "--rev", &format!("{first}")])
        .fails(3, &format!("the history begins at revision {second}"))
        .await;
    assert_eq!(cluster.coffeectl(["get", "order/1", "--rev", &floor]).ok().await, "mocha");
    let history = client.history("order/1", HistoryOptions::default()).await.expect("reads");
    let revisions: Vec<_> = history.versions.iter().map(|version| version.revision).collect();
    assert_eq!(revisions, [third, second]);
    cluster.coffeectl(["compact", "1000000", "--yes"]).fails(2, "has not been reached yet").await;
    client.close().await;

    let writer = cluster.client(Role::Writer);
    let denied = writer.compact(third).await.expect_err("only an admin may");
    assert!(matches!(denied, coffee_client::Error::Denied(_)), "{denied:?}");
    writer.close().await;
}

#[tokio::test]
async fn a_lower_limit_drops_what_exceeds_it() {
    let cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Admin);
    let first = set(&client, "menu", vec![b'x'; LONG]).await;
    for _ in 0..60 {
        set(&client, "menu", vec![b'y'; LONG]).await;
    }
    let at_first = async || client.get_at("menu", first, Consistency::Linearizable).await;
    assert_eq!(at_first().await.expect("is kept").entry.expect("was there").modified, first);
    client.set_setting(Setting::HistoryBytesMax(1 << 20)).await.expect("is changed");
    // Each read is a round of the cluster.
    let dropped = async { while at_first().await.is_ok() {} };
    timeout(Duration::from_secs(60), dropped).await.expect("the oldest part is dropped");
    let error = at_first().await.expect_err("is dropped");
    assert!(matches!(error, coffee_client::Error::Compacted { .. }), "{error:?}");
    client.close().await;
}
