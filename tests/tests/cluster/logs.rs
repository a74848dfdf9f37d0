//! Log lines of daemons, and secrets they never log.

use std::time::Duration;

use coffee_client::{Error, LogLevel};
use coffee_common::protocol::Role;
use coffee_tests::cluster::Cluster;
use tokio::time::sleep;

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

/// Every node says who leads, the new leader also why; a transfer is not an alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_leader_is_in_every_log_with_its_reason() {
    let mut cluster = Cluster::of(3).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let old = cluster.leader().await;
    let names: Vec<String> = cluster.watched().iter().map(|node| node.name().to_owned()).collect();
    let target = names.iter().find(|name| **name != old).expect("a second node");
    let before: Vec<usize> = cluster.watched().iter().map(|node| node.log().len()).collect();
    cluster.coffeectl(["transfer", target]).ok().await;
    for (node, from) in cluster.watched().iter().zip(&before) {
        let expected: &[&str] = match node.name() {
            name if name == old => &["leads no longer: it handed over term="],
            name if name == target => &["stands for election: ", "leads now term="],
            _ => &[],
        };
        let follows = (node.name() != target).then(|| format!("follows {target} term="));
        for words in expected.iter().copied().chain(follows.as_deref()) {
            assert!(node.log().says(*from, words, PATIENCE).await, "{words}: {}", node.log().tail(20));
        }
        let log = node.log().tail(node.log().len() - from);
        let alarm =
            |line: &&str| line.contains("WARN") && (line.contains(" lead") || line.contains("election"));
        assert_eq!(log.lines().find(alarm), None, "a transfer is planned work");
    }

    let before: Vec<usize> = cluster.watched().iter().map(|node| node.log().len()).collect();
    cluster.node(target).kill().await;
    cluster.coffeectl(["wait", "--for", "quorum"]).ok().await;
    let new = cluster.leader().await;
    for (node, from) in cluster.watched().iter().zip(before).filter(|(node, _)| node.name() != target) {
        let lost = format!("stands for election: {target} was not heard for ");
        let follows = format!("follows {new} term=");
        let expected: &[&str] = if node.name() == new { &[&lost, "leads now term="] } else { &[&follows] };
        for words in expected {
            assert!(node.log().says(from, words, PATIENCE).await, "{words}: {}", node.log().tail(20));
        }
        let log = node.log().tail(node.log().len() - from);
        let line = log.lines().find(|line| line.contains(expected[expected.len() - 1])).expect("it is there");
        assert!(line.contains(" after_ms="), "{line}");
    }
    let count = async |node: &str, metric: &str, reason: &str| {
        let node = cluster.watched().iter().find(|other| other.name() == node).expect("a node");
        node.metric(metric, &[&format!("reason=\"{reason}\"")]).await
    };
    assert!(count(&new, "coffeed_raft_elections_started_total", "leader_silent").await >= 1.0);
    assert!(count(&old, "coffeed_raft_leaderships_lost_total", "transfer").await >= 1.0);
}

/// To the others such a node is merely late.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_not_scheduled_says_so() {
    let cluster = Cluster::of(1).with("[admin]\nlisten = \"127.0.0.1:0\"\n").start().await;
    let node = &cluster.watched()[0];
    let stalls = "coffeed_scheduling_stalls_total";
    let before = node.metric(stalls, &[]).await;
    node.signal("STOP").await;
    sleep(Duration::from_millis(600)).await;
    node.signal("CONT").await;
    assert!(
        node.log().says(0, "this process was not scheduled for ", PATIENCE).await,
        "{}",
        node.log().tail(20)
    );
    assert!(node.metric(stalls, &[]).await > before);
    assert!(node.metric("coffeed_scheduling_stall_max_seconds", &[]).await >= 0.4);
}

/// Whether a line is a warning or an error, other than of a slow machine.
fn is_alarm(line: &&str) -> bool {
    (line.contains(" WARN ") || line.contains("ERROR ")) && !line.contains("::monitor::pace:")
}

/// Restarts of each node in turn, and nodes that are taken down and booted again.
#[tokio::test(flavor = "multi_thread")]
async fn planned_work_raises_no_alarm() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let begin: Vec<usize> = cluster.nodes().iter().map(|node| node.log().len()).collect();
    for node in ["ming", "hong", "peng"] {
        assert!(cluster.node(node).stop().await.success());
        cluster.node(node).start().await;
        cluster.coffeectl(["wait", "--for", "synced", "--node", node]).ok().await;
    }
    let leader = cluster.leader().await;
    let other = if leader == "hong" { "peng" } else { "hong" };
    for node in [other, &leader] {
        cluster.coffeectl(["down", node, "--yes"]).ok().await;
        assert!(cluster.node(node).ended().await.success());
        cluster.node(node).start().await;
        cluster.coffeectl(["boot", node]).ok().await;
        cluster.coffeectl(["wait", "--for", "synced", "--node", node]).ok().await;
    }
    let mut says_stops = false;
    for (node, begin) in cluster.nodes().iter().zip(begin) {
        let log = node.log().tail(node.log().len() - begin);
        let alarms: Vec<&str> = log.lines().filter(is_alarm).collect();
        assert!(alarms.is_empty(), "{}: {alarms:#?}", node.name());
        says_stops |= log.contains("peer stops");
    }
    assert!(says_stops, "the others say that a node stops");
}

/// A node that announces its stop and does not return is worth a warning after a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stays_away_is_warned_of() {
    let mut cluster = Cluster::of(3).start().await;
    let begin = cluster.node("ming").log().len();
    assert!(cluster.node("peng").stop().await.success());
    let log = cluster.node("ming").log().clone();
    assert!(log.says(begin, "failed to connect to a peer", 2 * PATIENCE).await, "{}", log.tail(20));
    let stops = log.tail(log.len() - begin);
    assert!(stops.contains("peer stops"), "it was announced: {stops}");
    cluster.node("peng").start().await;
    assert!(log.says(begin, "peer reachable again", PATIENCE).await, "{}", log.tail(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_is_changed_while_a_node_runs() {
    let mut cluster = Cluster::of(1).start().await;
    assert_eq!(cluster.coffeectl(["log-level"]).ok().await, "ming logs info\n");
    let before = cluster.node("ming").log().len();
    let changed = cluster.coffeectl(["log-level", "trace"]).ok().await;
    assert_eq!(changed, "ming logs trace now, until it restarts\n");
    let log = cluster.node("ming").log().clone();
    assert!(log.says(before, "admin test log-level trace: done", PATIENCE).await, "{}", log.tail(20));
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
