//! A cluster of real daemons on loopback, in a temporary folder.
//!
//! ```ignore
//! let mut cluster = Cluster::of(5).start().await;
//! cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
//! cluster.node("ming").kill().await;
//! ```
//!
//! Each node has its own configuration file, certificates and process. Nothing outlives
//! the value: processes are killed by their ids, and the folder is deleted. When a test
//! fails, the nodes' logs are printed.

mod log;
mod metrics;
mod node;
mod ports;

use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use coffee_client::{Address, Client, CredentialFiles, Credentials, cert};
use coffee_common::{id::NodeName, protocol::Role};

pub use self::{
    log::NodeLog,
    node::{Beginning, Host, NodeProcess},
};
use crate::{coffeectl::Coffeectl, relay::UdpRelay};

/// The shops, in the order in which they start.
pub const SHOPS: [&str; 5] = ["ming", "hong", "peng", "long", "hu"];

/// Timers with slack for a machine that is busy with other work.
const PATIENT_TIMERS: &str =
    "[timers]\nheartbeat_interval_ms = 100\nelection_timeout_min_ms = 500\nelection_timeout_max_ms = 1000\n";

/// A cluster to be prepared or started.
#[derive(Debug)]
pub struct ClusterPlan {
    members: usize,
    waiting: usize,
    settings: String,
    timers: &'static str,
    hosts: Vec<Host>,
    relay: Option<UdpRelay>,
    coffeed: Option<PathBuf>,
    http: bool,
}

/// A cluster of daemons.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<NodeProcess>,
    relay: Option<UdpRelay>,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Plans a cluster of `members` members.
    pub fn of(members: usize) -> ClusterPlan {
        ClusterPlan {
            members,
            waiting: 0,
            settings: String::new(),
            timers: PATIENT_TIMERS,
            hosts: Vec::new(),
            relay: None,
            coffeed: None,
            http: false,
        }
    }
}

impl ClusterPlan {
    /// Adds nodes that wait for `coffeectl boot`.
    #[must_use]
    pub fn and_waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// Uses the timers of a node without configuration.
    #[must_use]
    pub fn with_default_timers(mut self) -> Self {
        self.timers = "";
        self
    }

    /// Appends these lines (whole sections) to each configuration.
    #[must_use]
    pub fn with(mut self, settings: &str) -> Self {
        self.settings.push_str(settings);
        self
    }

    /// Runs the nodes on these hosts, in the order of [`SHOPS`]; the remaining ones run
    /// on loopback.
    #[must_use]
    pub fn on(mut self, hosts: Vec<Host>) -> Self {
        self.hosts = hosts;
        self
    }

    /// Connects the nodes through this relay.
    #[must_use]
    pub fn through(mut self, relay: UdpRelay) -> Self {
        self.relay = Some(relay);
        self
    }

    /// Uses another build of `coffeed`; `None` for this one.
    #[must_use]
    pub fn built_as(mut self, coffeed: Option<PathBuf>) -> Self {
        self.coffeed = coffeed;
        self
    }

    /// Has each node serve HTTP too (see [`NodeProcess::http`]), with a certificate for its address.
    #[must_use]
    pub fn over_http(mut self) -> Self {
        self.http = true;
        self
    }

    /// Makes certificates and configurations; starts nothing.
    pub fn prepare(mut self) -> Cluster {
        assert!(self.members + self.waiting <= SHOPS.len(), "there are {} shops", SHOPS.len());
        let folder = tempfile::Builder::new().prefix("coffee-cluster-").tempdir().expect("a folder");
        let hosts: &[cert::AltName] =
            if self.http { &[cert::AltName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))] } else { &[] };
        make_certificates(&folder.path().join("certs"), hosts);
        let settings = format!("{}{}", self.timers, self.settings);
        let mut nodes: Vec<NodeProcess> = Vec::new();
        let mut hosts = self.hosts.into_iter();
        for (n, name) in SHOPS.into_iter().take(self.members + self.waiting).enumerate() {
            let beginning = match n {
                n if (1..self.members).contains(&n) => Beginning::Join(vec![nodes[0].address()]),
                _ => Beginning::Wait,
            };
            nodes.push(NodeProcess::new(
                name,
                hosts.next().unwrap_or_default(),
                folder.path(),
                &beginning,
                &settings,
                self.relay.as_mut(),
            ));
        }
        nodes.iter_mut().for_each(|node| node.use_build(self.coffeed.clone()));
        if self.http {
            nodes.iter().for_each(NodeProcess::serve_http);
        }
        Cluster { nodes, relay: self.relay, folder }
    }

    /// Starts the nodes, and waits until every member votes.
    pub async fn start(self) -> Cluster {
        let members = self.members;
        let mut cluster = self.prepare();
        cluster.found(members).await;
        cluster
    }
}

