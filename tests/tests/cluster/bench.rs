//! `bench` against real daemons: measures, judges, and removes its keys.

use std::time::Duration;

use coffee_tests::cluster::Cluster;
use serde_json::Value;

/// A short run, with bounds that a slow machine meets.
const SHORT: [&str; 11] = [
    "--seconds=1",
    "--warm-up=0",
    "--clients=4",
    "--keys=150",
    "--value-size=100",
    "--max-p99=60s",
    "--max-gap=60s",
    "--timeout=20s",
    "--connections=2",
    "-o",
    "json",
];

async fn keys_left(cluster: &Cluster) -> usize {
    cluster.coffeectl(["keys", "coffeectl-bench/", "-o", "plain"]).ok().await.lines().count()
}

fn operations(report: &Value) -> Vec<&str> {
    let rows = report["operations"].as_array().expect("rows");
    rows.iter().filter_map(|row| row["operation"].as_str()).collect()
}

#[tokio::test]
async fn a_bench_measures_judges_and_cleans_up() {
    let cluster = Cluster::of(1).start().await;
    let bench = |words: &[&'static str]| {
        let words: Vec<&str> = ["bench"].into_iter().chain(words.iter().copied()).chain(SHORT).collect();
        cluster.coffeectl(words)
    };
    let json = |text: String| serde_json::from_str::<Value>(&text).expect("JSON");

    let report = json(bench(&["put", "--min-rate=1"]).ok().await);
    assert_eq!((&report["passed"], &report["removed"]), (&true.into(), &true.into()), "{report}");
    assert_eq!(operations(&report), ["put"], "{report}");
    assert!(report["operations"][0]["count"].as_u64() > Some(0), "{report}");
    assert!(report["operations"][0]["p50_us"].as_u64() > Some(0), "{report}");

    let report = json(bench(&["mixed", "--min-rate=1"]).ok().await);
    assert_eq!(operations(&report), ["put", "get"], "{report}");
    assert_eq!(keys_left(&cluster).await, 0);

    let ran = bench(&["get", "--min-rate=4000000000"]).run().await;
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: the cluster failed the bench: rate\nhint: "), "{}", ran.stderr);
    let report = json(String::from_utf8(ran.stdout).expect("UTF-8"));
    assert_eq!((&report["passed"], operations(&report)), (&false.into(), vec!["get"]), "{report}");
    assert_eq!(keys_left(&cluster).await, 0);

    // When interrupted, it prints which keys it left, and how to delete them.
    let ran = cluster
        .coffeectl(["bench", "get", "--seconds=600", "--keys=150"])
        .signalled("INT", Duration::from_secs(3))
        .await;
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("'coffeectl bench clean'"), "{}", ran.stderr);
    cluster.coffeectl(["set", "coffeectl-bench", "mine"]).ok().await;
    assert_eq!(keys_left(&cluster).await, 150);
    let cleaned = json(cluster.coffeectl(["bench", "clean", "-o", "json"]).ok().await);
    assert_eq!((&cleaned["changed"], &cleaned["removed"]), (&true.into(), &150.into()), "{cleaned}");
    assert_eq!(cluster.coffeectl(["get", "coffeectl-bench"]).ok().await, "mine");
    let cleaned = json(cluster.coffeectl(["bench", "clean", "-o", "json"]).ok().await);
    assert_eq!(cleaned["changed"], false, "{cleaned}");
}

#[tokio::test]
async fn a_bench_that_cannot_begin_says_why() {
    let mut cluster = Cluster::of(1).start().await;
    let address = cluster.node("ming").address();
    let certs = cluster.folder().join("certs");
    let reader = ["bench", "--endpoints", address.as_str(), "--as", "reader-test", "--certs"];
    let words = reader.map(std::ffi::OsString::from).into_iter().chain([certs.into_os_string()]);
    coffee_tests::coffeectl::Coffeectl::new().args(words).ends_with(7).await;
    cluster.coffeectl(["bench", "--keys=1000000", "--key-size=24"]).ends_with(2).await;
    cluster.node("ming").kill().await;
    cluster.coffeectl(["bench", "--timeout=1s"]).ends_with(5).await;
}
