//! From the first feature level to that of this build, under load: histories and watches begin in the middle
//! of it.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions},
};

use crate::{PATIENCE, THIS, ends_clean, orders::Orders, roll, this_build};

/// Watches at each node, which begin one after the other while the level is raised.
const WATCHES: usize = 8;

/// Restarts every node with this build, raises the level, and restarts every node again. Returns
/// the figures.
async fn rise_under_load(cluster: &mut Cluster) -> String {
    let client = cluster.client(Role::Writer).with_timeout(PATIENCE);
    let options = LoadOptions { writers: 8, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    let mut orders = Orders::start(cluster);
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");
    assert_eq!(cluster.json(["upgrade", "status"]).await["level"], 1);
    // Each asks its node again and again until the level is raised.
    orders.watch(cluster, 3, WATCHES);
    roll(cluster, &mut load, None).await;
    let done = cluster.coffeectl(["upgrade", "finish", "--yes"]).ok().await;
    assert_eq!(done, format!("the cluster is at feature level {THIS} now: it was at 1\n"));
    orders.watch(cluster, 3, 1);
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow at the new level");
    roll(cluster, &mut load, None).await;

    let began = orders.verify().await;
    let moments: BTreeSet<_> = began.iter().collect();
    let record = ends_clean(cluster, load, &client).await;
    client.close().await;
    let writes = record.acknowledged();
    format!("{} watches began at {} revisions; {writes} writes acknowledged", began.len(), moments.len())
}

/// The backup is the golden one, which is of the first level.
#[tokio::test(flavor = "multi_thread")]
async fn watches_that_begin_while_the_level_is_raised_are_told_what_was_written() {
    let mut cluster = Cluster::of(3).prepare();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/backup_file.hex");
    let hex: String = fs::read_to_string(golden).expect("readable").split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    let file = cluster.folder().join("first.backup");
    fs::write(&file, bytes).expect("writable");
    let config = cluster.node(SHOPS[0]).config();
    let (code, said) = this_build(&config, &["restore", &file.display().to_string()]).await;
    assert_eq!(code, Some(0), "{said}");
    cluster.node(SHOPS[0]).start().await;
    cluster.coffeectl_via(SHOPS[0], ["wait", "--for", "leader"]).ok().await;
    for name in &SHOPS[1..3] {
        cluster.node(name).start().await;
        cluster.coffeectl_via(SHOPS[0], ["boot", name]).ok().await;
    }
    println!("{}", rise_under_load(&mut cluster).await);
}

/// With a build that knows the first level alone: `COFFEE_PAST` is its `coffeed`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an earlier build; tests/README.md has the command"]
async fn an_earlier_build_is_replaced_under_load() {
    let Some(past) = env::var_os("COFFEE_PAST").map(PathBuf::from) else {
        println!("skipped: an earlier build: COFFEE_PAST is not set");
        return;
    };
    let mut cluster = Cluster::of(3).prepare();
    cluster.nodes().iter_mut().for_each(|node| node.use_build(Some(past.clone())));
    cluster.found(3).await;
    println!("{}", rise_under_load(&mut cluster).await);
}
