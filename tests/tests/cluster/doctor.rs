//! `coffeectl doctor` on a cluster that is well, and on one that is not.

use coffee_tests::{cluster::Cluster, coffeectl::CoffeectlOutput};
use serde_json::Value;

/// Returns the checks with this result, as check and node.
fn checks<'a>(document: &'a Value, result: &str) -> Vec<(&'a str, Option<&'a str>)> {
    let checks = document["checks"].as_array().expect("a list");
    let with = checks.iter().filter(|check| check["result"] == result);
    with.map(|check| (check["check"].as_str().expect("a name"), check["node"].as_str())).collect()
}

fn document(ended: &CoffeectlOutput) -> Value {
    serde_json::from_str(&ended.stdout()).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_found_and_the_rest_is_checked() {
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let healthy = cluster.coffeectl(["doctor", "-o", "json", "--timeout", "30s"]).run().await;
    assert_eq!(healthy.code, Some(0), "{healthy}");
    let found = document(&healthy);
    assert_eq!(checks(&found, "FAIL"), [], "{healthy}");
    let passed = checks(&found, "PASS");
    // Links may be slow on a machine with other work.
    for check in ["reach", "packets", "clock", "state", "certificate"] {
        for node in ["ming", "hong", "peng"] {
            assert!(passed.contains(&(check, Some(node))), "{check} {node}: {healthy}");
        }
    }
    for check in ["quorum", "membership", "version", "level", "writes", "cluster", "ca", "clock"] {
        assert!(passed.contains(&(check, None)), "{check}: {healthy}");
    }

    // One endpoint is enough: the others are found from its list.
    let via_one = cluster.coffeectl_via("hong", ["doctor", "--timeout", "30s"]).ok().await;
    assert!(via_one.contains(" 0 FAIL\n") && via_one.contains("reach        peng  PASS"), "{via_one}");

    // A follower: without a leader more checks would fail.
    cluster.coffeectl(["transfer", "ming"]).ok().await;
    cluster.node("peng").kill().await;
    for via in ["ming", "peng"] {
        let ended = cluster.coffeectl_via(via, ["doctor", "-o", "json", "--timeout", "30s"]).run().await;
        assert_eq!(ended.code, Some(1), "{ended}");
        if via == "ming" {
            let found = document(&ended);
            assert_eq!(checks(&found, "FAIL"), [("reach", Some("peng"))], "{ended}");
            assert!(checks(&found, "WARN").contains(&("quorum", None)), "{ended}");
            assert!(ended.stdout().contains("start coffeed on its host"), "{ended}");
        }
    }

    // Without a quorum the nodes that are left are checked, too.
    cluster.node("hong").kill().await;
    let table = cluster.coffeectl(["doctor", "--timeout", "30s"]).ends_with(1).await;
    for line in [
        "quorum       -     FAIL  ",
        "reach        hong  FAIL  ",
        "reach        ming  PASS  ",
        "clock        ming  PASS",
    ] {
        assert!(table.contains(line), "{line}: {table}");
    }
    // A timeout that is shorter than a dial bounds it as well.
    let begun = tokio::time::Instant::now();
    cluster.coffeectl(["doctor", "--timeout", "1s"]).ends_with(1).await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_a_failed_check() {
    let cluster = Cluster::of(1).start().await;
    let certs = cluster.folder().join("certs");
    let key = certs.join("admin-test.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("is changed");
    let table = cluster.coffeectl(["doctor"]).ends_with(1).await;
    assert!(table.contains("certificate  -     FAIL  ") && table.contains("hint: chmod 600"), "{table}");
}
