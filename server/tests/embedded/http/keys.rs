//! Keys, lists, histories, counters and transactions.

use coffee_common::protocol::Role;

use super::{caller::HttpCaller, config, founder};
use crate::support::{EmbeddedCluster, until_voter};

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_put_read_and_deleted_on_conditions() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    const KEY: &str = "/v1/kv/order/1";

    let created = till.send("PUT", KEY, &[("If-None-Match", "*")], b"latte\xff").await;
    assert_eq!(created.status, 201, "{created:?}");
    let first = created.header("etag").to_owned();
    assert_eq!(first, format!("\"{}\"", created.json()["revision"]));
    let again = till.send("PUT", KEY, &[("If-None-Match", "*")], b"mocha").await;
    assert_eq!((again.status, again.header("etag"), again.header("coffee-applied")), (412, &*first, "no"));
    assert_eq!(again.json()["code"], "condition_false");

    let read = till.get(KEY).await;
    assert_eq!((read.status, &*read.body, read.header("etag")), (200, &b"latte\xff"[..], &*first));
    let known = till.send("GET", KEY, &[("If-None-Match", &first)], b"").await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let weak = format!("\"1\", W/{first}");
    assert_eq!(till.send("GET", KEY, &[("If-None-Match", &weak)], b"").await.status, 304);
    let head = till.send("HEAD", KEY, &[], b"").await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "6"));

    let replaced = till.send("PUT", KEY, &[("If-Match", &first)], b"mocha").await;
    assert_eq!((replaced.status, replaced.json()["previous"].to_string()), (200, first.replace('"', "")));
    let stale = till.send("DELETE", KEY, &[("If-Match", &first)], b"").await;
    assert_eq!(stale.status, 412);
    let past = till.get(&format!("{KEY}?rev={}", first.replace('"', ""))).await;
    assert_eq!((past.status, &*past.body), (200, &b"latte\xff"[..]));

    let deleted = till.send("DELETE", KEY, &[("If-Match", "*")], b"").await;
    assert_eq!((deleted.status, deleted.json()["changed"].as_bool()), (200, Some(true)));
    let missing = till.get(KEY).await;
    assert_eq!((missing.status, missing.json()["code"].as_str()), (404, Some("not_found")));
    assert!(missing.json()["hint"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_serves_and_a_request_id_makes_retries_safe() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let hong = cluster
        .builder(coffeed::Config { join: vec![ming.advertised().clone()], ..config(&cluster, "hong") });
    let hong = hong.start().await.expect("it starts");
    let admin = cluster.client(&[&ming]);
    admin.boot(crate::support::name("hong"), Some(hong.advertised().clone())).await.expect("it is admitted");
    until_voter(&hong).await;
    let at_ming = HttpCaller::new(&cluster, &ming, Role::Writer);
    let at_hong = HttpCaller::new(&cluster, &hong, Role::Writer);

    let written = at_hong.put("/v1/kv/order/1", b"latte").await;
    assert_eq!(written.status, 201, "{written:?}");
    assert_eq!(at_ming.get("/v1/kv/order/1").await.body, b"latte");
    assert_eq!(admin.get("order/1").await.expect("is read").expect("exists").value.as_bytes(), "latte");

    let id = format!("{}-1-{}", "c0ffee".repeat(5) + "00", written.header("coffee-revision"));
    let headers = [("Coffee-Request-Id", &*id)];
    let first = at_hong.send("POST", "/v1/incr/count?by=5", &headers, b"").await;
    let second = at_ming.send("POST", "/v1/incr/count?by=5", &headers, b"").await;
    assert_eq!((first.status, first.json()["number"].as_i64()), (200, Some(5)));
    assert_eq!(first.json(), second.json());
    let other = at_ming.send("PUT", "/v1/kv/order/2", &headers, b"mocha").await;
    assert_eq!((other.status, other.json()["code"].as_str()), (409, Some("request_id_reused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_and_keys_their_history() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    for n in 0..5 {
        till.put(&format!("/v1/kv/order/{n}%20%2B"), format!("value {n}").as_bytes()).await;
    }
    till.put("/v1/kv/other", b"x").await;
    let local = till.get("/v1/kv?prefix=order/&limit=1&consistency=local").await.json();
    assert!(local["next"].as_str().expect("more").ends_with("&consistency=local"), "{local}");
    let first = till.get("/v1/kv?prefix=order/&limit=3&values=true").await.json();
    assert_eq!((first["keys"].as_array().map(Vec::len), first["more"].as_bool()), (Some(3), Some(true)));
    assert_eq!(first["keys"][2]["key"], "order/2 +");
    assert_eq!(first["keys"][2]["value"], "value 2");
    let next = till.get(first["next"].as_str().expect("more")).await.json();
    let keys: Vec<_> = next["keys"].as_array().expect("keys").iter().map(|key| key["key"].clone()).collect();
    assert_eq!(keys, ["order/3 +", "order/4 +"]);
    assert_eq!(next["more"], false);
    till.put("/v1/kv/%00%FF", b"bytes").await;
    let bytes = till.get("/v1/kv?prefix=%00").await.json();
    assert_eq!(bytes["keys"][0]["key_base64"], "AP8=");
    assert_eq!(till.get("/v1/kv/%00%FF").await.body, b"bytes");
    let without = till.get("/v1/kv?prefix=other").await.json();
    assert!(without["keys"][0].get("value").is_none(), "{without}");

    till.put("/v1/kv/other", b"y").await;
    till.send("DELETE", "/v1/kv/other", &[], b"").await;
    let history = till.get("/v1/history/other?limit=2").await.json();
    let versions = history["versions"].as_array().expect("versions");
    assert_eq!((versions.len(), history["more"].as_bool()), (2, Some(true)));
    assert_eq!((versions[0]["deleted"].as_bool(), versions[1]["value"].as_str()), (Some(true), Some("y")));
    assert_eq!(
        (versions[1]["role"].as_str(), versions[1]["author"].as_str()),
        (Some("writer"), Some("till"))
    );
    assert_eq!(till.get("/v1/history/none").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_counters_take_effect_as_a_whole() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let till = HttpCaller::new(&cluster, &ming, Role::Writer);
    let transact = async |document: &str| till.send("POST", "/v1/txn", &[], document.as_bytes()).await;
    let done = transact(
        r#"{"if": [{"key": "shop", "absent": true}],
            "then": [{"set": "shop", "value_base64": "/w=="}, {"add": "count"}, {"get": "shop"}, {"keys": "", "values": true}]}"#,
    )
    .await;
    assert_eq!((done.status, done.json()["succeeded"].as_bool()), (200, Some(true)), "{done:?}");
    let steps = done.json()["steps"].clone();
    assert_eq!(steps[1]["number"], 1);
    assert_eq!(steps[2]["entry"]["value_base64"], "/w==");
    assert_eq!(steps[3]["keys"][0]["key"], "count");
    assert_eq!(steps[3]["keys"][0]["value"], "1");
    let failed = transact(r#"{"if": [{"key": "shop", "absent": true}], "then": [{"del": "shop"}]}"#).await;
    assert_eq!((failed.status, failed.header("coffee-applied")), (412, "no"));
    let other = transact(r#"{"if": [{"key": "shop", "absent": true}], "else": [{"del": "shop"}]}"#).await;
    assert_eq!((other.status, other.json()["succeeded"].as_bool()), (200, Some(false)));
    let wrong = transact(r#"{"then": [{"get": "a", "set": "b"}]}"#).await;
    assert_eq!((wrong.status, wrong.json()["code"].as_str()), (400, Some("invalid")));
    let bounded = till.send("POST", "/v1/incr/count?by=5&max=3", &[], b"").await;
    assert_eq!(bounded.status, 412, "{bounded:?}");
    till.put("/v1/kv/text", b"latte").await;
    assert_eq!(till.send("POST", "/v1/incr/text", &[], b"").await.status, 409);
}
