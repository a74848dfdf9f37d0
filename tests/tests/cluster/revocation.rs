//! Revocation through the cluster: one command, and no node accepts the certificate any more.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use coffee_client::{Address, CredentialFiles, Credentials, Error};
use coffee_common::{
    protocol::Role,
    quic::{Connection, Endpoint, EndpointOptions, Expect, Protocol},
    tls::lists_in_pem,
};
use coffee_tests::cluster::Cluster;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::support::coffeed::coffeed;

/// How long a session may last after its certificate was revoked.
const SOON: Duration = Duration::from_secs(1);

const PATIENCE: Duration = Duration::from_secs(20);

/// Dials a node, and keeps the connection.
async fn dial(credentials: &Credentials, address: &Address) -> Result<Connection, String> {
    let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
    let connected = endpoint.connect(address, &Expect::AnyNode, Protocol::Client).await;
    connected.map_err(|error| error.to_string())
}

async fn is_rejected(credentials: &Credentials, cluster: &Cluster, node: &str) {
    let node = cluster.watched().iter().find(|known| known.name() == node).expect("a node");
    let error = dial(credentials, &node.address()).await.expect_err("it was revoked");
    assert!(error.contains("the certificate was revoked"), "{}: {error}", node.name());
}

/// Waits until a node has the list with this number.
async fn has_list(cluster: &Cluster, node: &str, number: u64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let list: Value = cluster.json(["list"]).await;
        let nodes = list["nodes"].as_array().expect("nodes");
        let found = nodes.iter().find(|found| found["name"] == node);
        if found.is_some_and(|found| found["revocation_lists"][0]["number"] == number) {
            return;
        }
        assert!(Instant::now() < until, "{node} does not have list {number}: {list:#}");
        tokio::task::yield_now().await;
    }
}

