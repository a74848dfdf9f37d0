//! Backups, and restores from them.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use coffee_client::{Consistency, KeyRange, PageOptions, Revision};
use coffee_common::{backup::Unpacker, protocol::Role};
use coffee_tests::{
    cluster::Cluster,
    load::{Load, LoadOptions, WriteRecord},
};

use crate::support::{
    coffeed::{coffeed, word_after},
    refusal::is_kept_out,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Added to the revision by a restore.
const AHEAD: u64 = 1_000_000_000;

async fn verified(cluster: &Cluster, file: &str) -> serde_json::Value {
    cluster.json(["backup", "verify", file]).await
}

/// The last counter acknowledged up to revision `at`, and its revision, by key.
fn history(record: &WriteRecord, at: Revision) -> BTreeMap<String, (u64, Revision)> {
    let last = |writer: &coffee_tests::load::WriterRecord| {
        let before = writer.acknowledged.iter().rfind(|write| write.revision <= at)?;
        Some((writer.key.clone(), (before.counter, before.revision)))
    };
    record.writers.iter().filter_map(last).collect()
}

/// The same, read from the cluster.
async fn kept(cluster: &Cluster, prefix: &str) -> BTreeMap<String, (u64, Revision)> {
    let client = cluster.client(Role::Reader).with_timeout(PATIENCE);
    let options = PageOptions { limit: 0, keys_only: false, consistency: Consistency::Linearizable };
    let page = client.range(KeyRange::prefix(prefix), options).await.expect("it can be read");
    assert!(page.upto.is_none(), "the test reads one page");
    let counter = |value: &[u8]| String::from_utf8_lossy(value).trim().parse::<u64>().expect("a counter");
    page.entries
        .into_iter()
        .map(|(key, entry)| {
            assert_eq!(counter(entry.value.as_bytes()), entry.version, "a write is lost or was done twice");
            (key.to_string(), (entry.version, entry.modified))
        })
        .collect()
}

/// Starts a node alone on its restored data.
async fn goes_on(cluster: &mut Cluster, node: &str) {
    cluster.node(node).start().await;
    cluster.coffeectl_via(node, ["wait", "--for", "leader", "--node", node]).ok().await;
}

/// Under load, each backup is a state as of one entry, from whichever node it is taken,
/// and contains every write acknowledged before. A restored cluster has exactly that
/// state, continues with higher revisions, and does not mix with the old nodes.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_moment_and_comes_back_as_it_was() {
    let mut cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(20));
    let options = LoadOptions { writers: 16, value_bytes: 5_000, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    let reader = cluster.client(Role::Reader).with_timeout(PATIENCE);
    let mut revisions = Vec::new();
    for (n, node) in ["ming", "hong", "peng"].into_iter().enumerate() {
        assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
        let page = reader.range(KeyRange::prefix("load/"), PageOptions::default()).await;
        let before = page.expect("it can be read").at;
        let path = file_of(&cluster, n);
        cluster.coffeectl_via(node, ["backup", &path]).ok().await;
        let described = verified(&cluster, &path).await;
        assert_eq!(described["node"], node, "{described}");
        let revision = Revision(described["revision"].as_u64().expect("a number"));
        assert!(revision >= before, "it holds what was acknowledged before: {revision} and {before}");
        revisions.push(revision);
    }
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
    let record = load.stop().await;
    assert!(revisions.is_sorted(), "{revisions:?}");

    for node in ["ming", "hong", "peng"] {
        cluster.node(node).stop().await;
    }
    let old_data = cluster.folder().join("old-data");
    for (n, revision) in revisions.into_iter().enumerate() {
        let backup = file_of(&cluster, n);
        let ming = cluster.node("ming");
        fs::rename(ming.data(), old_data.with_extension(n.to_string())).expect("moved away");
        let said = coffeed(ming, &["restore", &backup]).await.ok();
        assert!(said.contains("ming is the only member of the new cluster"), "{said}");
        goes_on(&mut cluster, "ming").await;
        assert_eq!(kept(&cluster, "load/").await, history(&record, revision), "backup {n}");
        let set = cluster.json(["set", "order/1", "latte"]).await;
        assert!(set["revision"].as_u64().expect("a number") > revision.0 + AHEAD, "{set}");
        cluster.node("ming").stop().await;
    }
}

fn file_of(cluster: &Cluster, n: usize) -> String {
    format!("{}/{n}.backup", cluster.folder().display())
}

