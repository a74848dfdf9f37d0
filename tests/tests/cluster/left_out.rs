//! A node that was forgotten when its cluster was restored: it runs on with the old data.

use std::time::Duration;

use coffee_tests::{
    cluster::{Cluster, Host},
    coffeectl::{Coffeectl, CoffeectlOutput},
};
use tokio::{
    net::UnixDatagram,
    time::{Instant, timeout},
};

use crate::support::coffeed::{coffeed, word_after};

const PATIENCE: Duration = Duration::from_secs(20);

/// Restores ming from a backup and rebuilds hong. peng starts again with its old data, as it
/// would after a reboot. Returns the ids of the old and the new cluster.
async fn restored_without_peng(cluster: &mut Cluster) -> (String, String) {
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let backup = format!("{}/0.backup", cluster.folder().display());
    cluster.coffeectl(["backup", &backup]).ok().await;
    cluster.coffeectl(["set", "order/2", "mocha"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let old = cluster.json(["list"]).await["cluster"].as_str().expect("an id").to_owned();
    for node in ["ming", "hong", "peng"] {
        cluster.node(node).stop().await;
    }
    let ming = cluster.node("ming");
    ming.wipe();
    let said = coffeed(ming, &["restore", &backup]).await.ok();
    let new = word_after(&said, "--cluster").to_owned();
    ming.start().await;
    let from = ming.address().to_string();
    coffeed(cluster.node("hong"), &["rebuild", "--cluster", &new, "--from", &from]).await.ok();
    cluster.node("hong").start().await;
    cluster.coffeectl_via("ming", ["boot", "hong"]).ok().await;
    let from = cluster.node("peng").log().len();
    cluster.node("peng").start().await;
    cluster.node("peng").says_from(from, "replica opened").await;
    (old, new)
}

fn rebuild(new: &str, address: &str) -> String {
    format!("coffeed --config FILE rebuild --cluster {new} --from {address}")
}

/// Runs a command and asserts that it is refused at once, with these words on standard error.
async fn refused_at_once(command: Coffeectl, saying: &[&str]) {
    let began = Instant::now();
    let ended: CoffeectlOutput = command.run().await;
    assert_eq!(ended.code, Some(8), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}: {ended}", began.elapsed());
    for words in saying {
        assert!(ended.stderr.contains(words), "{words:?} is missing: {ended}");
    }
    ended.assert_errors_are_for_people();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_cluster_names_it_and_its_way_back() {
    let mut cluster = Cluster::of(3).start().await;
    let (old, new) = restored_without_peng(&mut cluster).await;
    let ming = cluster.node("ming").address().to_string();
    // Ends once ming has reached peng.
    cluster
        .coffeectl_via("ming", ["wait", "--for", "voter", "--node", "peng"])
        .fails(8, "another cluster")
        .await;
    let listed = cluster.coffeectl_via("ming", ["list"]).run().await;
    let row = listed.stdout().lines().find(|line| line.starts_with("peng ")).expect("listed").to_owned();
    assert!(row.contains("other cluster"), "{listed}");
    assert!(listed.stderr.contains(&old) && listed.stderr.contains(&rebuild(&new, &ming)), "{listed}");
    let json = cluster.coffeectl_via("ming", ["list", "-o", "json"]).ok().await;
    assert!(json.contains(&format!("\"other_cluster\":\"{old}\"")), "{json}");

    let via = |words: &[&'static str]| cluster.coffeectl_via("ming", words.iter().copied());
    let way_back = rebuild(&new, &ming);
    refused_at_once(via(&["wait", "--for", "synced"]), &["peng", &old, &way_back]).await;
    refused_at_once(via(&["boot", "peng"]), &["peng belongs to cluster", &way_back]).await;
    refused_at_once(via(&["down", "peng", "--yes"]), &["peng runs", &old]).await;
    via(&["wait", "--for", "synced", "--node", "hong"]).ok().await;
    via(&["wait", "--for", "quorum"]).ok().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_itself_notices_and_serves_no_old_data() {
    let mut cluster = Cluster::of(3).start().await;
    let (_, new) = restored_without_peng(&mut cluster).await;
    let log = cluster.node("peng").log().clone();
    assert!(log.says(0, "left out of a restore", PATIENCE).await, "{}", log.tail(20));
    assert!(log.tail(usize::MAX).lines().any(|line| line.contains("WARN") && line.contains(&new)));

    let local = ["get", "order/2", "--consistency", "local"];
    refused_at_once(cluster.coffeectl_via("peng", local), &["peng was left out", &new, "rebuild"]).await;
    refused_at_once(cluster.coffeectl_via("peng", ["set", "order/3", "tea"]), &["peng was left out"]).await;
    let listed = cluster.coffeectl_via("peng", ["list"]).run().await;
    assert_eq!(listed.stdout().matches("other cluster").count(), 2, "{listed}");
    // A client that knows all nodes is served by the new cluster, even if it meets peng first.
    let peng = cluster.node("peng").address();
    let ming = cluster.node("ming").address();
    let endpoints = format!("{peng},{ming}");
    let all = |words: [&'static str; 4]| cluster.coffeectl(words).env("COFFEECTL_ENDPOINTS", &endpoints);
    all(["get", "order/2", "--consistency", "local"]).fails(3, "no key order/2").await;
    assert_eq!(all(["get", "order/1", "--consistency", "local"]).ok().await, "latte");

    // Rebuilt as the hint says, it serves again.
    cluster.node("peng").stop().await;
    coffeed(cluster.node("peng"), &["rebuild", "--cluster", &new, "--from", ming.as_str()]).await.ok();
    cluster.node("peng").start().await;
    cluster.coffeectl_via("ming", ["boot", "peng"]).ok().await;
    cluster.coffeectl_via("ming", ["wait", "--for", "synced"]).ok().await;
    cluster.coffeectl_via("peng", ["get", "order/2", "--consistency", "local"]).fails(3, "").await;
}

/// Its service manager is told, and so is an operator who asks it for its status.
#[tokio::test(flavor = "multi_thread")]
async fn its_status_says_so_and_names_the_way_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).expect("bound");
    // All the time: the queue of such a socket is short.
    let told = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        loop {
            let length = systemd.recv(&mut bytes).await.expect("readable");
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if message.starts_with("STATUS=left out") {
                return message;
            }
        }
    });
    let under = vec!["env".to_owned(), format!("NOTIFY_SOCKET={}", path.display())];
    let hosts = vec![Host::default(), Host::default(), Host { under, ..Host::default() }];
    let mut cluster = Cluster::of(3).on(hosts).start().await;
    let (_, new) = restored_without_peng(&mut cluster).await;

    let told = timeout(PATIENCE, told).await.expect("the service manager is told").expect("it is read");
    assert!(told.contains(&format!("rebuild --cluster {new} --from ")), "{told}");
    let status = cluster.coffeectl_via("peng", ["status"]).run().await;
    assert_eq!(status.code, Some(0), "{status}");
    assert!(status.stdout().contains(" left out "), "{status}");
    for words in ["peng was left out of a restore", &new, "rebuild"] {
        assert!(status.stderr.contains(words), "{words:?} is missing: {status}");
    }
    let page = cluster.coffeectl_via("peng", ["status", "--verbose"]).ok().await;
    assert!(page.contains(&format!("its peers are in another cluster, {new}")), "{page}");
    let json = cluster.coffeectl_via("peng", ["status", "-o", "json"]).ok().await;
    assert!(json.contains(&format!("\"left_out\":{{\"cluster\":\"{new}\"")), "{json}");
}
