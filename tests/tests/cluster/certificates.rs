//! Certificates in operation: renewed, revoked and moved to another CA while the daemons
//! run and clients write.

use std::{fs, time::Duration};

use coffee_client::{
    Client,
    cert::{self, LEAF_DAYS},
};
use coffee_common::{
    protocol::Role,
    quic::{Endpoint, EndpointOptions, Expect, Protocol},
};
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions, verify},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// SIGHUP loads renewed certificates: existing connections stay, and new ones present the
/// new certificate.
#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_up_renewed_certificates_under_load() {
    let mut cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let mut load =
        Load::start(std::slice::from_ref(&client), &LoadOptions { writers: 8, ..LoadOptions::default() });
    assert!(load.acknowledges(50, PATIENCE).await, "writes flow");
    for shop in &SHOPS[..3] {
        let before = serial_shown(&cluster, shop).await;
        let certificate = cluster.certs().join(format!("node-{shop}.crt"));
        let renewed = cert::renew(&cluster.certs(), &certificate, 100).expect("renews");
        let from = cluster.node(shop).log().len();
        cluster.node(shop).signal("HUP").await;
        cluster.node(shop).says_from(from, "reloaded").await;
        let serial = renewed.info.expect("reads").serial;
        assert_ne!(serial, before);
        assert_eq!(serial_shown(&cluster, shop).await, serial);
        assert!(load.acknowledges(50, PATIENCE).await, "writes flow after {shop} has reloaded");
    }
    ends_clean(load, &client).await;
    let list = cluster.json(["list"]).await;
    let days = list["nodes"][0]["certificate_days_left"].as_i64();
    assert!(days.is_some_and(|days| (99..=100).contains(&days)), "{list}");
}

/// An invalid configuration changes nothing, and is reported in the answer and in the
/// log.
#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let mut cluster = Cluster::of(1).start().await;
    let serial = serial_shown(&cluster, "ming").await;
    let config = fs::read_to_string(cluster.node("ming").config()).expect("reads");
    let certs = cluster.certs();
    let copy = |from: &str, to: &str| _ = fs::copy(certs.join(from), certs.join(to)).expect("copies");
    copy("node-ming.crt", "good.crt");
    let spoiled = config.replace("level = ", "lewel = ") + "\n[logs]\n";
    let other_name = config.replace("node-ming", "node-hong");
    let no_list = config.replace("[tls]\n", "[tls]\ncrl = \"../certs/none.crl\"\n");
    for (config, sentence) in [
        (&spoiled, "unknown setting logs"),
        (&other_name, "that of node hong, but this node is called ming"),
        (&no_list, "none.crl: no such file"),
    ] {
        cluster.node("ming").write_config(config);
        cluster.coffeectl(["reload"]).fails(8, sentence).await;
    }
    cluster.node("ming").write_config(&config);
    copy("node-hong.crt", "node-ming.crt");
    cluster.coffeectl(["reload"]).fails(8, "it does not belong to the certificate").await;
    let from = cluster.node("ming").log().len();
    cluster.node("ming").signal("HUP").await;
    cluster.node("ming").says_from(from, "reload failed").await;
    assert_eq!(serial_shown(&cluster, "ming").await, serial, "it is unchanged");
    copy("good.crt", "node-ming.crt");
    assert_eq!(cluster.coffeectl(["reload"]).ok().await, "ming: nothing has changed\n");

    // Settings that need a restart are listed.
    cluster.node("ming").write_config(&format!("{config}[storage]\nlog_keep_entries = 77\n"));
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: nothing has changed\nming: only after a restart: storage.log_keep_entries\n");
    cluster.node("ming").says_from(from, "changed settings that need a restart").await;
    cluster
        .coffeectl(["reload"])
        .env("COFFEECTL_AS", "writer-test")
        .fails(7, "this request needs the role admin")
        .await;
}