/// The old nodes continue as the old cluster, or wait; none joins the restored one until
/// its data is set aside.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_cluster_and_its_old_nodes_do_not_mix() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let backup = file_of(&cluster, 0);
    cluster.coffeectl(["backup", &backup]).ok().await;
    cluster.coffeectl(["set", "order/2", "mocha"]).ok().await;
    let old = cluster.json(["status"]).await;
    for node in ["ming", "hong", "peng"] {
        cluster.node(node).stop().await;
    }
    let ming = cluster.node("ming");
    coffeed(ming, &["restore", &backup]).await.fails(2, "is not empty");
    ming.wipe();
    let said = coffeed(ming, &["restore", &backup]).await.ok();
    let new = word_after(&said, "--cluster").to_owned();
    assert!(!old.to_string().contains(&new), "it is another cluster");
    goes_on(&mut cluster, "ming").await;

    // Two of three: the old cluster serves again, with writes that the backup lacks.
    for node in ["hong", "peng"] {
        cluster.node(node).start().await;
    }
    let wait = ["wait", "--for", "quorum", "--timeout", "30s"];
    cluster.coffeectl_via("hong", wait).ok().await;
    cluster.coffeectl_via("hong", ["set", "order/3", "flat white"]).ok().await;
    assert_eq!(cluster.coffeectl_via("peng", ["keys"]).ok().await, "order/1\norder/2\norder/3\n");
    assert_eq!(cluster.coffeectl_via("ming", ["keys"]).ok().await, "order/1\n");
    is_kept_out(&cluster, "ming", "hong").await;
    let list = cluster.coffeectl_via("ming", ["list", "-o", "json"]).ok().await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((&list["voters"], &list["cluster"]), (&1.into(), &new.clone().into()), "{list}");

    // The commands that `restore` prints are sufficient.
    let from = cluster.node("ming").address().to_string();
    for node in ["hong", "peng"] {
        cluster.node(node).stop().await;
        coffeed(cluster.node(node), &["rebuild", "--cluster", &new, "--from", &from]).await.ok();
        cluster.node(node).start().await;
        cluster.coffeectl_via("ming", ["boot", node]).ok().await;
        cluster.coffeectl_via("ming", ["wait", "--for", "synced", "--node", node]).ok().await;
        let get = ["keys", "--consistency", "local"];
        assert_eq!(cluster.coffeectl_via(node, get).ok().await, "order/1\n");
    }
    let list = cluster.json(["list"]).await;
    assert_eq!((&list["voters"], &list["voters_in_reach"]), (&3.into(), &3.into()), "{list}");
    for node in list["nodes"].as_array().expect("nodes") {
        let id: u64 = node["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        assert!(id > AHEAD, "no id is given twice: {list}");
    }
    cluster.coffeectl(["transfer", "--to", "peng"]).ok().await;
    cluster.coffeectl(["set", "order/2", "ristretto"]).ok().await;
}

/// Every flipped bit and every truncation is detected.
#[tokio::test]
async fn damage_of_a_backup_is_found_wherever_it_is() {
    let cluster = Cluster::of(1).start().await;
    for order in 0..20 {
        cluster.coffeectl(["set", &format!("order/{order}"), &"latte ".repeat(100)]).ok().await;
    }
    let path = file_of(&cluster, 0);
    cluster.coffeectl(["backup", &path]).ok().await;
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(verified(&cluster, &path).await["keys"], 20);
    let whole = fs::read(&path).expect("readable");
    let is_whole = |bytes: &[u8]| {
        let mut unpacker = Unpacker::default();
        unpacker.push(bytes);
        unpacker.finish().is_ok()
    };
    assert!(is_whole(&whole));
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 1 << (at % 8);
        assert!(!is_whole(&spoilt), "byte {at} of {}", whole.len());
        assert!(!is_whole(&whole[..at]), "{at} bytes of {}", whole.len());
    }
    // The command reports it.
    let spoil = |bytes: &[u8]| fs::write(&path, bytes).expect("writable");
    let mut spoilt = whole.clone();
    spoilt[whole.len() / 2] ^= 1;
    spoil(&spoilt);
    cluster.coffeectl(["backup", "verify", &path]).fails(1, "is damaged at byte").await;
    spoil(&whole[..whole.len() - 1]);
    cluster.coffeectl(["backup", "verify", &path]).fails(1, "is cut short").await;
    spoil(b"not a backup");
    cluster.coffeectl(["backup", "verify", &path]).fails(1, "it is not a coffeed backup").await;
}

/// A damaged backup changes nothing; leftovers of an interrupted restore are removed by
/// the next attempt.
#[tokio::test]
async fn a_restore_of_a_damaged_backup_leaves_nothing() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let path = file_of(&cluster, 0);
    cluster.coffeectl(["backup", &path]).ok().await;
    let whole = fs::read(&path).expect("readable");
    cluster.node("ming").stop().await;
    cluster.node("ming").wipe();
    let data = cluster.node("ming").data();
    for at in (0..whole.len()).step_by(whole.len() / 7) {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 1;
        fs::write(&path, spoilt).expect("writable");
        coffeed(cluster.node("ming"), &["restore", &path]).await.fails(2, "the backup cannot be used");
        assert!(!data.exists(), "nothing was made");
    }
    fs::write(&path, whole).expect("writable");
    coffeed(cluster.node("ming"), &["restore", &path]).await.ok();
    coffeed(cluster.node("ming"), &["restore", &path]).await.fails(2, "is not empty");
    goes_on(&mut cluster, "ming").await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
}

