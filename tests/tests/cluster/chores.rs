//! The chores of an operator, from the first start to a restore, as the documentation has them:
//! how many commands each takes, how long, and what a bystander that writes all the time sees.
//!
//! A command is what an operator types, loops unrolled; starting or stopping a daemon is one.
//! Copying files between hosts is none: the nodes share a folder here.

use std::{fmt::Write as _, fs, process::Command, time::Duration};

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    timeline::{Success, Timeline},
    tracer::{DelayedSyncs, SyncDelay},
};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::unix::pipe,
    sync::watch,
    task::JoinSet,
    time::{Instant, interval},
};

use crate::support::coffeed::{coffeed, coffeed_alone, word_after};

/// Loops of the bystander, and the pause between the writes of each.
const LOOPS: usize = 3;
const WRITE_EVERY: Duration = Duration::from_millis(250);

/// Added to each sync of a slow disk.
const DISK_DELAY: Duration = Duration::from_millis(300);

/// The restart command of `rolling restart`: tells the test which node, and waits for it.
const ASK_FOR_RESTART: &str = "echo \"$1\" >\"$0.asked\"; read -r _ <\"$0.done\"";

/// Writes all the time, as clients of a shop do, with default timeouts.
struct Bystander {
    client: Client,
    stop: watch::Sender<bool>,
    loops: JoinSet<(Timeline, usize)>,
    began: Instant,
}

impl Bystander {
    fn start(cluster: &Cluster) -> Self {
        let client = cluster.client(Role::Writer);
        let stop = watch::Sender::new(false);
        let mut loops = JoinSet::new();
        for n in 0..LOOPS {
            loops.spawn(write_all_the_time(client.clone(), format!("bystander/{n}"), stop.subscribe()));
        }
        Self { client, stop, loops, began: Instant::now() }
    }

    /// Returns the failed writes, and the longest time without a success.
    async fn ends(self) -> (usize, Duration) {
        let ended = Instant::now();
        self.stop.send_replace(true);
        let loops = self.loops.join_all().await;
        let failed = loops.iter().map(|(_, failed)| failed).sum();
        let mut all = Timeline::default();
        for (successes, _) in loops {
            all.merge(successes);
        }
        (failed, all.longest_gap_between(self.began, ended).span)
    }
}

async fn write_all_the_time(
    client: Client,
    key: String,
    mut stop: watch::Receiver<bool>,
) -> (Timeline, usize) {
    let (mut successes, mut failed) = (Timeline::default(), 0);
    let mut ticks = interval(WRITE_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return (successes, failed),
        }
        let begun = Instant::now();
        match client.set(key.as_str(), "latte").await {
            Ok(_) => successes.push(Success { begun, ended: Instant::now() }),
            Err(_) => failed += 1,
        }
    }
}

/// A cluster in the hands of an operator, whose commands are counted.
struct CountedCommands {
    cluster: Cluster,
    commands: usize,
    table: String,
}