fn path(cluster: &Cluster, file: &str) -> String {
    cluster.folder().join(file).to_str().expect("UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_cut_off_by_every_node_for_good() {
    let settings = "[storage]\nsnapshot_every_entries = 20\nlog_keep_entries = 10\n";
    let mut cluster = Cluster::of(3).with(settings).start().await;
    let till = cluster.credentials(Role::Writer);
    assert!(cluster.node("peng").stop().await.success());
    let mut sessions = Vec::new();
    for node in ["ming", "hong"] {
        let address = cluster.node(node).address();
        sessions.push(dial(&till, &address).await.expect("a writer is accepted"));
    }
    cluster.coffeectl(["revoke", "writer-test"]).fails(8, "confirmation is missing").await;
    let said = cluster.coffeectl(["revoke", "writer-test", "--yes"]).ok().await;
    assert_eq!(said, "writer-test is revoked: the cluster has list 1 now\n");
    for session in &sessions {
        let ended = timeout(SOON, session.closed()).await.expect("it ends within a second");
        assert!(ended.to_string().contains("the certificate of writer test: it was revoked"), "{ended}");
    }
    for node in ["ming", "hong"] {
        is_rejected(&till, &cluster, node).await;
    }
    let listed = cluster.json(["list"]).await;
    assert_eq!(listed["nodes"][0]["revocation_lists"][0]["number"], 1, "{listed}");

    // A node that was down learns it from the log.
    cluster.node("peng").start().await;
    has_list(&cluster, "peng", 1).await;
    is_rejected(&till, &cluster, "peng").await;

    // After a restart, before there is a quorum that could tell.
    for node in ["ming", "hong", "peng"] {
        assert!(cluster.node(node).stop().await.success());
    }
    cluster.node("hong").start().await;
    is_rejected(&till, &cluster, "hong").await;
    cluster.node("ming").start().await;
    cluster.coffeectl(["wait", "--for", "leader"]).ok().await;

    // By a snapshot: the entry is no longer in any log.
    for n in 0..60 {
        cluster.coffeectl(["set", &format!("order/{n}"), "latte"]).ok().await;
    }
    cluster.node("peng").wipe();
    let from = cluster.node("peng").log().len();
    cluster.node("peng").start().await;
    let address = cluster.node("peng").address().to_string();
    cluster.coffeectl(["boot", "peng", "--address", &address]).ok().await;
    cluster.node("peng").says_from(from, "snapshot installed").await;
    has_list(&cluster, "peng", 1).await;
    is_rejected(&till, &cluster, "peng").await;
    let ended = cluster.coffeectl(["list"]).run().await;
    assert!(!ended.stderr.contains("revocation list"), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_prove_nothing_are_refused() {
    let cluster = Cluster::of(3).start().await;
    let certs = cluster.certs();
    cluster.coffeectl(["revoke", "reader-test", "--yes"]).ok().await;
    let first = path(&cluster, "first.crl");
    fs::copy(certs.join("ca.crl"), &first).expect("copies");
    cluster.coffeectl(["revoke", "node-long", "--yes"]).ok().await;
    let second = path(&cluster, "certs/ca.crl");

    // Again, after an answer that was lost.
    let again = cluster.coffeectl(["revoke", "--list", &second]).ok().await;
    assert_eq!(again, "the cluster has list 2 already\n");
    let older = "the cluster has revocation list 2 of this CA, and this is list 1";
    cluster.coffeectl(["revoke", "--list", &first]).fails(8, older).await;

    // Another CA, and the same list with one bit changed.
    let other = path(&cluster, "other");
    cluster.coffeectl(["cert", "ca", "--certs", &other]).ok().await;
    cluster.coffeectl(["cert", "node", "hong", "--certs", &other]).ok().await;
    cluster.coffeectl(["cert", "revoke", "node-hong", "--yes", "--certs", &other]).ok().await;
    let others = format!("{other}/ca.crl");
    cluster.coffeectl(["revoke", "--list", &others]).fails(8, "was not signed by the CA").await;
    let good = lists_in_pem(&fs::read(&second).expect("reads")).remove(0);
    let admin = cluster.client(Role::Admin);
    for at in [20, good.len() / 2, good.len() - 1] {
        let mut forged = good.clone();
        forged[at] ^= 1;
        let refused = admin.revoke(forged).await;
        assert!(matches!(refused, Err(Error::Refused { .. })), "{at}: {refused:?}");
    }
    // The client does not send one that is too large; a node does not read it.
    let huge =
        cluster.client(Role::Admin).with_timeout(Duration::from_secs(3)).revoke(vec![0x30; 100_000]).await;
    assert!(huge.is_err(), "{huge:?}");

    // Only an admin revokes.
    let writer = cluster.client(Role::Writer).revoke(good.clone()).await;
    assert!(matches!(writer, Err(Error::Denied(_))), "{writer:?}");
    let listed = cluster.json(["list"]).await;
    for node in listed["nodes"].as_array().expect("nodes") {
        assert_eq!(node["revocation_lists"][0]["number"], 2, "{listed:#}");
    }

    // A list that was not sent is kept, with the command that sends it.
    let unsent = cluster
        .coffeectl(["revoke", "node-hu", "--yes"])
        .env("COFFEECTL_ENDPOINTS", "127.0.0.1:9")
        .run()
        .await;
    assert_eq!(unsent.code, Some(5), "{unsent}");
    assert!(unsent.stderr.contains("'coffeectl revoke --list"), "{unsent}");

    // A list that leaves no quorum.
    cluster.coffeectl(["revoke", "node-hong", "--yes"]).ok().await;
    cluster
        .coffeectl(["revoke", "node-peng", "--yes"])
        .fails(8, "the list revokes the certificates of voters without which there is no quorum")
        .await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
}

/// The list is written before it is sent, and then the client accepts its own certificate no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_may_revoke_itself() {
    let cluster = Cluster::of(1).start().await;
    let own = cluster.credentials(Role::Admin);
    // Its session ends at once, perhaps before the answer arrives.
    let ended = cluster.coffeectl(["revoke", "admin-test", "--yes"]).run().await;
    assert!(matches!(ended.code, Some(0 | 6)), "{ended}");
    is_rejected(&own, &cluster, "ming").await;
    cluster.coffeectl(["list"]).fails(7, "revoked").await;
}

/// Both halves of the end of a lost machine: its vote is gone, and its certificate opens no connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_is_removed_and_revoked_at_once() {
    let mut cluster = Cluster::of(4).start().await;
    let stolen = [peer(&cluster, "long"), peer(&cluster, "peng")];
    let certs = cluster.certs();
    cluster.node("long").kill().await;
    let remove = |node: &'static str, words: &[&'static str]| {
        cluster.coffeectl(["node", "remove", node, "--revoke"]).args(words)
    };
    // Nothing is done by halves where that can be foreseen: without the key of the CA, or a certificate.
    fs::rename(certs.join("ca.key"), certs.join("kept")).expect("renames");
    remove("long", &["--yes"]).fails(7, "ca.key").await;
    fs::rename(certs.join("kept"), certs.join("ca.key")).expect("renames");
    remove("elsewhere", &["--yes"]).fails(3, "node-elsewhere").await;
    remove("long", &[]).fails(8, "confirmation is missing").await;
    let plan = remove("long", &["--dry-run"]).ok().await;
    assert!(plan.contains("revoke its certificates"), "{plan}");
    assert_eq!(cluster.json(["list"]).await["voters"], 4);

    let ended = remove("long", &["--yes"]).run().await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout().starts_with("long is removed: voters 4 -> 3"), "{ended}");
    assert!(ended.stderr.contains("node-long is revoked: the cluster has list 1 now"), "{ended}");
    for node in ["ming", "hong", "peng"] {
        is_rejected(&stolen[0], &cluster, node).await;
    }

    // The second half is refused: another copy of the CA has sent a later list.
    let copy = path(&cluster, "copy");
    cluster.coffeectl(["cert", "list"]).ok().await;
    copy_folder(&certs, copy.as_ref());
    for name in ["reader-test", "backup-test"] {
        cluster.coffeectl(["revoke", name, "--yes", "--certs", &copy]).ok().await;
    }
    cluster.node("peng").kill().await;
    let remove = cluster.coffeectl(["node", "remove", "peng", "--revoke", "--yes"]);
    let ended = remove.run().await;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stdout().starts_with("peng is removed: voters 3 -> 2"), "{ended}");
    let half = "peng is removed, but its certificates are not revoked: the cluster has revocation list 3";
    assert!(ended.stderr.contains(half) && ended.stderr.contains("coffeectl revoke node-peng"), "{ended}");
    assert_eq!(cluster.json(["list"]).await["voters"], 2);
    // The command that the hint names, twice: each makes a later list.
    cluster.coffeectl(["revoke", "node-peng", "--yes"]).fails(8, "this is list 3").await;
    cluster.coffeectl(["revoke", "node-peng", "--yes"]).ok().await;
    is_rejected(&stolen[1], &cluster, "ming").await;
}