fn make_certificates(folder: &Path, hosts: &[cert::AltName]) {
    let name = |name: &str| NodeName::new(name).expect("a legal name");
    let keep = cert::Existing::Keep;
    cert::create_ca(folder, None, keep).expect("a CA");
    for shop in SHOPS {
        cert::issue_node(folder, &name(shop), hosts, cert::LEAF_DAYS, keep).expect("a node's certificate");
    }
    for role in [Role::Reader, Role::Writer, Role::Admin, Role::Backup] {
        cert::issue_client(folder, role, &name("test"), cert::LEAF_DAYS, keep)
            .expect("a client's certificate");
    }
}

impl Cluster {
    /// Starts the nodes of a prepared cluster, and boots the first `members` of them, so
    /// that they vote.
    pub async fn found(&mut self, members: usize) {
        self.nodes[0].start().await;
        let name = self.nodes[0].name().to_owned();
        // Alone: the others start afterwards.
        self.coffeectl_via(&name, ["init", &name]).ok().await;
        for node in self.nodes.iter_mut().skip(1) {
            node.start().await;
        }
        for name in &SHOPS[1..members.max(1)] {
            self.coffeectl_via(SHOPS[0], ["boot", name]).ok().await;
        }
    }

    /// A node by its name.
    #[track_caller]
    pub fn node(&mut self, name: &str) -> &mut NodeProcess {
        self.nodes.iter_mut().find(|node| node.name() == name).expect("a node of the cluster")
    }

    /// All nodes, in the order of [`SHOPS`].
    pub fn nodes(&mut self) -> &mut [NodeProcess] {
        &mut self.nodes
    }

    /// Like [`Self::nodes`], read-only.
    pub fn watched(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// The relay between the nodes.
    #[track_caller]
    pub fn relay(&self) -> &UdpRelay {
        self.relay.as_ref().expect("the cluster was planned with a relay")
    }

    /// The folder that contains everything.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the certificates: `node-NAME`, and `reader-test`,
    /// `writer-test`, `admin-test`, `backup-test`.
    pub fn certs(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// The addresses of all nodes.
    pub fn addresses(&self) -> Vec<Address> {
        self.nodes.iter().map(NodeProcess::address).collect()
    }

    /// `coffeectl` as an admin that knows every node.
    pub fn coffeectl(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Coffeectl {
        self.coffeectl_at(&self.addresses(), words)
    }

    /// `coffeectl` as an admin that knows one node.
    pub fn coffeectl_via(&self, node: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Coffeectl {
        let node = self.nodes.iter().find(|known| known.name() == node).expect("a node of the cluster");
        self.coffeectl_at(&[node.address()], words)
    }

    fn coffeectl_at(
        &self,
        endpoints: &[Address],
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Coffeectl {
        let endpoints: Vec<&str> = endpoints.iter().map(Address::as_str).collect();
        Coffeectl::new()
            .env("COFFEECTL_ENDPOINTS", endpoints.join(","))
            .env("COFFEECTL_CERTS", self.certs())
            .env("COFFEECTL_AS", "admin-test")
            .args(words)
    }

    /// Waits for a leader, and returns its name.
    pub async fn leader(&self) -> String {
        self.coffeectl(["wait", "--for", "leader"]).ok().await;
        let list: serde_json::Value = self.json(["list"]).await;
        list["leader"].as_str().expect("there is a leader").to_owned()
    }

    /// Returns the output of `coffeectl -o json`.
    pub async fn json<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> serde_json::Value {
        let text = self.coffeectl(words).args(["-o", "json"]).ok().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A client with a certificate of this role, which knows every node.
    pub fn client(&self, role: Role) -> Client {
        let builder = Client::builder().endpoints(self.addresses()).credentials(self.credentials(role));
        builder.build().expect("a client")
    }

    /// The credentials of the test's client of this role.
    pub fn credentials(&self, role: Role) -> Credentials {
        let file = |ending| self.certs().join(format!("{}-test.{ending}", role.as_str()));
        let files = CredentialFiles::new(self.certs().join("ca.crt"), file("crt"), file("key"));
        Credentials::load(&files).expect("certificates that were just made")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                #[expect(clippy::print_stderr, reason = "where a test fails, the logs say why")]
                {
                    eprintln!("--- {} at {}\n{}", node.name(), node.address(), node.log().tail(40));
                }
            }
        }
    }
}
