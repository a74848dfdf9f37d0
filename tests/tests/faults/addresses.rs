//! Hosts with IPv6 alone, names with two addresses of which one is dead, and name servers
//! that are gone.

use std::{fs, net::Ipv6Addr, path::PathBuf, thread};

use coffee_client::Address;
use coffee_tests::cluster::{Cluster, Host, SHOPS};
use tokio::runtime::Runtime;

use crate::support::{
    machine::{Need, run, run_line},
    sandbox,
    wait::within,
};

#[test]
fn a_host_without_ipv4() {
    inside("a host without IPv4", async || {
        run_line("ip addr del 127.0.0.1/8 dev lo");
        let host = || Host { address: Ipv6Addr::LOCALHOST.into(), ..Host::default() };
        let mut cluster = Cluster::of(3).on(vec![host(), host(), host()]).start().await;
        cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
        let leader = cluster.leader().await;
        cluster.node(&leader).kill().await;
        assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
        cluster.coffeectl(["set", "order/2", "mocha"]).ok().await;
        // The default of a daemon without an address of its own.
        let any = format!("[::]:{}", cluster.node(&leader).listen().port());
        cluster.node(&leader).start_with(&["--listen", &any]).await;
        cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    });
}

#[test]
fn names_with_a_dead_address_and_names_that_are_gone() {
    inside("names of nodes", async || {
        let hosts = Hosts::mount();
        hosts.write(&["127.0.0.1", "::1"]);
        let host = |shop: &&str| Host {
            address: Ipv6Addr::UNSPECIFIED.into(),
            name: Some(Hosts::name(shop)),
            under: Vec::new(),
        };
        let mut cluster = Cluster::of(3).on(SHOPS[..3].iter().map(host).collect()).start().await;
        cluster.coffeectl(["set", "order/1", "latte"]).ok().await;

        // IPv6 dies: the other address of each name serves.
        run(&["nft", "add table inet f"]);
        run(&["nft", "add chain inet f in { type filter hook input priority 0; }"]);
        run(&["nft", "add rule inet f in meta nfproto ipv6 udp dport 1-65535 counter drop"]);
        within("writes over IPv4", async || {
            cluster.coffeectl(["set", "order/2", "mocha"]).run().await.code == Some(0)
        })
        .await;

        // The names are gone. Clients know a node's address; the nodes know each other's.
        hosts.write(&[]);
        let leader = cluster.nodes()[0].name().to_owned();
        let at = Address::from(std::net::SocketAddr::from((
            [127, 0, 0, 1],
            cluster.node(&leader).listen().port(),
        )));
        let set = |key: &str| {
            let words = ["--endpoints", at.as_str(), "set", key, "latte"].map(str::to_owned);
            cluster.coffeectl(words.iter().map(String::as_str))
        };
        set("order/3").ok().await;
        // All connections are lost, and made again.
        let lengths: Vec<usize> = cluster.watched().iter().map(|node| node.log().len()).collect();
        run(&["nft", "add rule inet f in udp dport 1-65535 counter drop"]);
        for (node, from) in cluster.watched().iter().zip(lengths) {
            node.says_from(from, "failed to connect to a peer").await;
        }
        run(&["nft", "flush chain inet f in"]);
        within("writes without a name server", async || set("order/4").run().await.code == Some(0)).await;
        drop(cluster);
    });
}

/// `/etc/hosts` of the sandbox.
struct Hosts(PathBuf);

impl Hosts {
    fn mount() -> Self {
        let path = std::env::temp_dir().join(format!("coffee-hosts-{}", std::process::id()));
        fs::write(&path, "").expect("a file can be made");
        run(&["mount", "--bind", path.to_str().expect("text"), "/etc/hosts"]);
        Self(path)
    }

    fn name(shop: &str) -> String {
        format!("{shop}.coffee.invalid")
    }

    /// Gives all shops these addresses.
    fn write(&self, addresses: &[&str]) {
        let names = SHOPS.map(Self::name).join(" ");
        let lines = addresses.iter().map(|address| format!("{address} {names}\n"));
        fs::write(&self.0, lines.collect::<String>()).expect("the file can be written");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a test in a sandbox, if the machine supports it.
#[expect(clippy::print_stdout, reason = "a skipped test prints the reason")]
fn inside(what: &str, test: impl AsyncFnOnce()) {
    if let Some(reason) = Need::Network.missing() {
        println!("skipped: {what}: {reason}");
        return;
    }
    if sandbox::enter(thread::current().name().expect("tests have names")) {
        Runtime::new().expect("a runtime").block_on(test());
    }
}