/// The credentials of a node.
fn peer(cluster: &Cluster, node: &str) -> Credentials {
    let file = |name: &str| cluster.certs().join(name);
    let own = |ending: &str| file(&format!("node-{node}.{ending}"));
    Credentials::load(&CredentialFiles::new(file("ca.crt"), own("crt"), own("key"))).expect("good")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
}

/// A revocation after the backup is in a copy beside the data, or in the configured file.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_forgets_no_revocation_that_the_machine_knows() {
    let mut cluster = Cluster::of(1).start().await;
    let till = cluster.credentials(Role::Writer);
    cluster.coffeectl(["revoke", "reader-test", "--yes"]).ok().await;
    let (backup, first) = (path(&cluster, "backup"), path(&cluster, "first.crl"));
    fs::copy(cluster.certs().join("ca.crl"), &first).expect("copies");
    cluster.coffeectl(["backup", &backup]).ok().await;
    cluster.coffeectl(["revoke", "writer-test", "--yes"]).ok().await;
    let data = cluster.node("ming").data();
    let newer = "the cluster has revocation list 2 of this CA, and this is list 1";
    let kept = cluster.folder().join("kept.crl");
    for from_copy in [true, false] {
        has_list(&cluster, "ming", 2).await;
        assert!(cluster.node("ming").stop().await.success());
        if from_copy {
            fs::copy(data.join("revocations.crl"), &kept).expect("it is there");
            cluster.node("ming").wipe();
            fs::create_dir_all(&data).expect("a folder");
            fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("sets");
            fs::copy(&kept, data.join("revocations.crl")).expect("copies");
        } else {
            cluster.node("ming").wipe();
            let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
            let with_list = config.replace("[tls]\n", "[tls]\ncrl = \"../certs/ca.crl\"\n");
            cluster.node("ming").write_config(&with_list);
        }
        let said = coffeed(cluster.node("ming"), &["restore", &backup]).await.ok();
        assert!(
            said.contains("revocation list 2 is newer than the one in the backup, and is kept"),
            "{said}"
        );
        cluster.node("ming").start().await;
        cluster.coffeectl(["wait", "--for", "leader"]).ok().await;
        is_rejected(&till, &cluster, "ming").await;
        cluster.coffeectl(["revoke", "--list", &first]).fails(8, newer).await;
    }
}

