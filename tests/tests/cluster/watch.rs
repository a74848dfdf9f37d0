//! Watches over real nodes: nothing is skipped and nothing comes twice, whatever fails.

use std::{collections::BTreeMap, time::Duration};

use coffee_client::{
    ChangeKinds, Client, Error, KeyRange, RevisionChanges, Txn, TxnStep, Watch, WatchEvent, WatchOptions,
};
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    relay::{Line, UdpRelay},
};
use tokio::{task::JoinHandle, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);

async fn next(watch: &mut Watch) -> WatchEvent {
    timeout(PATIENCE, watch.next()).await.expect("in time").expect("goes on")
}

/// The next changes, whatever beats come before.
async fn changes(watch: &mut Watch) -> RevisionChanges {
    loop {
        if let WatchEvent::Changes(changes) = next(watch).await {
            return changes;
        }
    }
}

/// Collects changes up to that of a key.
fn collect_until(mut watch: Watch, last: &'static str) -> JoinHandle<Vec<RevisionChanges>> {
    tokio::spawn(async move {
        let mut all = Vec::new();
        loop {
            all.push(changes(&mut watch).await);
            if all
                .iter()
                .flat_map(|changes| &changes.changes)
                .any(|change| change.key.as_text() == Some(last))
            {
                return all;
            }
        }
    })
}

/// A client that asks one node alone.
fn client_of(cluster: &Cluster, number: usize) -> Client {
    let endpoint = cluster.addresses().swap_remove(number);
    let client = Client::builder().endpoints([endpoint]).credentials(cluster.credentials(Role::Reader));
    client.follow_leader(false).build().expect("a client")
}

#[tokio::test]
async fn every_node_tells_all_changes_once_while_nodes_are_killed() {
    let mut cluster = Cluster::of(3).start().await;
    let writer = cluster.client(Role::Writer).with_timeout(Duration::from_secs(30));
    let begin = writer.set("order/begin", "now").await.expect("is set").revision;
    let options = WatchOptions { after: Some(begin), ..WatchOptions::default() };
    let orders = KeyRange::prefix("order/");
    let everywhere = cluster.client(Role::Reader);
    let mut readers: Vec<_> = (0..3).map(|number| client_of(&cluster, number)).collect();
    readers.push(everywhere);
    let collecting: Vec<_> = readers
        .iter()
        .map(|client| collect_until(client.watch(orders.clone(), options), "order/end"))
        .collect();

    let writing = tokio::spawn(async move {
        let mut written = BTreeMap::new();
        for n in 0..300 {
            let key = format!("order/{}", n % 20);
            let done = match n % 3 {
                2 => writer.delete(key.as_str()).await,
                _ => writer.set(key.as_str(), format!("{n}")).await,
            };
            let done = done.expect("is written");
            // A delete of a key that does not exist changes nothing.
            if n % 3 != 2 || done.effects[0].previous.is_some() {
                written.insert(done.revision, key);
            }
            writer.set("menu/other", format!("{n}")).await.expect("is set");
        }
        let end = writer.set("order/end", "now").await.expect("is set").revision;
        written.insert(end, "order/end".to_owned());
        writer.close().await;
        written
    });
    for round in 0..3 {
        let leader = cluster.leader().await;
        let name = if round == 1 { "peng".to_owned() } else { leader };
        cluster.node(&name).kill().await;
        cluster.node(&name).start().await;
        cluster.coffeectl(["wait", "--for", "synced", "--node", &name]).ok().await;
    }
    let written = writing.await.expect("ends");
    for collecting in collecting {
        let seen = collecting.await.expect("ends");
        let found: Vec<_> = seen.iter().map(|changes| changes.revision).collect();
        assert!(found.is_sorted_by(|one, next| one < next), "in order, each once: {found:?}");
        let keys: BTreeMap<_, _> = seen
            .iter()
            .flat_map(|changes| {
                changes.changes.iter().map(|change| (changes.revision, change.key.to_string()))
            })
            .collect();
        assert_eq!(keys, written);
        assert!(seen.iter().all(|changes| changes.author.starts_with("writer ")));
    }
    for reader in readers {
        reader.close().await;
    }
}

/// Clients still reach a node that the other nodes do not: it knows of no change any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_leaves_a_node_that_is_cut_off() {
    let mut cluster = Cluster::of(3).through(UdpRelay::new(1)).prepare();
    cluster.found(3).await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let leader = cluster.leader().await;
    let (cut, other) = match SHOPS[..3].iter().position(|shop| *shop != leader).expect("a follower") {
        0 => (0, SHOPS[..3].iter().position(|shop| *shop == leader).expect("a leader")),
        cut => (cut, 0),
    };
    let addresses = cluster.addresses();
    let endpoints = [addresses[cut].clone(), addresses[other].clone()];
    let client = Client::builder().endpoints(endpoints).credentials(cluster.credentials(Role::Reader));
    let client = client.follow_leader(false).build().expect("a client");
    // Each begins at one of the two, by chance.
    let mut watches: Vec<_> =
        (0..10).map(|_| client.watch(KeyRange::all(), WatchOptions::default())).collect();
    for watch in &mut watches {
        next(watch).await;
    }
    for shop in SHOPS[..3].iter().filter(|shop| **shop != SHOPS[cut]) {
        let line = Line { cut: true, ..Line::default() };
        cluster.relay().set(SHOPS[cut], shop, line);
        cluster.relay().set(shop, SHOPS[cut], line);
    }
    let writer = cluster.client(Role::Writer).with_timeout(Duration::from_secs(30));
    let written = writer.set("order/1", "latte").await.expect("is set").revision;
    for watch in &mut watches {
        assert_eq!(changes(watch).await.revision, written);
    }
    client.close().await;
    writer.close().await;
}

