//! `coffeectl rolling restart`, with daemons that a script stops and starts.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command, time::Duration};

use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::Cluster,
    load::{Load, LoadOptions, Readers, verify},
    processes,
};

/// Stops a daemon by its pid file and restarts it, as a service manager does. Fails for a
/// node with a file NODE.broken.
const RESTART: &str = r#"set -eu
cd "$(dirname "$0")"
[ ! -e "$1.broken" ] || { echo "no service $1" >&2; exit 9; }
pid=$(cat "$1.pid")
kill -TERM "$pid"
# One whose parent has not waited for it is still there, and runs no more.
while grep -q '^State:[[:space:]][^Z]' "/proc/$pid/status" 2>/dev/null; do sleep 0.02; done
COFFEED --config "$1/coffeed.toml" </dev/null >/dev/null 2>>"$1/log" &
echo $! >"$1.pid"
"#;

/// A cluster, and the script for its nodes. Kills the processes that the script has
/// started.
struct Rolled {
    cluster: Cluster,
    script: PathBuf,
    /// Ids of the processes that the cluster has started.
    first: BTreeMap<String, String>,
}

impl Rolled {
    async fn of(members: usize) -> Self {
        let cluster = Cluster::of(members).start().await;
        let script = cluster.folder().join("restart.sh");
        let coffeed = processes::path("coffeed").display().to_string();
        fs::write(&script, RESTART.replace("COFFEED", &coffeed)).expect("the script is written");
        let nodes = cluster.watched().iter();
        let first: BTreeMap<_, _> =
            nodes.map(|node| (node.name().to_owned(), node.pid().to_string())).collect();
        for (name, pid) in &first {
            fs::write(cluster.folder().join(name).with_extension("pid"), pid).expect("it is written");
        }
        Self { cluster, script, first }
    }

    fn exec(&self) -> String {
        format!("sh {} {{node}}", self.script.display())
    }

    fn pid(&self, node: &str) -> String {
        let file = self.cluster.folder().join(node).with_extension("pid");
        fs::read_to_string(file).expect("it has a pid file").trim().to_owned()
    }

    /// Whether the script has replaced its process.
    fn is_restarted(&self, node: &str) -> bool {
        self.pid(node) != self.first[node]
    }

    fn names(&self) -> Vec<String> {
        self.first.keys().cloned().collect()
    }
}

impl Drop for Rolled {
    fn drop(&mut self) {
        for node in self.names().iter().filter(|node| self.is_restarted(node)) {
            let _ = Command::new("kill").args(["-KILL", &self.pid(node)]).status();
        }
    }
}

/// All five nodes get a new process, no write or read fails, and no read is stale.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_five_nodes_fails_no_write_and_no_read() {
    let rolled = Rolled::of(5).await;
    let client = rolled.cluster.client(Role::Writer).with_timeout(Duration::from_secs(10));
    let options = LoadOptions { writers: 16, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    assert!(load.acknowledges(200, Duration::from_secs(60)).await, "writes flow");
    let reader = rolled.cluster.client(Role::Reader).with_timeout(Duration::from_secs(10));
    let readers = Readers::start(std::slice::from_ref(&reader), load.floors(), options.writers);
    let leader = rolled.cluster.leader().await;

    let roll = ["rolling", "restart", "--yes", "--exec", &rolled.exec()];
    let report = rolled.cluster.json(roll).await;
    assert!(load.acknowledges(200, Duration::from_secs(60)).await, "writes flow on");
    let read = readers.stop().await;
    let record = load.stop().await;

    assert_eq!(report["changed"], true, "{report}");
    let nodes = report["nodes"].as_array().expect("nodes");
    assert_eq!(nodes.len(), 5, "{report}");
    assert!(nodes.iter().all(|node| node["result"] == "restarted"), "{report}");
    assert_eq!((&nodes[4]["node"], &nodes[4]["led"]), (&leader.as_str().into(), &true.into()), "{report}");
    for node in rolled.names() {
        assert!(rolled.is_restarted(&node), "{node} has its old process");
    }
    assert!(record.acknowledged() > 1_000, "too few writes to say anything: {}", record.acknowledged());
    assert_eq!(record.failed(), 0, "{:?}", record.failed_by_kind());
    let found = verify(&client, &record).await.expect("it can be read");
    assert!(found.is_clean(), "{found}");
    assert!(read.answered > 1_000, "too few reads to say anything: {}", read.answered);
    assert!(read.failures.is_empty() && read.stale.is_empty(), "{:?} {:?}", read.failures, read.stale);
    client.close().await;
    reader.close().await;
}

/// The first failure ends the restart; the error says what was done and how to continue.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_failure_ends_it() {
    let mut rolled = Rolled::of(3).await;
    let leader = rolled.cluster.leader().await;
    let followers: Vec<String> = rolled.names().into_iter().filter(|name| *name != leader).collect();
    let (first, second) = (&followers[0], &followers[1]);
    let exec = rolled.exec();
    let roll = ["rolling", "restart", "--exec", &exec, "-o", "plain"];

    // Nothing happens without confirmation, and a dry run only shows the order.
    let ended = rolled.cluster.coffeectl(roll).run().await;
    assert_eq!(ended.code, Some(8), "{ended}");
    let dry = rolled.cluster.coffeectl(roll).args(["--dry-run"]).ok().await;
    let order: Vec<&str> = dry.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(order, [first, second, &leader]);
    assert!(rolled.names().iter().all(|node| !rolled.is_restarted(node)));

    // The second node's restart fails.
    fs::write(rolled.cluster.folder().join(format!("{second}.broken")), "").expect("it is written");
    let ended = rolled.cluster.coffeectl(roll).args(["--yes"]).run().await;
    assert_eq!(ended.code, Some(1), "{ended}");
    let lines: Vec<Vec<String>> =
        ended.stdout().lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    let results: Vec<(&str, &str)> = lines.iter().map(|line| (line[0].as_str(), line[1].as_str())).collect();
    assert_eq!(results, [(first.as_str(), "restarted"), (second, "failed"), (&leader, "left")], "{ended}");
    for said in [
        format!("error: the command for {second} exited with 9\n"),
        format!("hint: it was: sh {} {second}\n", rolled.script.display()),
        format!("no service {second}\n"),
        format!("--nodes {second},{leader}\n"),
    ] {
        assert!(ended.stderr.contains(&said), "{said:?}: {ended}");
    }
    assert!(rolled.is_restarted(first) && !rolled.is_restarted(second) && !rolled.is_restarted(&leader));

    // A command that succeeds without restarting the node.
    let idle = ["rolling", "restart", "--exec", "true {node}", "--yes", "--node-timeout", "3s"];
    let ended = rolled.cluster.coffeectl(idle).args(["--nodes", first]).run().await;
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("the command has not restarted it"), "{ended}");

    // With a node down nothing is restarted unless requested; and never if that loses the
    // quorum.
    rolled.cluster.node(second).kill().await;
    rolled.cluster.coffeectl(roll).args(["--yes"]).fails(8, "is unreachable: nothing was restarted").await;
    let pid = rolled.pid(first);
    let skip = ["--yes", "--skip-down", "--node-timeout", "2s"];
    let ended = rolled.cluster.coffeectl(roll).args(skip).run().await;
    assert_eq!(ended.code, Some(8), "{ended}");
    assert!(ended.stderr.contains("still could not be stopped"), "{ended}");
    assert_eq!(rolled.pid(first), pid);
}