/// A backup has the lists, and a restore keeps them.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_cluster_knows_what_was_revoked() {
    let mut cluster = Cluster::of(1).start().await;
    let till = cluster.credentials(Role::Writer);
    cluster.coffeectl(["revoke", "writer-test", "--yes"]).ok().await;
    let backup = path(&cluster, "backup");
    cluster.coffeectl(["backup", &backup]).ok().await;
    assert!(cluster.node("ming").stop().await.success());
    cluster.node("ming").wipe();
    coffeed(cluster.node("ming"), &["restore", &backup]).await.ok();
    cluster.node("ming").start().await;
    cluster.coffeectl(["wait", "--for", "leader"]).ok().await;
    has_list(&cluster, "ming", 1).await;
    is_rejected(&till, &cluster, "ming").await;
    // The next list continues the numbers.
    let said = cluster.coffeectl(["revoke", "reader-test", "--yes"]).ok().await;
    assert_eq!(said, "reader-test is revoked: the cluster has list 2 now\n");
}

/// During a rotation there are two lists; each speaks for its own CA alone.
#[tokio::test(flavor = "multi_thread")]
async fn each_ca_has_a_list_of_its_own() {
    let cluster = Cluster::of(3).start().await;
    let till = cluster.credentials(Role::Writer);
    cluster.coffeectl(["revoke", "reader-test", "--yes"]).ok().await;
    cluster.coffeectl(["cert", "ca", "--rotate"]).ok().await;
    cluster.coffeectl(["reload"]).ok().await;
    // Both CAs are asked to revoke; the old one has signed the certificate in use.
    let said = cluster.coffeectl(["revoke", "writer-test", "--yes"]).ok().await;
    assert_eq!(said, "writer-test is revoked: the cluster has list 1 and 2 now\n");
    for node in ["ming", "hong", "peng"] {
        is_rejected(&till, &cluster, node).await;
    }
    let mut numbers = Vec::new();
    let listed = cluster.json(["list"]).await;
    for list in listed["nodes"][0]["revocation_lists"].as_array().expect("lists") {
        numbers.push(list["number"].as_u64().expect("a number"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2], "{listed:#}");
    // A node that trusts the new CA alone uses the new list alone.
    cluster.coffeectl(["cert", "renew", "--all"]).ok().await;
    cluster.coffeectl(["reload"]).ok().await;
    cluster.coffeectl(["cert", "ca", "--drop-old", "--yes"]).ok().await;
    cluster.coffeectl(["reload"]).ok().await;
    // The end of a rotation rewrites the list.
    let said = cluster.coffeectl(["revoke", "reader-test", "--yes"]).ok().await;
    assert_eq!(said, "reader-test is revoked: the cluster has list 3 now\n");
    for node in ["ming", "hong", "peng"] {
        has_list(&cluster, node, 3).await;
    }
    let listed = cluster.json(["list"]).await;
    assert_eq!(listed["nodes"][0]["revocation_lists"].as_array().map(Vec::len), Some(1), "{listed:#}");
}
