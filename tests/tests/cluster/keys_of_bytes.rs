//! Keys that are not text: any bytes, in the library and in every verb that takes or shows keys.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use coffee_client::{KeyRange, Txn, TxnStep, WatchEvent, WatchOptions};
use coffee_common::{
    id::Revision,
    key::Key,
    protocol::{Consistency, Role},
};
use coffee_tests::cluster::Cluster;

/// In their order; the first two lie on both sides of the bound that follows a key.
const KEYS: [&[u8]; 5] = [b"b", b"b\0", b"b\0\0", b"b\xff", b"b\xff\xff"];

#[tokio::test]
async fn keys_are_any_bytes_in_every_call() {
    let cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer);
    let outside = client.set(b"c", "outside").await.expect("writes").revision;
    for (n, key) in KEYS.iter().enumerate() {
        client.set(key, n.to_string()).await.expect("writes");
    }
    for (n, key) in KEYS.iter().enumerate() {
        let entry = client.get(key).await.expect("reads").expect("is there");
        assert_eq!(entry.value.as_bytes(), n.to_string().as_bytes());
        let history = client.history(key, <_>::default()).await.expect("reads");
        assert_eq!(history.versions.len(), 1);
    }

    // Page by page, none skipped and none twice.
    let (mut range, mut names) = (KeyRange::prefix("b"), Vec::new());
    loop {
        let options = coffee_client::PageOptions { limit: 1, ..<_>::default() };
        let page = client.range(range.clone(), options).await.expect("reads");
        names.extend(page.entries.iter().map(|(key, _)| key.as_bytes().to_owned()));
        let Some(upto) = page.upto else { break };
        range = range.after(&upto);
    }
    assert_eq!(names, KEYS);

    let mut watch = client.watch(
        KeyRange::single(&Key::new(b"b\xff").expect("legal")),
        WatchOptions { after: Some(outside), ..<_>::default() },
    );
    let WatchEvent::Changes(changes) = watch.next().await.expect("watches") else { panic!("a beat") };
    assert_eq!(changes.changes[0].key.as_bytes(), b"b\xff");

    let txn = Txn::new().when_present(b"b\0").then(TxnStep::delete_range(KeyRange::prefix(b"b\xff")));
    assert!(client.txn(txn).await.expect("takes effect").succeeded);
    let page = client.range(KeyRange::prefix(b"b\xff"), <_>::default()).await.expect("reads");
    assert_eq!(page.entries, []);
    client.close().await;
}

#[tokio::test]
async fn keys_are_typed_and_shown_as_bytes() {
    let cluster = Cluster::of(1).start().await;
    let client = cluster.client(Role::Writer);
    client.set(b"b/\0", "nul").await.expect("writes");
    let raw = OsStr::from_bytes(b"b/\xff\n");
    cluster.coffeectl([OsStr::new("set"), raw, OsStr::new("latte")]).ok().await;
    assert_eq!(cluster.coffeectl([OsStr::new("get"), raw]).ok().await, "latte");
    cluster
        .coffeectl([OsStr::new("get"), OsStr::from_bytes(b"b/\xfe")])
        .fails(3, "there is no key b/\\xfe")
        .await;

    let shown = cluster.coffeectl(["keys", "b/"]).ok().await;
    assert_eq!(shown, "b/\\x00\nb/\\xff\\n\n");
    let json = cluster.json(["keys", "b/"]).await;
    assert_eq!(
        (&json["keys"][0]["key"], &json["keys"][1]["key_base64"]),
        (&"b/\0".into(), &"Yi//Cg==".into()),
        "{json}"
    );

    // An export has them all, and an import brings them back.
    let exported = cluster.coffeectl(["export", "b/"]).ok().await;
    assert!(exported.contains(r#"{"key_base64":"Yi//Cg==","value":"latte"}"#), "{exported}");
    let gone = r#"{"if": [{"key": {"base64": "Yi//Cg=="}, "present": true}],
                   "then": [{"del": {"base64": "Yi//Cg=="}}, {"del_prefix": "b/"}]}"#;
    cluster.coffeectl(["txn", "-"]).stdin(gone).ok().await;
    assert_eq!(cluster.coffeectl(["keys", "b/"]).ok().await, "");
    cluster.coffeectl(["import", "-"]).stdin(exported.clone()).ok().await;
    assert_eq!(cluster.coffeectl(["export", "b/"]).ok().await, exported);

    // A command of a watch gets the bytes unchanged; a variable cannot have a NUL byte.
    let told = cluster.folder().join("told");
    let command = format!(
        r#"printf '%s|%s\n' "${{COFFEE_KEY-unset}}" "$COFFEE_KEY_BASE64" >> {}"#,
        told.to_str().expect("UTF-8")
    );
    let before = client.get_with("b/", Consistency::Linearizable).await.expect("reads").at;
    let batch = "{\"set\": {\"base64\": \"Yi//Cg==\"}, \"value\": \"1\"}\n{\"set\": \"b/\\u0000\", \"value\": \"2\"}\n";
    cluster.coffeectl(["batch", "-"]).stdin(batch).ok().await;
    let from = before.0.to_string();
    cluster.coffeectl(["watch", "b/", "--from", &from, "--count", "2", "--exec", &command]).ok().await;
    let told = std::fs::read(told).expect("was told");
    assert_eq!(told.escape_ascii().to_string(), r"b/\xff\n|Yi//Cg==\nunset|Yi8A\n");
    assert!(before > Revision(0));
    client.close().await;
}
