//! Certificates that allow some keys only, at each node of a cluster.

use coffee_tests::cluster::Cluster;

#[tokio::test]
async fn a_till_uses_its_own_keys_at_every_node() {
    let cluster = Cluster::of(3).start().await;
    let certs = cluster.certs();
    let certs = certs.to_str().expect("UTF-8");
    let client =
        ["cert", "client", "writer", "till", "--keys", "till/ming/", "--keys", "menu/", "--certs", certs];
    cluster.coffeectl(client).ok().await;
    cluster
        .coffeectl(["cert", "client", "admin", "boss", "--keys", "menu/", "--certs", certs])
        .fails(2, "readers and writers")
        .await;
    cluster.coffeectl(["set", "till/hong/1", "latte"]).ok().await;
    // The leader, and two nodes that forward.
    for node in ["ming", "hong", "peng"] {
        let till = |words: &[&str]| {
            cluster.coffeectl_via(node, words.iter().copied().chain(["--as", "writer-till"]))
        };
        till(&["set", "till/ming/1", node]).ok().await;
        assert_eq!(till(&["get", "till/ming/1"]).ok().await, node);
        assert_eq!(till(&["keys", "till/ming/"]).ok().await.trim(), "till/ming/1");
        for words in [
            &["set", "till/hong/1", "stolen"][..],
            &["get", "till/hong/1"],
            &["get", "till/hong/1", "--consistency", "local"],
            &["del", "till/hong/1"],
            &["set", "till/hong/1", "stolen", "--if-rev", "0"],
            &["keys"],
            &["keys", "till/"],
        ] {
            till(words).fails(7, "may use only keys that begin with menu/ or till/ming/").await;
        }
        till(&["status"]).ok().await;
        till(&["list"]).ok().await;
    }
    assert_eq!(cluster.coffeectl(["get", "till/hong/1"]).ok().await, "latte");
}