/// A revoked client is disconnected, and not accepted again.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_client_is_cut_off() {
    let mut cluster = Cluster::of(3).start().await;
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Writer), &EndpointOptions::default());
    let endpoint = endpoint.expect("an endpoint");
    let mut connections = Vec::new();
    for address in cluster.addresses() {
        let connected = endpoint.connect(&address, &Expect::AnyNode, Protocol::Client).await;
        connections.push(connected.expect("a writer is accepted"));
    }
    let set = ["set", "order/1", "latte"];
    cluster.coffeectl(set).env("COFFEECTL_AS", "writer-test").ok().await;
    revoke(&mut cluster, "writer-test").await;
    for connection in &connections {
        let ended = tokio::time::timeout(PATIENCE, connection.closed()).await.expect("it is cut off");
        assert!(ended.to_string().contains("the certificate of writer test: it was revoked"), "{ended}");
    }
    // Uses the revoked certificate without knowing that it is revoked.
    let stolen = |words: [&'static str; 3]| {
        let file = |ending: &str| cluster.certs().join(format!("writer-test.{ending}"));
        cluster
            .coffeectl(words)
            .without_env("COFFEECTL_AS")
            .args(["--ca".as_ref(), cluster.certs().join("ca.crt").as_os_str()])
            .args(["--cert".as_ref(), file("crt").as_os_str()])
            .args(["--key".as_ref(), file("key").as_os_str()])
    };
    stolen(set).fails(7, "the certificate was revoked").await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
}

/// A revoked node is disconnected by the others, which continue without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_node_is_cut_off() {
    let mut cluster = Cluster::of(3).start().await;
    let leader = cluster.leader().await;
    let lost = SHOPS[..3].iter().find(|shop| **shop != leader).expect("there are three");
    revoke(&mut cluster, &format!("node-{lost}")).await;
    cluster.coffeectl_via(&leader, ["set", "order/1", "latte"]).ok().await;
    let list: serde_json::Value = {
        let said = cluster.coffeectl_via(&leader, ["list", "-o", "json"]).ok().await;
        serde_json::from_str(&said).expect("JSON")
    };
    assert_eq!(list["voters_in_reach"], 2, "{list}");
    let other = SHOPS[..3].iter().find(|shop| **shop != leader && shop != &lost).expect("there are three");
    for shop in [leader.as_str(), other] {
        cluster.node(shop).says_from(0, "it was revoked").await;
    }
    cluster.coffeectl_via(&leader, ["node", "remove", lost, "--yes"]).ok().await;
}

/// A CA is replaced by reloads alone, without failed writes, as documented.
#[tokio::test(flavor = "multi_thread")]
async fn a_ca_is_replaced_under_load() {
    let mut cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let mut load =
        Load::start(std::slice::from_ref(&client), &LoadOptions { writers: 8, ..LoadOptions::default() });
    assert!(load.acknowledges(50, PATIENCE).await, "writes flow");
    let old = fs::read_to_string(cluster.certs().join("ca.crt")).expect("reads");
    let outdated = cluster.client(Role::Writer);

    cluster.coffeectl(["cert", "ca", "--rotate"]).ok().await;
    assert_eq!(reload_all(&cluster, &mut load).await, ["tls.ca"; 3]);
    client.renew(&cluster.credentials(Role::Writer)).expect("both CAs");
    cluster.coffeectl(["cert", "ca", "--drop-old", "--yes"]).fails(8, "still in use: admin-test").await;
    cluster.coffeectl(["cert", "renew", "--all"]).ok().await;
    assert_eq!(reload_all(&cluster, &mut load).await, ["tls.cert"; 3]);
    client.renew(&cluster.credentials(Role::Writer)).expect("the new certificate");

    cluster.coffeectl(["cert", "ca", "--drop-old"]).fails(8, "confirmation is missing").await;
    cluster.coffeectl(["cert", "ca", "--drop-old", "--yes"]).ok().await;
    assert_eq!(reload_all(&cluster, &mut load).await, ["tls.ca"; 3]);
    client.renew(&cluster.credentials(Role::Writer)).expect("the new CA alone");
    assert!(load.acknowledges(50, PATIENCE).await, "writes flow");
    ends_clean(load, &client).await;

    // Certificates of the old CA are no longer accepted, and all nodes reach each other.
    assert!(!fs::read_to_string(cluster.certs().join("ca.crt")).expect("reads").contains(&old));
    let error = outdated.set("order/1", "latte").await.expect_err("it shows a certificate of the old CA");
    assert!(matches!(error, coffee_client::Error::Identity(_)), "{error}");
    for shop in &SHOPS[..3] {
        let said = cluster.coffeectl_via(shop, ["list", "-o", "json"]).ok().await;
        let list: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!(list["voters_in_reach"], 3, "{list}");
    }
    // Also after a restart.
    assert!(cluster.node("hong").stop().await.success());
    cluster.node("hong").start().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "hong"]).ok().await;
}

