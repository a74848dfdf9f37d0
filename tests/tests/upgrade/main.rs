//! Two versions in one cluster of real processes: this build, and the *future* one, which knows one
//! feature level more (`--cfg coffee_future`). Also from the first level to that of this build.
//!
//! ```text
//! cargo test -p coffee-tests --test upgrade -- --ignored --nocapture
//! ```

mod first_level;
mod future;
mod orders;
mod rounds;
mod verbs;

use std::{fs, path::Path, time::Duration};

use coffee_client::Client;
use coffee_common::{feature_level::LEVEL_MAX, protocol::Role};
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    load::{Load, LoadOptions, WriteRecord, verify},
    processes,
};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

/// The feature level of this build, and that of the next version.
const THIS: u32 = LEVEL_MAX.0;
const NEXT: u32 = THIS + 1;

/// Restarts each node with a build, the leader last, while writes flow.
async fn roll(cluster: &mut Cluster, load: &mut Load, build: Option<&Path>) {
    let leader = cluster.leader().await;
    let mut names: Vec<&str> = SHOPS[..3].iter().copied().filter(|name| *name != leader).collect();
    names.push(&leader);
    for name in names {
        let node = cluster.node(name);
        assert_eq!(node.stop().await.code(), Some(0));
        node.use_build(build.map(Path::to_owned));
        node.start().await;
        cluster.coffeectl(["wait", "--for", "synced", "--node", name]).ok().await;
        assert!(load.acknowledges(50, PATIENCE).await, "writes flow");
    }
}

/// Ends the load: no write may have failed or be lost, and no two nodes may differ. Returns the writes.
async fn ends_clean(cluster: &Cluster, load: Load, client: &Client) -> WriteRecord {
    let record = load.stop().await;
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
    let found = verify(client, &record).await.expect("it can be read");
    assert!(found.is_clean(), "{found}");
    for node in cluster.watched() {
        assert!(!node.log().tail(usize::MAX).contains("state differs"), "{}", node.name());
    }
    record
}

/// Runs an offline verb or a start of this build on a node's data; returns its exit code and errors.
async fn this_build(config: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(processes::path("coffeed"));
    command.arg("--config").arg(config).args(words).kill_on_drop(true);
    let output = command.output().await.expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "compiles all crates a second time, for minutes; tests/README.md has the command"]
