//! The order boards of the documents, each beside real daemons: the command in README.md, and the example of
//! the client.

#[path = "../../../client/examples/order_board.rs"]
mod order_board;

use std::{env, fs, path::Path, process::Stdio, time::Duration};

use coffee_client::{Error, Key, Operation};
use coffee_common::{command::Batch, key::Value, protocol::Role};
use coffee_tests::{cluster::Cluster, processes};
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// More than a page has.
const ORDERS: usize = 1100;

#[tokio::test]
async fn the_board_of_the_client_shows_all_orders_and_then_each_change() {
    let cluster = Cluster::of(1).start().await;
    let writer = cluster.client(Role::Writer);
    let names: Vec<String> = (0..ORDERS).map(|n| format!("order/{n:04}")).collect();
    for some in names.chunks(100) {
        let set = |name: &String| {
            Operation::Set(Key::new(name.as_str()).expect("legal"), Value::new("latte").expect("legal"))
        };
        let batch = Batch { conditions: Vec::new(), operations: some.iter().map(set).collect() };
        writer.batch(batch).await.expect("is written");
    }
    let (shown, mut lines) = mpsc::unbounded_channel();
    let reader = cluster.client(Role::Reader);
    let watched = reader.clone();
    let board = tokio::spawn(async move {
        order_board::show_orders(&watched, |line| shown.send(line).expect("the test listens")).await
    });
    let mut next = async || timeout(PATIENCE, lines.recv()).await.expect("in time").expect("goes on");
    for name in &names {
        assert_eq!(next().await, format!("\"{name}\": \"latte\""));
    }
    writer.set("menu/tea", "3").await.expect("is set");
    writer.set("order/0007", "tea\x1b[2J").await.expect("is set");
    writer.delete("order/0008").await.expect("is deleted");
    assert_eq!(next().await, "\"order/0007\": \"tea\\u{1b}[2J\"");
    assert_eq!(next().await, "\"order/0008\" is done (writer test)");
    reader.close().await;
    assert_eq!(board.await.expect("ends"), Err(Error::Closed));
    writer.close().await;
}

/// The command of the section of README.md about the order board.
fn command_of_the_readme() -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("readable");
    let (_, section) = readme.split_once("\n## An order board\n").expect("there is such a section");
    let (_, block) = section.split_once("\n```sh\n").expect("it has a command");
    let (command, _) = block.split_once("\n```\n").expect("the block ends");
    command.to_owned()
}

/// Runs the board in a shell of a person whose variables name the cluster; it writes to a file.
fn run(cluster: &Cluster, command: &str, shown: &Path) -> Child {
    let program = processes::path("coffeectl");
    let folder = program.parent().expect("a folder").display();
    let endpoints: Vec<String> = cluster.addresses().iter().map(ToString::to_string).collect();
    let file = fs::File::options().create(true).append(true).open(shown).expect("writable");
    Command::new("bash")
        .args(["-c", &format!("exec {command}")])
        .env("PATH", format!("{folder}:{}", env::var("PATH").expect("there is a path")))
        .env("COFFEECTL_CERTS", cluster.certs())
        .env("COFFEECTL_AS", "reader-test")
        .env("COFFEECTL_ENDPOINTS", endpoints.join(","))
        .current_dir(cluster.folder())
        .stdin(Stdio::null())
        .stdout(file)
        .kill_on_drop(true)
        .spawn()
        .expect("bash runs")
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let polling = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, polling).await.unwrap_or_else(|_| panic!("{what} in time"));
}

#[tokio::test]
async fn the_board_of_the_readme_goes_on_where_it_ended() {
    let cluster = Cluster::of(1).start().await;
    let (command, shown) = (command_of_the_readme(), cluster.folder().join("shown"));
    let set = async |key: &str, value: &str| cluster.coffeectl(["set", key, value, "-o", "plain"]).ok().await;
    let text = || fs::read_to_string(&shown).expect("readable");
    set("order/1", "before the board").await;

    let mut board = run(&cluster, &command, &shown);
    until("it has a place", || cluster.folder().join("board.cursor").exists()).await;
    set("order/1", "latte").await;
    set("menu/tea", "3").await;
    let last = set("order/2", "tea\u{1b}[2J").await;
    let first = "order/1: latte\norder/2: tea^[[2J\n";
    until("both are shown", || text() == first).await;
    // A change that was shown is told again if the command has not ended yet.
    let place = || fs::read_to_string(cluster.folder().join("board.cursor")).expect("readable");
    until("the cursor has moved", || place().starts_with(&format!("{} ", last.trim()))).await;
    processes::signal(board.id().expect("it runs"), "INT").await;
    let ended = timeout(PATIENCE, board.wait()).await.expect("in time").expect("it ended");
    assert_eq!(ended.code(), Some(130), "as a shell says of Ctrl-C");

    cluster.coffeectl(["del", "order/1"]).ok().await;
    set("order/3", "mocha").await;
    let mut board = run(&cluster, &format!("{command} --count 3"), &shown);
    set("order/2", "coffee").await;
    let ended = timeout(PATIENCE, board.wait()).await.expect("in time").expect("it ended");
    assert!(ended.success(), "{ended}");
    assert_eq!(text(), format!("{first}order/1 is done\norder/3: mocha\norder/2: coffee\n"));
}