impl CountedCommands {
    async fn ctl<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) -> String {
        self.commands += 1;
        self.cluster.coffeectl(words).ok().await
    }

    async fn ctl_via(&mut self, node: &str, words: &[&str]) -> String {
        self.commands += 1;
        self.cluster.coffeectl_via(node, words.iter().copied()).ok().await
    }

    async fn coffeed(&mut self, node: &str, words: &[&str]) -> String {
        self.commands += 1;
        coffeed(self.cluster.node(node), words).await.ok()
    }

    async fn start(&mut self, node: &str) {
        self.commands += 1;
        self.cluster.node(node).start().await;
    }

    async fn stop(&mut self, node: &str) {
        self.commands += 1;
        self.cluster.node(node).stop().await;
    }

    /// A node's disk is lost. Not the operator's doing.
    async fn lose(&mut self, node: &str) {
        self.cluster.node(node).kill().await;
        self.cluster.node(node).wipe();
    }

    fn address(&mut self, node: &str) -> String {
        self.cluster.node(node).address().to_string()
    }

    /// Begins a chore.
    fn begin(&mut self) -> (Bystander, Instant) {
        self.commands = 0;
        (Bystander::start(&self.cluster), Instant::now())
    }

    /// Ends a chore: it took at most so many commands, and failed a write only if it may.
    async fn end(&mut self, chore: &str, begun: (Bystander, Instant), commands_max: usize, may_fail: bool) {
        let took = begun.1.elapsed();
        let (failed, gap) = begun.0.ends().await;
        let commands = self.commands;
        assert!(commands <= commands_max, "{chore} took {commands} commands, more than {commands_max}");
        assert!(failed == 0 || may_fail, "{chore}: {failed} writes failed");
        let (seconds, gap) = (took.as_secs_f64(), gap.as_secs_f64());
        let shown = if may_fail { "the cluster is down".to_owned() } else { format!("{failed}, {gap:.2} s") };
        writeln!(self.table, "| {chore} | {commands} | {seconds:.1} | {shown} |").expect("to a string");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_chores() {
    let mut operator = first_start().await;
    members(&mut operator).await;
    lost_quorum(&mut operator).await;
    rotation_and_backups(&mut operator).await;
    why_slow(&mut operator).await;
    scripts(&mut operator).await;
    println!(
        "| chore | commands | s | bystander: failed writes, longest gap |\n|---|---|---|---|\n{}",
        operator.table
    );
}

/// 1: certificates, four nodes, and the first write.
async fn first_start() -> CountedCommands {
    let cluster = Cluster::of(4).and_waiting(1).prepare();
    let began = Instant::now();
    let mut operator = CountedCommands { cluster, commands: 0, table: String::new() };
    operator.ctl(["cert", "ca", "--replace"]).await;
    for node in SHOPS {
        operator.ctl(["cert", "node", node, "--replace"]).await;
    }
    for role in ["admin", "writer", "reader"] {
        operator.ctl(["cert", "client", role, "test", "--replace"]).await;
    }
    // Of the former CA, which would not be renewed; no chore needs it.
    let backup = ["cert", "client", "backup", "test", "--replace"];
    operator.cluster.coffeectl(backup).ok().await;
    for node in &SHOPS[..4] {
        operator.start(node).await;
        if *node == "ming" {
            operator.ctl_via("ming", &["init", "ming"]).await;
        }
    }
    for node in &SHOPS[1..4] {
        operator.ctl(["boot", node]).await;
    }
    operator.ctl(["set", "order/1", "latte"]).await;
    let commands = operator.commands;
    assert!(commands <= 18, "{commands}");
    let seconds = began.elapsed().as_secs_f64();
    writeln!(operator.table, "| 1 certificates, four nodes, first write | {commands} | {seconds:.1} | - |")
        .expect("to a string");
    operator
}

/// 2 to 6: nodes come, fail, restart and go.
async fn members(operator: &mut CountedCommands) {
    let begun = operator.begin();
    operator.start("hu").await;
    let address = operator.address("hu");
    operator.ctl(["boot", "hu", "--address", &address]).await;
    operator.end("2 a fifth node", begun, 2, false).await;

    operator.cluster.coffeectl(["transfer", "ming"]).ok().await;
    for (chore, node, next) in
        [("3 disk lost, follower", "hong", "ming"), ("3b disk lost, leader", "peng", "peng")]
    {
        operator.cluster.coffeectl(["transfer", next]).ok().await;
        operator.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let begun = operator.begin();
        operator.lose(node).await;
        operator.start(node).await;
        operator.ctl(["wait", "--for", "voter", "--node", node]).await;
        operator.ctl(["wait", "--for", "synced", "--node", node]).await;
        operator.end(chore, begun, 3, false).await;
    }

    let begun = operator.begin();
    rolling_restart(operator).await;
    operator.end("4 restart all five", begun, 1, false).await;

    let leader = operator.cluster.leader().await;
    let other = if leader == "ming" { "hong" } else { "ming" };
    let begun = operator.begin();
    operator.ctl(["transfer", other]).await;
    operator.end("5 move the leader", begun, 1, false).await;

    let begun = operator.begin();
    operator.ctl(["down", "long", "--yes"]).await;
    operator.ctl(["node", "remove", "long", "--yes"]).await;
    operator.end("6 take a node out for good", begun, 2, false).await;
    let long = operator.cluster.node("long");
    assert!(long.ended().await.success());
    long.wipe();
    long.start().await;
    operator.cluster.coffeectl(["boot", "long"]).ok().await;
}

/// One command restarts all; the test is the service manager that it asks.
async fn rolling_restart(operator: &mut CountedCommands) {
    let pipe = operator.cluster.folder().join("restart").display().to_string();
    for end in ["asked", "done"] {
        let made = Command::new("mkfifo").arg(format!("{pipe}.{end}")).status();
        assert!(made.expect("mkfifo runs").success());
    }
    operator.commands += 1;
    let exec = format!("sh -c '{ASK_FOR_RESTART}' {pipe} {{node}}");
    let roll = operator.cluster.coffeectl(["rolling", "restart", "--yes", "--exec", &exec]).ok();
    // Open at both ends, so that neither side waits for the other, nor sees an end.
    let mut options = pipe::OpenOptions::new();
    options.read_write(true);
    let asked = options.open_receiver(format!("{pipe}.asked")).expect("it is a pipe");
    let mut done = options.open_sender(format!("{pipe}.done")).expect("it is a pipe");
    let restart = async {
        let mut asked = BufReader::new(asked).lines();
        for _ in SHOPS {
            let node = asked.next_line().await.expect("readable").expect("a node");
            operator.cluster.node(&node).stop().await;
            operator.cluster.node(&node).start().await;
            done.write_all(b"done\n").await.expect("writable");
        }
    };
    tokio::join!(roll, restart);
}

/// 7: three of five disks are gone for good.
async fn lost_quorum(operator: &mut CountedCommands) {
    operator.cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let begun = operator.begin();
    for node in ["ming", "hong", "peng"] {
        operator.lose(node).await;
    }
    let mut reports = Vec::new();
    for node in ["long", "hu"] {
        operator.stop(node).await;
        let report = operator.coffeed(node, &["recover"]).await;
        let path = operator.cluster.folder().join(format!("{node}.report"));
        fs::write(&path, report).expect("writable");
        reports.push(path.display().to_string());
    }
    operator.commands += 1;
    let verdict = coffeed_alone(&["recover", "compare", &reports[0], &reports[1]]).await.ok();
    let first = word_after(&verdict, "most advanced:").to_owned();
    let other = if first == "long" { "hu" } else { "long" };
    let said = operator.coffeed(&first, &["recover", "--yes"]).await;
    let cluster = word_after(&said, "--cluster").to_owned();
    operator.start(&first).await;
    operator.ctl_via(&first, &["wait", "--for", "leader"]).await;
    operator.ctl_via(&first, &["set", "order/1", "mocha"]).await;
    operator.end("7 quorum lost, to the first write", begun, 9, true).await;

    let begun = operator.begin();
    let from = operator.address(&first);
    operator.coffeed(other, &["rebuild", "--cluster", &cluster, "--from", &from]).await;
    operator.start(other).await;
    for node in ["ming", "hong", "peng"] {
        operator.start(node).await;
        operator.ctl_via(&first, &["boot", node]).await;
    }
    operator.ctl_via(&first, &["boot", other]).await;
    operator.ctl(["wait", "--for", "synced"]).await;
    operator.end("7 .. and back to five nodes", begun, 10, true).await;
}

/// 8 and 9: another CA, a backup, and a new cluster from it.
async fn rotation_and_backups(operator: &mut CountedCommands) {
    let begun = operator.begin();
    for words in [
        &["cert", "ca", "--rotate"][..],
        &["reload"],
        &["cert", "renew", "--all"],
        &["reload"],
        &["cert", "ca", "--drop-old", "--yes"],
        &["reload"],
    ] {
        operator.ctl(words.iter().copied()).await;
        // A program that keeps a connection takes up its new certificate.
        begun.0.client.renew(&operator.cluster.credentials(Role::Writer)).expect("it is valid");
    }
    operator.end("8 rotate the CA", begun, 6, false).await;

    let backup = format!("{}/chores.backup", operator.cluster.folder().display());
    let begun = operator.begin();
    operator.ctl(["backup", &backup]).await;
    operator.ctl(["backup", "verify", &backup]).await;
    operator.end("9 back up and verify", begun, 2, false).await;

    let begun = operator.begin();
    for node in SHOPS {
        operator.stop(node).await;
    }
    let ming = operator.cluster.node("ming").data();
    fs::rename(&ming, ming.with_extension("old")).expect("moved away");
    let said = operator.coffeed("ming", &["restore", &backup]).await;
    let cluster = word_after(&said, "--cluster").to_owned();
    operator.start("ming").await;
    operator.ctl_via("ming", &["wait", "--for", "leader"]).await;
    operator.ctl_via("ming", &["set", "order/1", "tea"]).await;
    operator.end("9b restore, to the first write", begun, 9, true).await;

    let begun = operator.begin();
    let from = operator.address("ming");
    for node in &SHOPS[1..] {
        operator.coffeed(node, &["rebuild", "--cluster", &cluster, "--from", &from]).await;
        operator.start(node).await;
        operator.ctl_via("ming", &["boot", node]).await;
    }
    operator.ctl(["wait", "--for", "synced"]).await;
    operator.end("9b .. and back to five nodes", begun, 13, true).await;
    assert_eq!(operator.cluster.coffeectl(["get", "order/1"]).ok().await, "tea");
}

/// 10: writes are slow, since three of five disks are. The operator sees it, asks why, and is told.
#[expect(clippy::print_stdout, reason = "a skipped chore prints the reason")]
async fn why_slow(operator: &mut CountedCommands) {
    if let Some(reason) = SyncDelay::missing() {
        println!("skipped: chore 10: {reason}");
        return;
    }
    let leader = operator.cluster.leader().await;
    let slow: Vec<&str> = SHOPS.into_iter().filter(|shop| *shop != leader).take(3).collect();
    let pids: Vec<u32> = slow.iter().map(|node| operator.cluster.node(node).pid()).collect();
    let delays = join_all(pids.iter().map(|pid| SyncDelay::of(*pid, DISK_DELAY, DelayedSyncs::All))).await;
    let begun = operator.begin();
    operator.commands += 1;
    let bench = ["bench", "put", "--clients", "1", "--seconds", "3", "--max-p99", "100ms"];
    let told = operator.cluster.coffeectl(bench).run().await;
    assert_eq!(told.code, Some(1), "{told}");
    assert!(told.stderr.contains("'coffeectl list' names slow disks"), "{told}");
    operator.commands += 1;
    let told = operator.cluster.coffeectl(["list"]).run().await;
    let warning = told.stderr.lines().find(|line| line.starts_with("warning: the disks of "));
    let warning = warning.unwrap_or_else(|| panic!("no warning: {told}"));
    assert!(slow.iter().all(|node| warning.contains(node)), "{slow:?}: {warning}");
    assert!(warning.contains("every write waits for one of them"), "{warning}");
    operator.end("10 why are writes slow: three of five disks", begun, 2, false).await;
    drop(delays);
}

/// 11: wait; a value that only one of two scripts changes; exit codes.
async fn scripts(operator: &mut CountedCommands) {
    let begun = operator.begin();
    operator.ctl(["wait", "--for", "quorum"]).await;
    let row = operator.ctl(["get", "order/1", "--revision"]).await;
    let (revision, value) = row.split_once('\t').expect("a revision, then the value");
    assert_eq!(value, "tea");
    let set = ["set", "order/1", "cocoa", "--if-rev", revision];
    operator.ctl(set).await;
    operator.commands += 1;
    operator.cluster.coffeectl(set).fails(4, "a condition does not hold").await;
    operator.end("11 wait, compare and set", begun, 4, false).await;
}
