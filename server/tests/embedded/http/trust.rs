//! Roles, prefixes of keys, and certificates.

use coffee_client::cert::Ca;
use coffee_common::{
    id::ClusterName,
    key_scope::KeyScope,
    protocol::{Identity, Role},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{caller::HttpCaller, founder};
use crate::support::{EmbeddedCluster, name};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_and_its_keys_are_those_of_the_other_protocol() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let reader = HttpCaller::new(&cluster, &ming, Role::Reader);
    let orders = KeyScope::new(["order/"]).expect("legal");
    let scoped = HttpCaller::with_keys(&cluster, &ming, Role::Writer, orders);
    let backup = HttpCaller::new(&cluster, &ming, Role::Backup);

    for (method, target, body) in [
        ("PUT", "/v1/kv/order/1", &b"latte"[..]),
        ("DELETE", "/v1/kv/order/1", b""),
        ("POST", "/v1/incr/count", b""),
        ("POST", "/v1/txn", br#"{"then": [{"set": "order/1", "value": "x"}]}"#),
    ] {
        let denied = reader.send(method, target, &[], body).await;
        assert_eq!(
            (denied.status, denied.json()["code"].as_str()),
            (403, Some("denied")),
            "{method} {target}"
        );
        assert_eq!(denied.header("coffee-applied"), "no");
    }
    assert_eq!(scoped.put("/v1/kv/order/1", b"latte").await.status, 201);
    assert_eq!(scoped.put("/v1/kv/shop/1", b"open").await.status, 403);
    for target in
        ["/v1/kv/shop/1", "/v1/kv", "/v1/kv?prefix=shop/", "/v1/history/shop/1", "/v1/watch?prefix=s"]
    {
        assert_eq!(scoped.get(target).await.status, 403, "{target}");
    }
    assert_eq!(scoped.get("/v1/kv?prefix=order/").await.status, 200);
    assert_eq!(reader.get("/v1/kv/order/1").await.body, b"latte");
    assert_eq!(reader.get("/v1/cluster").await.status, 200);
    assert_eq!(backup.get("/v1/kv/order/1").await.status, 403);
    assert_eq!(backup.get("/v1/status").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_does_not_use_the_certificate_of_a_user() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let from = async |header, site| till.send("POST", "/v1/incr/count", &[(header, site)], b"").await.status;
    for (header, site, status) in [
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Sec-Fetch-Site", "same-origin", 200),
        ("Origin", "https://elsewhere.example", 403),
        ("Origin", "http://ming", 403),
        ("Origin", "null", 403),
        ("Origin", "https://ming", 200),
    ] {
        assert_eq!(from(header, site).await, status, "{header}: {site}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_holders_of_a_certificate_of_the_ca_get_in() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let request = b"GET /v1/status HTTP/1.1\r\nHost: ming\r\n\r\n";
    let anonymous = HttpCaller::anonymous(&cluster, &ming);
    assert!(anonymous.exchange(request).await.is_err());
    let other = Ca::create(&ClusterName::default()).expect("a CA");
    let identity = Identity::new(Role::Admin, name("till"));
    let stranger = HttpCaller::issued_by(&other, &cluster, &ming, identity);
    assert!(stranger.exchange(request).await.is_err());
}

/// The connection of a client ends when its CA is no longer trusted.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_ends_connections_that_are_not_trusted_any_more() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let mut stream = till.connect(b"http/1.1").await.expect("is trusted");
    stream.write_all(b"GET /v1/watch HTTP/1.1\r\nHost: ming\r\n\r\n").await.expect("is sent");
    let mut buffer = [0; 4096];
    assert!(stream.read(&mut buffer).await.expect("a head") > 0);

    let new = Ca::create(&ClusterName::default()).expect("a CA");
    let reload = ming.renew(new.credentials(Role::Node, &name("ming")).expect("credentials")).await;
    let ended = reload.expect("it is reloaded").ended;
    assert!(ended.iter().any(|client| client.name == name("till")), "{ended:?}");
    let end = async { while stream.read(&mut buffer).await.is_ok_and(|bytes| bytes > 0) {} };
    timeout(std::time::Duration::from_secs(10), end).await.expect("it is closed");
}
