//! Every verb of a command of one version at nodes of the other.

use std::path::PathBuf;

use coffee_tests::{cluster::Cluster, coffeectl::Coffeectl};

use crate::future;

/// The verbs that change no membership; `FILE` is a new file. The exit code 0 is expected of each.
const VERBS: &[&str] = &[
    "list",
    "status",
    "status -v",
    "can-stop hong",
    "wait --for leader",
    "wait --for quorum",
    "wait --for synced",
    "set verbs/1 latte",
    "set verbs/2 mocha --if-absent",
    "get verbs/1",
    "get verbs/1 --consistency local",
    "keys verbs/",
    "del verbs/1",
    "del verbs/2",
    "log-level",
    "log-level info",
    "reload",
    "transfer peng",
    "down hong --dry-run",
    "boot hong",
    "upgrade status",
    "settings",
    "settings set data_bytes_max 64GiB",
    "settings show data_bytes_max",
    "settings unset data_bytes_max",
    "timers suggest",
    "backup FILE",
    "bench mixed --clients 2 --keys 10 --seconds 1 --warm-up 0 --min-rate 1",
];

/// Runs every verb with the command of one version, or of this one, and then takes a node down and
/// boots it.
pub(crate) async fn run_all(cluster: &mut Cluster, coffeectl: Option<&PathBuf>, label: &str) {
    let file = cluster.folder().join(format!("{label}.backup")).display().to_string();
    for line in VERBS {
        let words: Vec<&str> =
            line.split(' ').map(|word| if word == "FILE" { &file } else { word }).collect();
        command(cluster, coffeectl, &words).ok().await;
    }
    command(cluster, coffeectl, &["down", "hong", "--yes"]).ok().await;
    assert!(cluster.node("hong").ended().await.success());
    cluster.node("hong").start().await;
    command(cluster, coffeectl, &["boot", "hong"]).ok().await;
    command(cluster, coffeectl, &["wait", "--for", "synced", "--node", "hong"]).ok().await;
}

fn command(cluster: &Cluster, coffeectl: Option<&PathBuf>, words: &[&str]) -> Coffeectl {
    match coffeectl {
        Some(_) => future::coffeectl(cluster, words),
        None => cluster.coffeectl(words.iter().copied()),
    }
}
