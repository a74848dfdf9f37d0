//! A node with damaged databases does not start, or ends, and is rebuilt from the others.

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

const MIB: usize = 1 << 20;

/// The offset of the middle of a chunk of the log.
const fn middle_of_chunk(n: usize) -> usize {
    4096 + n * 4 * MIB + 2 * MIB
}

/// Flips a bit of the log, of which this is the sound content.
fn flip(log: &Path, sound: &[u8], at: usize) {
    let mut bytes = sound.to_vec();
    bytes[at] ^= 1;
    fs::write(log, bytes).expect("writable");
}

/// Old chunks are read late: one in which the leader changes by consensus at the start, others
/// when a member lags.
#[tokio::test]
async fn a_node_whose_old_log_entries_are_damaged() {
    let mut cluster = Cluster::of(1).and_waiting(1).start().await;
    for half in 0..2 {
        for order in 0..7 {
            let key = format!("order/{half}/{order}");
            cluster.coffeectl(["set", &key, "-"]).stdin("latte ".repeat(MIB / 6)).ok().await;
        }
        // The next term begins in the second chunk.
        let ming = cluster.node("ming");
        ming.stop().await;
        if half == 0 {
            ming.start().await;
        }
    }
    let ming = cluster.node("ming");
    let log = ming.data().join("log.wal");
    let sound = fs::read(&log).expect("readable");

    for chunk in 0..2 {
        flip(&log, &sound, middle_of_chunk(chunk));
        refuses(ming, 2, "log.wal is damaged").await;
        assert!(ming.log().tail(2).contains("hint: if the disk is healthy, run `coffeed rebuild`"));
    }

    flip(&log, &sound, middle_of_chunk(2));
    ming.start().await;
    let from = ming.log().len();
    let address = cluster.node("hong").address().to_string();
    let boot = cluster.coffeectl_via("ming", ["boot", "hong", "--address", &address, "--timeout", "5s"]);
    let ming = cluster.node("ming");
    let (booted, ended) = tokio::join!(boot.run(), ming.ended());
    assert_eq!(ended.code(), Some(2), "{booted} {}", ming.log().tail(20));
    ming.says_from(from, "log.wal is damaged").await;
    ming.says_from(from, "hint: if the disk is healthy, run `coffeed rebuild`").await;
}
