//! `export` and `import`: keys as lines of JSON.

use std::fs;

use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;

/// Three batches of an import.
const KEYS: usize = 300;

#[tokio::test]
async fn exported_keys_are_imported_and_an_import_is_continued() {
    let cluster = Cluster::of(3).start().await;
    let client = cluster.client(Role::Writer);
    client.set("menu/bytes", vec![0xff, 0x00, b'\n']).await.expect("writes");
    client.set("other", "not exported").await.expect("writes");
    let imported = cluster.folder().join("menu.jsonl");
    let file = imported.to_str().expect("UTF-8");
    let lines: String =
        (0..KEYS).map(|n| format!("{{\"key\":\"menu/{n:03}\",\"value\":\"{n}\"}}\n")).collect();

    // A wrong line is found before anything is written.
    fs::write(&imported, format!("{lines}oops\n")).expect("a file");
    cluster.coffeectl(["import", file]).fails(2, "line 301: expected value").await;
    assert_eq!(client.get("menu/000").await.expect("reads"), None, "nothing was imported");

    // Standard input cannot be checked before: its first two batches are written.
    let ended = cluster.coffeectl(["import", "-"]).stdin(format!("{lines}oops\n")).run().await;
    assert_eq!(ended.code, Some(2), "{ended}");
    for line in ["hint: 256 keys imported before\n", " import - --from-line 257\n"] {
        assert!(ended.stderr.contains(line), "{ended}");
    }
    fs::write(&imported, &lines).expect("a file");
    let checked = cluster.coffeectl(["import", file, "--dry-run"]).ok().await;
    assert_eq!(checked, "300 keys checked; nothing was changed\n");
    assert_eq!(client.get("menu/256").await.expect("reads"), None);
    let rest = cluster.coffeectl(["import", file, "--from-line", "257"]).ok().await;
    assert_eq!(rest, "44 keys imported\n");

    let exported = cluster.coffeectl(["export", "menu/"]).ok().await;
    assert_eq!(exported, format!("{lines}{{\"key\":\"menu/bytes\",\"value_base64\":\"/wAK\"}}\n"));
    let end = cluster.coffeectl(["export", "menu/", "--after", "menu/299"]).ok().await;
    assert_eq!(end, "{\"key\":\"menu/bytes\",\"value_base64\":\"/wAK\"}\n");
    cluster.coffeectl(["export", "menu/", "--after", "other"]).fails(2, "does not start with menu/").await;

    // Another import of the same restores the same.
    client.delete("menu/bytes").await.expect("writes");
    let again = cluster.coffeectl(["import", "-", "-o", "plain"]).stdin(exported).ok().await;
    assert_eq!(again, "301\n");
    let entry = client.get("menu/bytes").await.expect("reads").expect("it is there again");
    assert_eq!(&entry.value.as_bytes()[..], [0xff, 0x00, b'\n']);
    client.close().await;
}