/// hong's certificate is not copied during a rotation. The old CA is not dropped, and no node
/// cuts hong off, until an operator insists.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_copy_cuts_no_node_off() {
    let mut cluster = Cluster::of(3).start().await;
    let certs = cluster.certs();
    let own = cluster.node("hong").data().with_file_name("own.crt");
    fs::copy(certs.join("node-hong.crt"), &own).expect("copies");
    let config = fs::read_to_string(cluster.node("hong").config()).expect("reads");
    let path = own.to_str().expect("UTF-8");
    cluster.node("hong").write_config(&config.replace("../certs/node-hong.crt", path));
    cluster.coffeectl(["reload"]).ok().await;
    cluster.coffeectl(["cert", "ca", "--rotate"]).ok().await;
    cluster.coffeectl(["reload"]).ok().await;
    cluster.coffeectl(["cert", "renew", "--all"]).ok().await;
    let said = cluster.coffeectl(["reload"]).ok().await;
    assert_eq!(said, "ming: reloaded tls.cert\nhong: nothing has changed\npeng: reloaded tls.cert\n");

    let drop_old = ["cert", "ca", "--drop-old", "--yes"];
    let ended = cluster.coffeectl(drop_old).run().await;
    assert_eq!(ended.code, Some(8), "{ended}");
    assert!(ended.stderr.contains("hong still shows a certificate of the old CA"), "{ended}");
    assert!(ended.stderr.contains("copy node-hong.crt to hong, then 'coffeectl reload hong'"), "{ended}");
    let listed = cluster.coffeectl(["cert", "list"]).ok().await;
    assert!(listed.contains("SIGNED BY") && listed.contains("ca-old"), "nothing is dropped: {listed}");

    cluster.coffeectl(drop_old).args(["--unchecked"]).ok().await;
    let from = cluster.node("ming").log().len();
    for shop in ["ming", "peng"] {
        let refused = "rejects the certificates of voters in reach: hong (";
        cluster.coffeectl_via(shop, ["reload"]).fails(8, refused).await;
    }
    cluster.node("ming").says_from(from, "reload failed").await;
    let list = cluster.coffeectl_via("ming", ["list", "-o", "json"]).ok().await;
    assert!(list.contains("\"voters_in_reach\":3"), "no connection has ended: {list}");
    cluster.coffeectl_via("ming", ["reload", "--force"]).ok().await;
    cluster.node("ming").says_from(from, "voters in reach are cut off").await;

    // The way back is on hong's host.
    fs::copy(certs.join("node-hong.crt"), &own).expect("copies");
    let from = cluster.node("hong").log().len();
    cluster.node("hong").signal("HUP").await;
    cluster.node("hong").says_from(from, "reloaded").await;
    let said = cluster.coffeectl_via("peng", ["reload"]).ok().await;
    assert!(said.starts_with("peng: reloaded tls.ca\n"), "{said}");
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let list = cluster.json(["list"]).await;
    assert_eq!(list["voters_in_reach"], 3, "{list}");
}

/// Two of five nodes are off during a rotation. Each shows the other a certificate of the old CA
/// until one of them takes up the new one, which brings the other three into its reach.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_were_off_during_a_rotation_take_up_the_new_ca() {
    let mut cluster = Cluster::of(5).start().await;
    let (certs, (on, off)) = (cluster.certs(), SHOPS.split_at(3));
    let copy = |cluster: &mut Cluster, shop: &str| {
        let own = cluster.node(shop).data().with_file_name("own");
        fs::create_dir_all(&own).expect("a folder");
        for file in ["ca.crt".to_owned(), format!("node-{shop}.crt")] {
            fs::copy(certs.join(&file), own.join(&file)).expect("copies");
        }
    };
    for shop in off {
        copy(&mut cluster, shop);
        let config = fs::read_to_string(cluster.node(shop).config()).expect("reads");
        let config = config.replace("../certs/ca.crt", "own/ca.crt");
        let certificate = format!("node-{shop}.crt");
        let config = config.replace(&format!("../certs/{certificate}"), &format!("own/{certificate}"));
        cluster.node(shop).write_config(&config);
        assert!(cluster.node(shop).stop().await.success());
    }
    let reload: Vec<&str> = ["reload"].into_iter().chain(on.iter().copied()).collect();
    cluster.coffeectl(["cert", "ca", "--rotate"]).ok().await;
    cluster.coffeectl(reload.clone()).ok().await;
    cluster.coffeectl(["cert", "renew", "--all"]).ok().await;
    cluster.coffeectl(reload.clone()).ok().await;
    cluster.coffeectl(["cert", "ca", "--drop-old", "--yes"]).ok().await;
    cluster.coffeectl(reload).ok().await;

    for shop in off {
        cluster.node(shop).start().await;
    }
    for shop in off {
        copy(&mut cluster, shop);
        let from = cluster.node(shop).log().len();
        cluster.node(shop).signal("HUP").await;
        cluster.node(shop).says_from(from, "reloaded").await;
    }
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let list = cluster.json(["list"]).await;
    assert_eq!(list["voters_in_reach"], 5, "{list}");
}

