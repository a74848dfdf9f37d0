//! A node whose databases are damaged: it does not start, and gets all back from the others.

use std::fs;

use coffee_tests::cluster::{Cluster, Node};

use crate::refused::refuses;

const ORDERS: usize = 40;
const PAGE_BYTES: usize = 4096;

/// What happens to the bytes of a file.
type Harm = fn(&mut Vec<u8>);

/// Each leaves nothing of the file to rely on.
const HARMS: [Harm; 4] = [
    |bytes| bytes.truncate(bytes.len() / 2 / PAGE_BYTES * PAGE_BYTES),
    |bytes| bytes.truncate(PAGE_BYTES / 2),
    |bytes| bytes[..64].fill(0),
    // One bit in the middle of each page but the header's.
    |bytes| bytes.iter_mut().skip(PAGE_BYTES + 64).step_by(PAGE_BYTES).for_each(|byte| *byte ^= 1),
];

async fn damaged(file: &str) {
    let mut cluster = Cluster::of(3).start().await;
    for order in 0..ORDERS {
        cluster.coffeectl(["set", &format!("order/{order}"), &format!("latte {order}")]).ok().await;
    }
    cluster.node("hong").stop().await;
    let path = cluster.node("hong").data().join(file);
    let whole = fs::read(&path).expect("readable");
    for harm in HARMS {
        let mut bytes = whole.clone();
        harm(&mut bytes);
        fs::write(&path, bytes).expect("writable");
        refuses(cluster.node("hong"), 1, file).await;
    }
    cluster.coffeectl_via("ming", ["set", "order/0", "mocha"]).ok().await;
    // The hint is right: with its data out of the way, it joins again.
    let before = id_of(&cluster).await;
    let hong: &mut Node = cluster.node("hong");
    fs::rename(hong.data(), hong.data().with_extension("damaged")).expect("moved");
    hong.start().await;
    for goal in ["voter", "synced"] {
        cluster.coffeectl(["wait", "--for", goal, "--node", "hong"]).ok().await;
    }
    assert_ne!(id_of(&cluster).await, before, "it might have voted: it is another one now");
    for order in 0..ORDERS {
        let get = ["get", &format!("order/{order}"), "--consistency", "local"];
        let expected = if order == 0 { "mocha".to_owned() } else { format!("latte {order}") };
        assert_eq!(cluster.coffeectl_via("hong", get).ok().await, expected);
    }
}

async fn id_of(cluster: &Cluster) -> String {
    let list = cluster.json(["list"]).await;
    let nodes = list["nodes"].as_array().expect("nodes");
    let hong = nodes.iter().find(|node| node["name"] == "hong").expect("it is listed");
    hong["id"].as_str().expect("ids are strings").to_owned()
}

#[tokio::test]
async fn a_node_whose_log_is_damaged() {
    damaged("log.redb").await;
}

#[tokio::test]
async fn a_node_whose_state_is_damaged() {
    damaged("state.redb").await;
}
