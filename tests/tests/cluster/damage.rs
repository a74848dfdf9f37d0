//! A node with damaged databases does not start, and is rebuilt from the others.

use std::{fs, path::Path};

use coffee_tests::{cluster::Cluster, processes};
use tokio::process::Command;

use crate::support::{coffeed::word_after, refusal::refuses};

const ORDERS: usize = 40;
const PAGE_BYTES: usize = 4096;

/// A way to damage the bytes of a file.
type Harm = fn(&mut Vec<u8>);

/// Each leaves the file unusable.
const HARMS: [Harm; 4] = [
    |bytes| bytes.truncate(bytes.len() / 2 / PAGE_BYTES * PAGE_BYTES),
    |bytes| bytes.truncate(PAGE_BYTES / 2),
    |bytes| bytes[..64].fill(0),
    // One bit in the middle of each page except the header's.
    |bytes| bytes.iter_mut().skip(PAGE_BYTES + 64).step_by(PAGE_BYTES).for_each(|byte| *byte ^= 1),
];

/// Damages `node` in each way, then rebuilds it from `other`.
async fn damaged(node: &str, other: &str, file: &str) {
    let mut cluster = Cluster::of(3).start().await;
    for order in 0..ORDERS {
        cluster.coffeectl(["set", &format!("order/{order}"), &format!("latte {order}")]).ok().await;
    }
    cluster.node(node).stop().await;
    let path = cluster.node(node).data().join(file);
    let whole = fs::read(&path).expect("readable");
    for harm in HARMS {
        let mut bytes = whole.clone();
        harm(&mut bytes);
        fs::write(&path, bytes).expect("writable");
        refuses(cluster.node(node), 2, file).await;
    }
    cluster.coffeectl_via(other, ["set", "order/0", "mocha"]).ok().await;
    let before = id_of(&cluster, node).await;
    rebuild(&mut cluster, node, other).await;
    cluster.node(node).start().await;
    for goal in ["voter", "synced"] {
        cluster.coffeectl(["wait", "--for", goal, "--node", node]).ok().await;
    }
    assert_ne!(id_of(&cluster, node).await, before, "it might have voted: it is another one now");
    for order in 0..ORDERS {
        let get = ["get", &format!("order/{order}"), "--consistency", "local"];
        let expected = if order == 0 { "mocha".to_owned() } else { format!("latte {order}") };
        assert_eq!(cluster.coffeectl_via(node, get).ok().await, expected);
    }
}

/// The printed hint and a start are sufficient.
async fn rebuild(cluster: &mut Cluster, node: &str, other: &str) {
    let from = cluster.node(other).address().to_string();
    let mut command = Command::new(processes::path("coffeed"));
    command.arg("--config").arg(cluster.node(node).config());
    command.args(["rebuild", "--from", &from]);
    let output = command.output().await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("set-aside-1-") && said.contains("next: "), "{said}");
    let aside = word_after(&said, "the data is now in ");
    assert!(Path::new(aside).join("log.wal").exists(), "nothing is thrown away");
}

async fn id_of(cluster: &Cluster, name: &str) -> String {
    let list = cluster.json(["list"]).await;
    let nodes = list["nodes"].as_array().expect("nodes");
    let node = nodes.iter().find(|node| node["name"] == name).expect("it is listed");
    node["id"].as_str().expect("ids are strings").to_owned()
}

#[tokio::test]
async fn a_node_whose_log_is_damaged() {
    damaged("hong", "ming", "log.wal").await;
}

#[tokio::test]
async fn a_node_whose_state_is_damaged() {
    damaged("hong", "peng", "state.redb").await;
}

/// It must not found another cluster.
#[tokio::test]
async fn the_founder_whose_log_is_damaged() {
    damaged("ming", "hong", "log.wal").await;
}