/// Certificates that expire soon cause warnings in status output.
#[tokio::test]
async fn certificates_that_end_soon_are_warned_of() {
    let mut cluster = Cluster::of(1).prepare();
    cert::renew(&cluster.certs(), &cluster.certs().join("node-ming.crt"), 12).expect("renews");
    cluster.found(1).await;
    cluster.node("ming").says_from(0, "certificate expires soon").await;
    let ended = cluster.coffeectl(["list"]).run().await;
    let warning = "warning: the certificate of ming expires in 1";
    assert!(ended.code == Some(0) && ended.stderr.contains(warning), "{ended}");
    let remedy = "copy it there, then 'coffeectl reload'";
    assert!(ended.stderr.lines().any(|line| line.ends_with(remedy)), "{ended}");
    cluster.coffeectl(["cert", "list", "--check"]).fails(7, "not valid for 30 more days: node-ming").await;
    let renewed = cluster.coffeectl(["cert", "renew", "node-ming"]);
    renewed.args(["--days", &LEAF_DAYS.to_string()]).ok().await;
    cluster.coffeectl(["reload", "ming"]).ok().await;
    let ended = cluster.coffeectl(["list"]).run().await;
    assert!(!ended.stderr.contains("certificate"), "{ended}");
    cluster.coffeectl(["cert", "list", "--check"]).ok().await;
}

/// Revokes a name, and distributes the list to every node.
async fn revoke(cluster: &mut Cluster, name: &str) {
    cluster.coffeectl(["cert", "revoke", name]).fails(8, "confirmation is missing").await;
    cluster.coffeectl(["cert", "revoke", name, "--yes"]).ok().await;
    for node in cluster.nodes() {
        let config = fs::read_to_string(node.config()).expect("reads");
        node.write_config(&config.replace("[tls]\n", "[tls]\ncrl = \"../certs/ca.crl\"\n"));
        let from = node.log().len();
        node.signal("HUP").await;
        // The revoked node does not load the list.
        let revoked = name == format!("node-{}", node.name());
        node.says_from(from, if revoked { "reload failed" } else { "reloaded" }).await;
    }
}

/// Reloads one node after another, with some writes in between. Returns what each has
/// loaded.
async fn reload_all(cluster: &Cluster, load: &mut Load) -> Vec<String> {
    let mut changed = Vec::new();
    for shop in &SHOPS[..3] {
        let said = cluster.json(["reload", shop]).await;
        let settings = said["nodes"][0]["settings"].as_array().expect("settings");
        changed.push(settings.iter().filter_map(|setting| setting.as_str()).collect::<Vec<_>>().join(" "));
        assert!(load.acknowledges(50, PATIENCE).await, "writes flow after {shop} has reloaded");
    }
    changed
}

async fn ends_clean(load: Load, client: &Client) {
    let record = load.stop().await;
    let report = verify(client, &record).await.expect("it can be read");
    assert!(report.is_clean(), "{report}");
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
}

/// Serial number of the certificate that a node presents on a new connection.
async fn serial_shown(cluster: &Cluster, shop: &str) -> String {
    let node = cluster.watched().iter().find(|node| node.name() == shop).expect("a node of the cluster");
    let endpoint = Endpoint::dial_only(&cluster.credentials(Role::Reader), &EndpointOptions::default());
    let expect = Expect::Node(shop.parse().expect("legal"));
    let connected = endpoint.expect("an endpoint").connect(&node.address(), &expect, Protocol::Client).await;
    connected.expect("a reader is accepted").peer_serial()
}
