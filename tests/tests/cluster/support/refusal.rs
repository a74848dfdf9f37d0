//! Assertions on nodes that refuse to start, or that a cluster refuses.

use coffee_tests::cluster::{Cluster, NodeProcess};

/// Asserts that the node exits with this code instead of starting, and prints
/// `saying` and a hint.
pub(crate) async fn refuses(node: &mut NodeProcess, code: i32, saying: &str) {
    let from = node.log().len();
    node.spawn(&[]);
    let status = node.ended().await;
    assert_eq!(status.code(), Some(code), "{}", node.log().tail(20));
    node.says_from(from, "error: ").await;
    node.says_from(from, saying).await;
    node.says_from(from, "hint: ").await;
    assert!(!node.log().tail(20).contains("panicked"), "{}", node.log().tail(20));
    assert!(!node.log().tail(20).contains("a bug"), "{}", node.log().tail(20));
}

/// Asserts that `member` cannot boot `stranger`, which belongs to another
/// cluster. On a slow machine the request is retried, and the first attempt may
/// then count as in doubt.
pub(crate) async fn is_kept_out(cluster: &Cluster, member: &str, stranger: &str) {
    let boot = cluster.coffeectl_via(member, ["boot", stranger, "--timeout", "20s"]).run().await;
    assert!(matches!(boot.code, Some(6 | 8)), "{boot}");
    assert!(boot.stderr.contains("belongs to cluster"), "{boot}");
}