async fn nodes_are_upgraded_and_taken_back_under_load_until_the_upgrade_is_finished() {
    let coffeed = future::command("coffeed");
    let mut cluster = Cluster::of(3).and_waiting(1).start().await;
    let client = cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let options = LoadOptions { writers: 16, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow");

    // A request that the nodes do not know fails alone.
    let touch = ["upgrade", "touch", "ming"];
    future::coffeectl(&cluster, &touch).fails(1, "which does not know this request").await;
    verbs::run_all(&mut cluster, Some(&coffeed), "new command").await;
    let number = ["settings", "set", "future_number", "7"];
    future::coffeectl(&cluster, &number).fails(2, "there is no setting 'future_number'").await;

    // One node is upgraded, and leads and follows beside the others.
    let status = cluster.coffeectl(["upgrade", "status"]).ok().await;
    assert!(status.ends_with(&format!("at feature level {THIS}; no node knows a higher one\n")), "{status}");
    let hong = cluster.node("hong");
    hong.stop().await;
    hong.use_build(Some(coffeed.clone()));
    hong.start().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "hong"]).ok().await;
    cluster.coffeectl(["transfer", "hong"]).ok().await;
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow through a leader of the next version");
    let status = cluster.coffeectl(["upgrade", "status"]).ok().await;
    assert!(
        status.contains(&format!("ming knows level {THIS}"))
            && status.contains(&format!("peng knows level {THIS}")),
        "{status}"
    );
    cluster.coffeectl(["upgrade", "finish", "--yes"]).fails(8, "not known at ming, peng").await;

    // All are upgraded, taken back, and upgraded again.
    roll(&mut cluster, &mut load, Some(&coffeed)).await;
    future::coffeectl(&cluster, &touch).fails(8, format!("this needs feature level {NEXT}")).await;
    cluster.coffeectl(number).fails(8, format!("this needs feature level {NEXT}")).await;
    verbs::run_all(&mut cluster, None, "old command").await;
    let plan = cluster.coffeectl(["upgrade", "finish", "--dry-run"]).ok().await;
    assert!(
        plan.starts_with(&format!("plan: raise the feature level of the cluster from {THIS} to {NEXT}")),
        "{plan}"
    );
    roll(&mut cluster, &mut load, None).await;
    roll(&mut cluster, &mut load, Some(&coffeed)).await;

    cluster.coffeectl(["upgrade", "finish"]).fails(8, "confirmation is missing").await;
    let done = cluster.coffeectl(["upgrade", "finish", "--yes"]).ok().await;
    assert_eq!(done, format!("the cluster is at feature level {NEXT} now: it was at {THIS}\n"));
    let again = cluster.json(["upgrade", "finish", "--yes"]).await;
    assert_eq!((&again["to"], &again["changed"]), (&NEXT.into(), &false.into()), "{again}");
    future::coffeectl(&cluster, &touch).ok().await;
    // A command of this version changes and shows a setting that it does not know.
    cluster.coffeectl(number).ok().await;
    let shown = cluster.coffeectl(["settings", "show", "future_number", "-o", "plain"]).ok().await;
    assert_eq!(shown, "future_number\t7\t0\n");
    assert!(load.acknowledges(100, PATIENCE).await, "writes flow at the new level");

    // This build refuses the data, in every way, and changes nothing.
    let peng = cluster.node("peng");
    peng.stop().await;
    let (config, identity) = (peng.config(), peng.data().join("identity.toml"));
    let before = fs::read(&identity).expect("it has an identity");
    let newer = format!("was written by a newer version of coffeed (level {NEXT}; this build knows {THIS})");
    for words in [&[][..], &["recover"], &["recover", "--yes"], &["rebuild", "--from", "127.0.0.1:9"]] {
        let (code, said) = this_build(&config, words).await;
        assert!(
            code == Some(2) && said.contains(&newer) && !said.contains("damaged"),
            "{words:?}: {code:?} {said}"
        );
        assert_eq!(fs::read(&identity).expect("it has an identity"), before, "{words:?}");
    }
    cluster.node("peng").start().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "peng"]).ok().await;

    // Nor is a node of this build admitted, which says why; one of the next version is.
    let long = cluster.node("long").address();
    let boot = ["boot", "long", "--address", long.as_str()];
    let why = format!("the cluster is at feature level {NEXT}, and long knows level {THIS} only");
    cluster.coffeectl(boot).fails(8, why).await;
    let node = cluster.node("long");
    node.stop().await;
    node.use_build(Some(coffeed.clone()));
    node.start().await;
    cluster.coffeectl(boot).ok().await;
    cluster.coffeectl(["wait", "--for", "synced", "--node", "long"]).ok().await;
    let text = fs::read_to_string(cluster.node("long").data().join("identity.toml")).expect("it has one");
    assert!(text.contains(&format!("\nlevel = {NEXT}\n")), "{text}");

    // A backup of the next version is refused with the version that reads it.
    let file = cluster.folder().join("later.backup").display().to_string();
    cluster.coffeectl(["backup", &file]).ok().await;
    let verified = cluster.json(["backup", "verify", &file]).await;
    assert_eq!(verified["level"], NEXT, "{verified}");
    let data = cluster.folder().join("restored").display().to_string();
    let (code, said) = this_build(&config, &["--data-dir", &data, "restore", &file]).await;
    assert!(
        code == Some(2) && said.contains(&format!("a newer version of coffeed (level {NEXT}")),
        "{code:?} {said}"
    );

    ends_clean(&cluster, load, &client).await;
    client.close().await;
}

/// Golden bytes and samples among them: what this build writes stays as it is in the next one.
#[test]
#[ignore = "compiles all crates a second time, for minutes; tests/README.md has the command"]
fn the_unit_tests_pass_in_the_next_version() {
    future::test_units();
}

/// With the setting, the leader raises the level by itself once every member knows it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "compiles all crates a second time, for minutes; tests/README.md has the command"]
async fn an_upgrade_is_finished_by_itself_if_the_cluster_is_set_so() {
    let coffeed = future::command("coffeed");
    let mut cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["settings", "set", "upgrade_finish", "automatic"]).ok().await;
    let level = async |cluster: &mut Cluster| cluster.json(["upgrade", "status"]).await["level"].clone();
    for name in SHOPS[..3].iter().copied() {
        assert_eq!(level(&mut cluster).await, THIS, "{name} does not know the next level");
        let node = cluster.node(name);
        node.stop().await;
        node.use_build(Some(coffeed.clone()));
        node.start().await;
        cluster.coffeectl(["wait", "--for", "synced", "--node", name]).ok().await;
    }
    let risen = async {
        while level(&mut cluster).await != NEXT {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, risen).await.expect("the leader raises the level");
}
