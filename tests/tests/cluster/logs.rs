//! Log lines of daemons, and secrets they never log.

use std::time::Duration;

use coffee_client::{Error, LogLevel};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;

const PATIENCE: Duration = Duration::from_secs(20);

/// At the default level no key or value is logged, whatever goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn neither_keys_nor_values_nor_secrets_are_logged() {
    let mut cluster = Cluster::of(3).start().await;
    let (key, value) = ("order/sesame-key", "sesame-value");
    cluster.coffeectl(["set", key, value]).ok().await;
    assert_eq!(cluster.coffeectl(["get", key]).ok().await, value);
    cluster.coffeectl(["keys", "order/", "--values"]).ok().await;
    let large = format!("{value}-{}", "x".repeat(200_000));
    cluster.coffeectl(["set", key, "-"]).stdin(large.as_str()).ok().await;
    for refused in [
        &["set", key, value, "--if-absent"][..],
        &["set", key, value, "--if-rev", "1"],
        &["get", "order/sesame-key/missing"],
        &["set", key, "-", "--request-id", "00000000000000000000000000c0ffee-7-1"],
    ] {
        let ended = cluster.coffeectl(refused.iter().copied()).run().await;
        let request_id = refused.contains(&"--request-id");
        assert!(request_id || ended.code != Some(0), "{refused:?}: {ended:?}");
    }
    let reader = cluster.client(Role::Reader);
    assert!(matches!(reader.set(key, value).await, Err(Error::Denied(_))), "a reader may not write");

    // A leader that is lost during writes, and returns.
    let leader = cluster.leader().await;
    let writer = cluster.client(Role::Writer).with_timeout(Duration::from_secs(20));
    let writes = (0..50).map(|n| {
        let writer = writer.clone();
        async move { writer.set(format!("{key}/{n}"), value).await }
    });
    let writing: Vec<_> = writes.map(tokio::spawn).collect();
    cluster.node(&leader).kill().await;
    for write in writing {
        // Applied or in doubt: both are reported to the caller, not logged.
        let _ = write.await.expect("no panic");
    }
    cluster.node(&leader).start().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    cluster.coffeectl(["del", key]).ok().await;
    for node in cluster.nodes() {
        assert!(node.stop().await.success(), "a stop ends with 0");
    }
    let certs = cluster.certs();
    let secret = |file: &str| {
        let pem = std::fs::read_to_string(certs.join(file)).expect("readable");
        pem.lines().nth(1).expect("a key has a body").to_owned()
    };
    for node in cluster.nodes() {
        let log = node.log().tail(usize::MAX);
        assert!(log.contains("listening") && log.contains("replica opened"), "this is a log: {log}");
        let key_file = format!("node-{}.key", node.name());
        for word in ["sesame", "PRIVATE", secret(&key_file).as_str()] {
            assert!(!log.contains(word), "{} logs {word:?}: {log}", node.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_changed_while_a_node_runs() {
    let mut cluster = Cluster::of(1).start().await;
    assert_eq!(cluster.coffeectl(["log-level"]).ok().await, "ming logs info\n");
    let before = cluster.node("ming").log().len();
    let changed = cluster.coffeectl(["log-level", "trace"]).ok().await;
    assert_eq!(changed, "ming logs trace now, until it restarts\n");
    let log = cluster.node("ming").log().clone();
    assert!(log.says(before, "log level changed", PATIENCE).await, "{}", log.tail(20));
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    assert!(log.says(before, "DEBUG", PATIENCE).await, "more is logged now: {}", log.tail(20));

    let told = cluster.json(["log-level", "info", "--node", "ming"]).await;
    assert_eq!((&told["nodes"][0]["level"], &told["nodes"][0]["changed"]), (&"info".into(), &true.into()));
    let told = cluster.json(["log-level", "info"]).await;
    assert_eq!(told["nodes"][0]["changed"], false, "{told}");
    let writer = cluster.client(Role::Writer);
    assert!(matches!(writer.log_level(Some(LogLevel::Debug)).await, Err(Error::Denied(_))));
    cluster.coffeectl(["log-level", "--node", "absent"]).fails(3, "there is no node absent").await;
}