#[tokio::test]
async fn a_watch_begins_with_the_present_and_goes_on_at_its_cursor() {
    let cluster = Cluster::of(1).start().await;
    let client = cluster.client(Role::Admin);
    client.set("order/1", "before").await.expect("is set");
    let mut watch = client.watch(KeyRange::all(), WatchOptions::default());
    let WatchEvent::Beat(begin) = next(&mut watch).await else { panic!("it says where it begins") };
    assert_eq!(watch.cursor(), Some(begin));
    // The changes of a transaction come together.
    let txn = Txn::new().then(TxnStep::set("order/2", "tea")).then(TxnStep::delete("order/1"));
    let done = client.txn(txn).await.expect("takes effect");
    let seen = changes(&mut watch).await;
    assert_eq!((seen.revision, seen.changes.len()), (done.revision, 2));
    assert_eq!(watch.cursor(), Some(done.revision));

    let last = client.set("order/3", vec![b'x'; 100_000]).await.expect("is set").revision;
    let options = WatchOptions {
        after: Some(done.revision),
        with_previous: true,
        kinds: ChangeKinds::Sets,
        ..WatchOptions::default()
    };
    let mut again = client.watch(KeyRange::prefix("order/"), options);
    let seen = changes(&mut again).await;
    let value = seen.changes[0].entry.as_ref().map(|entry| entry.value.as_bytes().len());
    assert_eq!((seen.revision, value, seen.changes[0].previous), (last, Some(100_000), None));
    let replaced = client.set("order/3", "short").await.expect("is set").revision;
    let seen = changes(&mut again).await;
    let previous = seen.changes[0].previous_entry.as_ref().map(|entry| entry.value.as_bytes().len());
    assert_eq!((seen.revision, seen.changes[0].previous, previous), (replaced, Some(last), Some(100_000)));

    client.compact(replaced).await.expect("is compacted");
    let options = WatchOptions { after: Some(begin), ..WatchOptions::default() };
    let compacted = timeout(PATIENCE, client.watch(KeyRange::all(), options).next()).await.expect("in time");
    assert_eq!(compacted, Err(Error::Compacted { floor: replaced }));
    // A beat tells how far there was nothing.
    let beat =
        next(&mut client.watch(
            KeyRange::prefix("none"),
            WatchOptions { after: Some(replaced), ..WatchOptions::default() },
        ))
        .await;
    assert!(matches!(beat, WatchEvent::Beat(upto) if upto >= replaced), "{beat:?}");
    client.close().await;
}

#[tokio::test]
async fn the_command_runs_for_each_change_and_goes_on_where_it_ended() {
    let cluster = Cluster::of(1).start().await;
    let set = async |key: &str, value: &str| cluster.coffeectl(["set", key, value, "-o", "plain"]).ok().await;
    let first: u64 = set("order/1", "latte").await.trim().parse().expect("a revision");
    let from = (first - 1).to_string();
    let seen = cluster.coffeectl(["watch", "order/", "--from", &from, "--count", "1"]).ok().await;
    assert_eq!(seen, format!("{first} set order/1 latte\n"));

    let (cursor, board) = (cluster.folder().join("cursor"), cluster.folder().join("board"));
    let (cursor, board) = (cursor.display().to_string(), board.display().to_string());
    std::fs::write(&cursor, from).expect("writes");
    let exec = format!("echo \"$COFFEE_EVENT $COFFEE_KEY $(cat)\" >> {board}");
    let watch = ["watch", "order/", "--cursor", &cursor, "--exec", &exec, "--count"];
    cluster.coffeectl(watch.into_iter().chain(["1"])).ok().await;
    set("order/2", "tea").await;
    cluster.coffeectl(["del", "order/1"]).ok().await;
    let failing = ["watch", "order/", "--cursor", &cursor, "--exec", "exit 3"];
    cluster
        .coffeectl(failing)
        .fails(1, "the command ended with exit status: 3, for set order/2 at revision ")
        .await;
    cluster.coffeectl(watch.into_iter().chain(["2"])).ok().await;
    assert_eq!(
        std::fs::read_to_string(&board).expect("reads"),
        "set order/1 latte\nset order/2 tea\ndel order/1 \n"
    );
    cluster.coffeectl(["watch", "--from", "1000000"]).fails(2, "has not been reached yet").await;
    let late = ["watch", "order/", "--cursor", &cursor, "--count", "1", "--for", "1s"];
    cluster.coffeectl(late).fails(5, "only 0 of 1 changes were made in time").await;
    cluster.coffeectl(["watch", "order/", "--cursor", &cursor, "--for", "1s"]).ok().await;

    // The changes of a revision are put back, unless a key was changed since.
    let wrong = set("order/2", "coffee").await;
    let undone = cluster.coffeectl(["undo", wrong.trim(), "-o", "plain"]).ok().await;
    assert_eq!(undone, "set\torder/2\n");
    assert_eq!(cluster.coffeectl(["get", "order/2"]).ok().await, "tea");
    cluster.coffeectl(["undo", wrong.trim()]).fails(4, "order/2 has changed since revision ").await;
    cluster.coffeectl(["undo", "1000000"]).fails(2, "has not been reached yet").await;
    let deleted = cluster.coffeectl(["del", "order/2", "-o", "plain"]).ok().await;
    let deleted = deleted.split('\t').next().expect("a revision");
    set("order/2", "x").await;
    cluster.coffeectl(["del", "order/2"]).ok().await;
    cluster.coffeectl(["undo", deleted]).fails(4, "order/2 has changed since revision ").await;
    set("order/2", "tea").await;
    let created = set("order/9", "new").await;
    cluster.coffeectl(["undo", created.trim(), "--dry-run"]).ok().await;
    cluster.coffeectl(["undo", created.trim(), "menu/"]).fails(3, "has changed no key here").await;
    cluster.coffeectl(["undo", created.trim()]).ok().await;
    assert_eq!(cluster.coffeectl(["keys"]).ok().await, "order/2\n");
}

