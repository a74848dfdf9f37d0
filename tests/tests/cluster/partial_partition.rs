//! Links that fail between some of the nodes only: a majority is connected, and takes writes after
//! an election.
//!
//! Five nodes over a relay; clients reach all of them. `COFFEE_ROUNDS` sets the rounds per shape.

use std::time::Duration;

use coffee_client::Client;
use coffee_common::protocol::Role;
use coffee_tests::{
    cluster::{Cluster, SHOPS},
    relay::{Line, UdpRelay},
    samples::Samples,
};
use tokio::time::{Instant, timeout};

/// The longest time from the cut to an acknowledged write, on a busy machine.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// Writes after the first one; each must succeed.
const WRITES: usize = 20;

/// Which links are left. Nodes are numbers: 0 is the leader.
struct Shape {
    name: &'static str,
    /// Links that work in both directions.
    links: &'static [(usize, usize)],
    /// Links that work in this direction only.
    one_way: &'static [(usize, usize)],
    /// Whether node 4 is killed before.
    one_down: bool,
    /// The nodes that can lead afterwards.
    leaders: &'static [usize],
}

const SHAPES: [Shape; 6] = [
    Shape {
        name: "the leader with one other; three connected",
        links: &[(0, 1), (2, 3), (2, 4), (3, 4)],
        one_way: &[],
        one_down: false,
        leaders: &[2, 3, 4],
    },
    Shape {
        name: "a node down; the leader hears one of three that are connected",
        links: &[(0, 1), (1, 2), (1, 3), (2, 3)],
        one_way: &[],
        one_down: true,
        leaders: &[1, 2, 3],
    },
    Shape {
        name: "a chain with the leader at its end",
        links: &[(0, 1), (1, 2), (2, 3), (3, 4)],
        one_way: &[],
        one_down: false,
        leaders: &[1, 2, 3],
    },
    Shape {
        name: "a star around a follower",
        links: &[(1, 0), (1, 2), (1, 3), (1, 4)],
        one_way: &[],
        one_down: false,
        leaders: &[1],
    },
    Shape {
        name: "all hear the leader, which hears one",
        links: &[(0, 1), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)],
        one_way: &[(0, 2), (0, 3), (0, 4)],
        one_down: false,
        leaders: &[1, 2, 3, 4],
    },
    Shape {
        name: "a star around the leader: it leads on",
        links: &[(0, 1), (0, 2), (0, 3), (0, 4)],
        one_way: &[],
        one_down: false,
        leaders: &[0],
    },
];

impl Shape {
    fn is_open(&self, from: usize, to: usize) -> bool {
        let linked = |(a, b): &(usize, usize)| [(*a, *b), (*b, *a)].contains(&(from, to));
        self.links.iter().any(linked) || self.one_way.contains(&(from, to))
    }

    fn apply(&self, relay: &UdpRelay, nodes: &[&str]) {
        for (from, name) in nodes.iter().enumerate() {
            for (to, other) in nodes.iter().enumerate().filter(|(to, _)| *to != from) {
                relay.set(name, other, Line { cut: !self.is_open(from, to), ..Line::default() });
            }
        }
    }
}

/// The result of one round.
struct CutRound {
    written_after: Duration,
    failed: usize,
    terms: u64,
}

fn rounds() -> usize {
    std::env::var("COFFEE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// The highest term that a node knows.
async fn term(clients: &[Client]) -> u64 {
    let mut terms = Vec::new();
    for client in clients {
        terms.extend(client.status().await.ok().and_then(|status| Some(status.raft?.term)));
    }
    terms.into_iter().max().expect("a node answers")
}

/// Cuts the links, waits for a write, goes on writing and reading, and mends the links.
async fn round(cluster: &mut Cluster, client: &Client, shape: &Shape, value: &str) -> CutRound {
    let leader = cluster.leader().await;
    let followers = SHOPS.into_iter().filter(|shop| *shop != leader);
    let nodes: Vec<&str> = std::iter::once(leader.as_str()).chain(followers).collect();
    if shape.one_down {
        cluster.node(nodes[4]).kill().await;
    }
    let up = if shape.one_down { &nodes[..4] } else { &nodes[..] };
    let each: Vec<Client> = up.iter().map(|node| client_of(cluster, node)).collect();
    let term_before = term(&each).await;
    client.set("order/1", "before").await.expect("it is written");

    shape.apply(cluster.relay(), &nodes);
    let began = Instant::now();
    let mut failed = 0;
    let written = async {
        while client.set("order/1", "after").await.is_err() {
            failed += 1;
        }
    };
    let written = timeout(WRITTEN_WITHIN, written).await;
    let written_after = began.elapsed();
    assert!(written.is_ok(), "{}: no write in {written_after:?}, {failed} failed", shape.name);
    for n in 0..WRITES {
        let written = client.set("order/1", format!("{value}/{n}")).await;
        assert!(written.is_ok(), "{}: write {n}: {written:?}", shape.name);
    }
    let read = client.get("order/1").await.expect("it is read").expect("it is there");
    assert_eq!(read.value.as_bytes(), format!("{value}/{}", WRITES - 1).as_bytes(), "{}", shape.name);
    // Each node that can lead tells who does.
    let mut leaders = Vec::new();
    for client in shape.leaders.iter().map(|node| &each[*node]) {
        let raft = client.status().await.expect("it answers").raft.expect("it is a member");
        let name = |id| raft.nodes.iter().find(|node| node.id == id).map(|node| node.name.to_string());
        leaders.extend(raft.leader.and_then(name));
    }
    let may_lead: Vec<&str> = shape.leaders.iter().map(|node| nodes[*node]).collect();
    assert!(leaders.iter().any(|name| may_lead.contains(&name.as_str())), "{}: {leaders:?}", shape.name);
    let terms = term(&each).await - term_before;

    cluster.relay().set_all(Line::default());
    if shape.one_down {
        cluster.node(nodes[4]).start().await;
    }
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    for client in each {
        client.close().await;
    }
    CutRound { written_after, failed, terms }
}

fn client_of(cluster: &Cluster, node: &str) -> Client {
    let address = cluster.watched().iter().find(|known| known.name() == node).expect("a node").address();
    let credentials = cluster.credentials(Role::Admin);
    let client = Client::builder().endpoints([address]).credentials(credentials).follow_leader(false);
    client.build().expect("a client")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_majority_takes_writes_whatever_links_are_cut() {
    let mut cluster = Cluster::of(5).with_default_timers().through(UdpRelay::new(1)).prepare();
    cluster.found(5).await;
    let client = cluster.client(Role::Writer);
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    println!(
        "| links that are left | a write after, s: median, worst | failed calls | terms: median, worst |"
    );
    println!("|---|---|---|---|");
    for shape in &SHAPES {
        let mut seen = Vec::new();
        for n in 0..rounds() {
            seen.push(round(&mut cluster, &client, shape, &n.to_string()).await);
        }
        let after: Samples = seen.iter().map(|round| round.written_after.as_secs_f64()).collect();
        let terms: Samples = seen.iter().map(|round| coffee_tests::samples::count(round.terms)).collect();
        let failed: usize = seen.iter().map(|round| round.failed).sum();
        println!(
            "| {} | {:.2}, {:.2} | {failed} | {}, {} |",
            shape.name,
            after.median(),
            after.most(),
            terms.median(),
            terms.most()
        );
    }
    client.close().await;
}