/// A sealed backup is read with the private key only, and refused if a bit of it was changed.
#[tokio::test]
async fn a_sealed_backup_is_restored_with_its_key() {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "espresso-4711"]).ok().await;
    let path = file_of(&cluster, 0);
    let file = |name: &str| cluster.folder().join(name).to_str().expect("text").to_owned();
    let (key, public, other) = (file("backup.key"), file("backup.pub"), file("other.key"));
    for key in [&key, &other] {
        cluster.coffeectl(["backup", "key", key]).ok().await;
    }
    cluster.coffeectl(["backup", "key", &key]).fails(8, "already exists").await;
    cluster.coffeectl(["backup", &path, "--seal-to", &key]).fails(2, "not the public key").await;
    let said = cluster.coffeectl(["backup", &path, "--seal-to", &public]).ok().await;
    assert!(said.contains(", sealed, after"), "{said}");
    let whole = fs::read(&path).expect("readable");
    let secret = b"espresso-4711";
    assert!(!whole.windows(secret.len()).any(|bytes| bytes == secret), "it is not readable");

    cluster.coffeectl(["backup", "verify", &path]).fails(1, "is sealed").await;
    cluster.coffeectl(["backup", "verify", &path, "--key-file", &other]).fails(1, "to another key").await;
    let verified = cluster.json(["backup", "verify", &path, "--key-file", &key]).await;
    assert_eq!(verified["keys"], 1, "{verified}");

    cluster.node("ming").stop().await;
    cluster.node("ming").wipe();
    coffeed(cluster.node("ming"), &["restore", &path]).await.fails(2, "not a coffeed backup");
    for at in (0..whole.len()).step_by(whole.len() / 5) {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 1;
        fs::write(&path, spoilt).expect("writable");
        let restored = coffeed(cluster.node("ming"), &["restore", &path, "--key-file", &key]).await;
        restored.fails(2, "the backup cannot be read: it is");
    }
    fs::write(&path, &whole[..whole.len() - 1]).expect("writable");
    let restored = coffeed(cluster.node("ming"), &["restore", &path, "--key-file", &key]).await;
    restored.fails(2, "damaged or cut short");
    fs::write(&path, whole).expect("writable");
    coffeed(cluster.node("ming"), &["restore", &path, "--key-file", &key]).await.ok();
    goes_on(&mut cluster, "ming").await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "espresso-4711");
}

/// Roles, destinations and consistency of backups.
#[tokio::test]
async fn a_backup_is_for_its_role_and_never_half_there() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let path = file_of(&cluster, 0);
    for role in ["reader", "writer"] {
        let denied = cluster.coffeectl(["backup", &path]).env("COFFEECTL_AS", format!("{role}-test"));
        denied.fails(7, "this request needs the role backup").await;
    }
    assert!(!Path::new(&path).exists());
    for words in [&["get", "order/1"][..], &["keys"], &["set", "order/1", "tea"], &["down", "--yes"]] {
        let denied = cluster.coffeectl(words.iter().copied()).env("COFFEECTL_AS", "backup-test");
        denied.fails(7, "test has the role backup").await;
    }
    cluster.coffeectl(["status"]).env("COFFEECTL_AS", "backup-test").ok().await;
    let piped = cluster.coffeectl(["backup", "-"]).run().await;
    assert_eq!(piped.code, Some(0), "{piped}");
    let verify = cluster.coffeectl(["backup", "verify", "-", "-o", "plain"]).stdin(piped.stdout).ok().await;
    assert!(verify.contains("\tming\t"), "{verify}");

    cluster.coffeectl(["backup", &path]).ok().await;
    let before = fs::read(&path).expect("readable");
    cluster.coffeectl(["backup", &path]).fails(8, "confirmation is missing").await;
    cluster.node("hong").kill().await;
    cluster.node("peng").kill().await;
    cluster.coffeectl(["backup", &path, "--yes", "--timeout", "3s"]).fails(5, "").await;
    assert_eq!(fs::read(&path).expect("readable"), before, "the old one is kept");
    let local = ["backup", &path, "--yes", "--consistency", "local"];
    cluster.coffeectl(local).ok().await;
    assert_ne!(fs::read(&path).expect("readable"), before);
    let left = fs::read_dir(cluster.folder()).expect("a folder");
    let partial = left.filter(|file| {
        file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".partial"))
    });
    assert_eq!(partial.count(), 0, "what broke off is gone");
    for verb in ["restore", "recover"] {
        cluster.coffeectl([verb, "0.backup"]).fails(2, "works on a node's data directory").await;
    }
}
