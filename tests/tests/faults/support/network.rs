//! A network for a few nodes: each in its own namespace, on one bridge, with links that
//! can be cut, made lossy or slow in one direction.
//!
//! Packets on a cut link are dropped at the receiver, so the sender does not notice.
//! Lives inside the sandbox, and ends with it.

use std::net::Ipv4Addr;

use coffee_tests::cluster::Host;

use crate::support::machine::{run, run_line};

/// Address of the test itself.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 254);

/// The network of some nodes.
#[derive(Debug)]
pub(crate) struct Network {
    nodes: Vec<(&'static str, Ipv4Addr)>,
}

impl Network {
    /// Creates a network for these nodes.
    pub(crate) fn of(names: &[&'static str]) -> Self {
        run_line("ip link add bridge type bridge");
        run_line(&format!("ip addr add {OUTSIDE}/24 dev bridge"));
        run_line("ip link set bridge up");
        let network =
            Self { nodes: names.iter().copied().zip((1..).map(|n| Ipv4Addr::new(10, 99, 0, n))).collect() };
        for (name, address) in &network.nodes {
            run_line(&format!("ip netns add {name}"));
            run_line(&format!("ip link add {name} type veth peer name eth0 netns {name}"));
            run_line(&format!("ip link set {name} master bridge up"));
            run_line(&format!("ip -n {name} addr add {address}/24 dev eth0"));
            run_line(&format!("ip -n {name} link set eth0 up"));
            run_line(&format!("ip -n {name} link set lo up"));
            network.nft(name, "add table inet f");
            network.nft(name, "add chain inet f in { type filter hook input priority 0; }");
        }
        network
    }

    /// The nodes as hosts of a cluster, in order.
    pub(crate) fn hosts(&self) -> Vec<Host> {
        let under = |name| vec!["nsenter".to_owned(), format!("--net=/run/netns/{name}")];
        self.nodes
            .iter()
            .map(|(name, address)| Host { address: (*address).into(), name: None, under: under(name) })
            .collect()
    }

    /// Cuts the link from `from` to `to`.
    pub(crate) fn cut(&self, from: &str, to: &str) {
        self.nft(to, &format!("add rule inet f in ip saddr {} counter drop", self.address(from)));
    }

    /// Cuts the links between the node and its peers. Clients still reach it.
    pub(crate) fn cut_off(&self, node: &str) {
        self.deafen(node);
        self.mute(node);
    }

    /// Cuts the links from its peers to the node.
    pub(crate) fn deafen(&self, node: &str) {
        self.peers(node).for_each(|peer| self.cut(peer, node));
    }

    /// Cuts the links from the node to its peers.
    pub(crate) fn mute(&self, node: &str) {
        self.peers(node).for_each(|peer| self.cut(node, peer));
    }

    /// Drops `percent` of the packets that the node, or its peers from it, receive.
    pub(crate) fn lose(&self, node: &str, percent: u32) {
        let lose = format!("numgen random mod 100 < {percent} counter drop");
        self.nft(node, &format!("add rule inet f in {lose}"));
        for peer in self.peers(node) {
            self.nft(peer, &format!("add rule inet f in ip saddr {} {lose}", self.address(node)));
        }
    }

    /// Limits the node's link in each direction, with a queue of up to 400 ms.
    pub(crate) fn slow(&self, node: &str, kilobits_per_second: u32) {
        let queue = format!("root tbf rate {kilobits_per_second}kbit burst 4kb latency 400ms");
        run_line(&format!("tc qdisc add dev {node} {queue}"));
        run_line(&format!("tc -n {node} qdisc add dev eth0 {queue}"));
    }

    /// Undoes [`Self::slow`]. Returns how many packets were delayed or dropped.
    pub(crate) fn hasten(&self, node: &str) -> u64 {
        let up = run_line(&format!("tc -n {node} -s qdisc show dev eth0"));
        let down = run_line(&format!("tc -s qdisc show dev {node}"));
        run_line(&format!("tc qdisc del dev {node} root"));
        run_line(&format!("tc -n {node} qdisc del dev eth0 root"));
        number_after(&up, "overlimits ") + number_after(&down, "overlimits ")
    }

    /// Restores all links. Returns how many packets were dropped.
    pub(crate) fn heal(&self) -> u64 {
        let hit = self.nodes.iter().map(|(name, _)| {
            let rules = self.nft(name, "list chain inet f in");
            self.nft(name, "flush chain inet f in");
            rules.lines().map(|line| number_after(line, "counter packets ")).sum::<u64>()
        });
        hit.sum()
    }

    fn peers(&self, node: &str) -> impl Iterator<Item = &'static str> {
        self.nodes.iter().map(|(name, _)| *name).filter(move |name| *name != node)
    }

    fn address(&self, node: &str) -> Ipv4Addr {
        self.nodes.iter().find(|(name, _)| *name == node).expect("a node of the network").1
    }

    fn nft(&self, node: &str, rule: &str) -> String {
        run(&["nsenter", &format!("--net=/run/netns/{node}"), "nft", rule])
    }
}

/// The number that follows `words` in the text; 0 if they do not occur.
fn number_after(text: &str, words: &str) -> u64 {
    let Some((_, rest)) = text.split_once(words) else { return 0 };
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}