#[tokio::test]
async fn values_before_the_changes_are_shown() {
    let cluster = Cluster::of(1).start().await;
    let set = async |value: &str| {
        let revision = cluster.coffeectl(["set", "order/1", value, "-o", "plain"]).ok().await;
        revision.trim().parse::<u64>().expect("a revision")
    };
    let (first, second) = (set("latte").await, set("tea").await);
    let third = cluster.coffeectl(["del", "order/1", "-o", "plain"]).ok().await;
    let third = third.split_whitespace().next().expect("a revision").to_owned();
    let from = (first - 1).to_string();
    let watch = ["watch", "order/", "--from", &from, "--count", "3", "--prev"];
    let shown = cluster.coffeectl(watch).ok().await;
    assert_eq!(
        shown,
        format!(
            "{first} set order/1 latte\n{second} set order/1 tea (before: latte)\n\
             {third} del order/1 (before: tea)\n"
        )
    );
    let json = cluster.coffeectl(watch).args(["-o", "json"]).ok().await;
    let before =
        |line| serde_json::from_str::<serde_json::Value>(line).expect("a document")["previous_value"].clone();
    let before: Vec<_> = json.lines().map(before).collect();
    assert_eq!(before, [serde_json::Value::Null, "latte".into(), "tea".into()]);
}

/// Two watches that move one place would each skip what the other has told.
#[tokio::test]
async fn a_cursor_is_of_one_cluster_and_of_one_process() {
    let cluster = Cluster::of(1).start().await;
    let cursor = cluster.folder().join("cursor").display().to_string();
    let watch = ["watch", "--cursor", &cursor, "--count", "1"];
    let set = cluster.coffeectl(["set", "order/1", "latte", "-o", "plain"]).ok().await;
    let first: u64 = set.trim().parse().expect("a revision");
    std::fs::write(&cursor, format!("{}\n", first - 1)).expect("writes");
    cluster.coffeectl(watch).ok().await;
    let place = std::fs::read_to_string(&cursor).expect("reads");
    let (revision, id) = place.trim().split_once(' ').expect("a revision and a cluster");
    let asked = cluster.json(["list"]).await["cluster"].clone();
    assert!(asked.to_string().contains(id), "{place}, not {asked}");

    // The command of the first watch runs until the second one was refused.
    cluster.coffeectl(["set", "order/1", "tea"]).ok().await;
    let (runs, refused) = (format!("{cursor}.runs"), format!("{cursor}.refused"));
    let exec =
        format!("touch {runs}; for n in $(seq 1200); do [ -e {refused} ] && exit; sleep 0.05; done; exit 1");
    let first = cluster.coffeectl(watch).args(["--exec", &exec]).ok();
    let second = async {
        let begun = async {
            while !std::path::Path::new(&runs).exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, begun).await.expect("the command of the first watch runs");
        let two = "another process watches with the cursor ";
        cluster.coffeectl(watch).fails(8, two).await;
        std::fs::write(&refused, "").expect("writes");
    };
    tokio::join!(first, second);

    let other = format!("{revision} 00000000000000000000000000c0ffee\n");
    std::fs::write(&cursor, &other).expect("writes");
    cluster.coffeectl(watch).fails(8, "is of cluster 00000000000000000000000000c0ffee, not ").await;
    assert_eq!(std::fs::read_to_string(&cursor).expect("reads"), other);
}
