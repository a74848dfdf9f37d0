//! The example programs for HTTP, as their users run them: one of each request in each language, and watches
//! that continue while all nodes are restarted in turn.

use std::{path::Path, process::Stdio, time::Duration};

use coffee_common::protocol::Role;
use coffee_tests::cluster::{Cluster, SHOPS};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples/http");

const PATIENCE: Duration = Duration::from_secs(30);

/// Restarts while the watches run, of one node after the other.
const RESTARTS: usize = 10;

/// The least number of changes meanwhile.
const CHANGES: usize = 1000;

/// Interval between changes.
const PACE: Duration = Duration::from_millis(15);

/// An example program.
struct ExampleProgram {
    language: &'static str,
    file: &'static str,
    /// Options for curl.
    options: &'static str,
    /// A command line that succeeds where the program can run.
    needs: &'static [&'static str],
}

impl ExampleProgram {
    const fn new(
        language: &'static str,
        file: &'static str,
        options: &'static str,
        needs: &'static [&'static str],
    ) -> Self {
        Self { language, file, options, needs }
    }

    /// Whether it can run here. Prints why not.
    #[expect(clippy::print_stdout, reason = "a skipped program prints the reason")]
    async fn can_run(&self) -> bool {
        let mut needs = Command::new(self.needs[0]);
        needs.args(&self.needs[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let can_run = needs.status().await.is_ok_and(|status| status.success());
        if !can_run {
            println!("skipped: {} over HTTP: '{}' fails", self.language, self.needs.join(" "));
        }
        can_run
    }

    /// The command, for a client of this role.
    fn command(&self, cluster: &Cluster, role: Role) -> Command {
        let nodes: Vec<String> =
            cluster.watched().iter().map(|node| format!("https://{}", node.http())).collect();
        let mut command = Command::new(Path::new(EXAMPLES).join(self.file));
        command
            .env("COFFEE_HTTP", nodes.join(" "))
            .env("COFFEE_CERTS", cluster.certs())
            .env("COFFEE_AS", format!("{}-test", role.as_str()))
            .env("CURL_OPTIONS", self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

const ORDERS: [ExampleProgram; 4] = [
    ExampleProgram::new("curl with HTTP/1.1", "orders.sh", "--http1.1", &["curl", "--version"]),
    ExampleProgram::new("curl with HTTP/2", "orders.sh", "--http2", &["sh", "-c", "curl -V | grep -q HTTP2"]),
    ExampleProgram::new("Python with requests", "orders.py", "", &["python3", "-c", "import requests"]),
    ExampleProgram::new("Node", "orders.mjs", "", &["node", "--version"]),
];

const WATCHES: [ExampleProgram; 4] = [
    ExampleProgram::new("a watch with curl, HTTP/1.1", "watch.sh", "--http1.1", &["curl", "--version"]),
    ExampleProgram::new(
        "a watch with curl, HTTP/2",
        "watch.sh",
        "--http2",
        &["sh", "-c", "curl -V | grep -q HTTP2"],
    ),
    ExampleProgram::new("a watch with Python", "watch.py", "", &["python3", "--version"]),
    ExampleProgram::new("a watch with Node", "watch.mjs", "", &["node", "--version"]),
];

#[tokio::test]
async fn an_order_is_made_changed_and_finished_in_each_language() {
    let cluster = Cluster::of(1).over_http().start().await;
    let mut count = 0;
    for program in ORDERS {
        if !program.can_run().await {
            continue;
        }
        count += 1;
        let ended = timeout(PATIENCE, program.command(&cluster, Role::Writer).output()).await;
        let ended = ended.expect("in time").expect("its output is ours");
        let (shown, language) = (String::from_utf8_lossy(&ended.stdout), program.language);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{language}: {shown}{errors}");
        let statuses: Vec<u16> = shown
            .lines()
            .filter_map(|line| line.split(' ').next()?.parse().ok())
            .filter(|status| (100..600).contains(status))
            .collect();
        let expected = [201, 200, 200, 412, 200, 200, 200];
        assert_eq!(
            statuses, expected,
            "{language}: create, read, change, too late, list, count, finish: {shown}"
        );
        assert!(shown.contains("latte") && shown.contains(r#""value":"mocha""#), "{language}: {shown}");
        assert_eq!(cluster.coffeectl(["get", "done/1"]).ok().await, "mocha", "{language}");
        cluster.coffeectl(["get", "order/1"]).fails(3, "there is no key order/1").await;
        assert_eq!(cluster.coffeectl(["get", "count/orders"]).ok().await, count.to_string(), "{language}");
    }
}

/// A change as a program prints it: its revision, key and value.
type PrintedChange = (u64, String, String);

/// A program that watches.
struct ExampleWatch {
    language: &'static str,
    /// Runs until this is dropped.
    _process: Child,
    printed: watch::Receiver<Vec<String>>,
    errors: watch::Receiver<Vec<String>>,
}

impl ExampleWatch {
    fn start(program: &ExampleProgram, cluster: &Cluster, from: u64) -> Self {
        let mut command = program.command(cluster, Role::Reader);
        let mut process = command.args(["feed/", &from.to_string()]).spawn().expect("it starts");
        Self {
            language: program.language,
            printed: lines_of(process.stdout.take().expect("ours")),
            errors: lines_of(process.stderr.take().expect("ours")),
            _process: process,
        }
    }

    /// Waits until it has printed a change of this revision.
    async fn until(&mut self, revision: u64) {
        let of_it = format!(r#""revision":{revision},"changes":["#);
        let printed = self.printed.wait_for(|lines| lines.iter().rev().any(|line| line.contains(&of_it)));
        if !timeout(PATIENCE, printed).await.is_ok_and(|printed| printed.is_ok()) {
            panic!("{} does not print {revision}: {:#?}", self.language, self.errors.borrow());
        }
    }

    /// Returns all changes that it has printed.
    fn changes(&self) -> Vec<PrintedChange> {
        let lines = self.printed.borrow();
        let documents = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let changes = documents.flat_map(|document| document["changes"].as_array().cloned().expect("a list"));
        changes
            .map(|change| {
                let revision = change["revision"].as_u64().expect("a number");
                (revision, text(&change["key"]), text(&change["value"]))
            })
            .collect()
    }

    /// Counts the nodes that it has asked, one after the other.
    fn connections(&self) -> usize {
        self.errors.borrow().iter().filter(|line| line.starts_with("watching https://")).count()
    }
}

/// Collects the lines of a stream.
fn lines_of(stream: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    let mut lines = BufReader::new(stream).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    receiver
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_in_each_language_misses_nothing_while_nodes_are_restarted() {
    let mut cluster = Cluster::of(3).over_http().start().await;
    let writer = cluster.client(Role::Writer).with_timeout(PATIENCE);
    let from = writer.set("other", "before the watches").await.expect("is written").revision.0;
    let mut watches = Vec::new();
    for program in &WATCHES {
        if program.can_run().await {
            watches.push(ExampleWatch::start(program, &cluster, from));
        }
    }
    let (stop, stopped) = watch::channel(false);
    let (wrote, written) = watch::channel(Vec::<PrintedChange>::new());
    let writing = tokio::spawn(async move {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for n in 1.. {
            if *stopped.borrow() && n > CHANGES {
                break;
            }
            pace.tick().await;
            let (key, value) = (format!("feed/{}", n % 7), n.to_string());
            let revision = writer.set(&key, value.clone()).await.expect("is written").revision.0;
            wrote.send_modify(|written| written.push((revision, key, value)));
        }
        writer.close().await;
    });
    let last = || written.borrow().last().map_or(from, |(revision, ..)| *revision);
    let mut next = written.clone();
    next.wait_for(|written| !written.is_empty()).await.expect("the writer begins");
    for watch in &mut watches {
        watch.until(last()).await;
    }
    for restart in 0..RESTARTS {
        // All watches are at the node that is stopped: they ask the nodes in this order, too.
        let shop = SHOPS[restart % 3];
        assert!(cluster.node(shop).stop().await.success(), "{shop}");
        cluster.node(shop).start().await;
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
        let after = last();
        next.wait_for(|written| written.last().is_some_and(|(revision, ..)| *revision > after))
            .await
            .expect("the writer goes on");
        let later = last();
        for watch in &mut watches {
            watch.until(later).await;
        }
    }
    stop.send_replace(true);
    writing.await.expect("all are written");
    for watch in &mut watches {
        watch.until(last()).await;
        let (printed, written) = (watch.changes(), written.borrow());
        let differ = printed.iter().zip(written.iter()).find(|(printed, written)| printed != written);
        assert_eq!((printed.len(), differ), (written.len(), None), "{}", watch.language);
        assert!(written.len() >= CHANGES, "{} changes", written.len());
        assert!(watch.connections() > RESTARTS, "{}: {:#?}", watch.language, watch.errors.borrow());
    }
}
