//! Members of etcd on loopback, with certificates on both sides.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use coffee_client::{CredentialFiles, bench::Failed, cert};
use coffee_common::{id::NodeName, protocol::Role};
use rustls::ClientConfig;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    contestant::{Contestant, TimerSetting, until_done},
    etcd_client::{EtcdConnection, tls},
    etcd_members::{Etcd, Members},
    http::HttpEndpoint,
};

/// Longer than any process takes to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections of the cluster's own clients: one per member.
const CLIENTS: usize = 3;

/// A cluster. Its processes and its folder live as long as the value.
pub(crate) struct EtcdCluster {
    processes: Vec<Option<Child>>,
    clients: Vec<SocketAddr>,
    peers: Vec<SocketAddr>,
    certificates: EtcdCertificates,
    tls: Arc<ClientConfig>,
    timers: TimerSetting,
    folder: tempfile::TempDir,
}

/// Returns etcd's version, or why it cannot be run.
pub(crate) fn version() -> Result<String, String> {
    let output = std::process::Command::new("etcd")
        .arg("--version")
        .output()
        .map_err(|error| format!("etcd cannot be run: {error} (Debian: apt-get install etcd-server)"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().and_then(|line| line.rsplit(' ').next().map(str::to_owned)).ok_or(text)
}

/// Returns ports that were free a moment ago, bound at the same time so that they differ.
fn addresses(count: usize) -> Vec<SocketAddr> {
    let open = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let listeners: Vec<TcpListener> = (0..count).map(open).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect()
}

struct EtcdCertificates {
    member: CredentialFiles,
    client: CredentialFiles,
}

fn certificates(folder: &Path) -> EtcdCertificates {
    let name = |text| NodeName::new(text).expect("a legal name");
    let keep = cert::Existing::Keep;
    let loopback = [cert::AltName::Ip(Ipv4Addr::LOCALHOST.into())];
    cert::create_ca(folder, None, keep).expect("a CA");
    let member = cert::issue_node(folder, &name("member"), &loopback, cert::LEAF_DAYS, keep);
    let client = cert::issue_client(folder, Role::Writer, &name("load"), cert::LEAF_DAYS, keep);
    let files = |issued: Result<cert::Issued, cert::CertError>| {
        issued.expect("a certificate").credential_files().expect("it has a key")
    };
    EtcdCertificates { member: files(member), client: files(client) }
}

impl EtcdCluster {
    fn command(&self, n: usize) -> Command {
        let initial: Vec<String> =
            self.peers.iter().enumerate().map(|(n, peer)| format!("m{n}=https://{peer}")).collect();
        let (client, peer) = (format!("https://{}", self.clients[n]), format!("https://{}", self.peers[n]));
        let files = &self.certificates.member;
        let log = std::fs::File::options().create(true).append(true).open(self.log(n)).expect("a log");
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("m{n}"), "--data-dir"])
            .arg(self.folder.path().join(format!("m{n}")))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &initial.join(","), "--initial-cluster-state", "new"])
            .args(["--client-cert-auth", "--peer-client-cert-auth"])
            .args(["--logger", "zap", "--log-level", "error", "--quota-backend-bytes", "8589934592"]);
        if self.timers == TimerSetting::Tuned {
            // etcd requires an election timeout of at least five heartbeats, and minimums
            // of 10 and 50 ms.
            command.args(["--heartbeat-interval", "15", "--election-timeout", "75"]);
        }
        for (option, file) in [("trusted-ca", &files.ca), ("cert", &files.cert), ("key", &files.key)] {
            command.arg(format!("--{option}-file")).arg(file).arg(format!("--peer-{option}-file")).arg(file);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        command
    }

    fn log(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("m{n}.log"))
    }

    async fn connect(&self, n: usize) -> Result<EtcdConnection, Failed> {
        EtcdConnection::open(self.clients[n], Arc::clone(&self.tls)).await
    }

    async fn ended(&mut self, n: usize) -> ExitStatus {
        let mut process = self.processes[n].take().expect("it runs");
        let ended = timeout(PATIENCE, process.wait()).await;
        ended.unwrap_or_else(|_| panic!("etcd does not end")).expect("it is our process")
    }
}

impl Contestant for EtcdCluster {
    type Target = Etcd;

    fn prepare(nodes: usize, timers: TimerSetting) -> Self {
        let folder = tempfile::Builder::new().prefix("etcd-cluster-").tempdir().expect("a folder");
        let certificates = certificates(&folder.path().join("certs"));
        let all = addresses(2 * nodes);
        let (clients, peers) = all.split_at(nodes);
        Self {
            processes: (0..nodes).map(|_| None).collect(),
            clients: clients.to_vec(),
            peers: peers.to_vec(),
            tls: tls(&certificates.client, b"h2"),
            certificates,
            timers,
            folder,
        }
    }

    async fn found(&mut self) {
        for n in 0..self.processes.len() {
            self.spawn(n).await;
        }
        self.leader().await;
    }

    async fn spawn(&mut self, node: usize) {
        assert!(self.processes[node].is_none(), "it runs already");
        self.processes[node] = Some(self.command(node).spawn().expect("etcd can be run"));
    }

    async fn kill(&mut self, node: usize) {
        self.processes[node].as_mut().expect("it runs").start_kill().expect("it can be killed");
        self.ended(node).await;
    }

    async fn stop(&mut self, node: usize) {
        let pid = self.processes[node].as_ref().and_then(Child::id).expect("it runs");
        coffee_tests::processes::signal(pid, "TERM").await;
        self.ended(node).await;
    }

    async fn leader(&self) -> usize {
        let running = || (0..self.processes.len()).filter(|n| self.processes[*n].is_some());
        let looking = async || {
            let mut why = Failed { kind: "no leader", text: String::new() };
            for n in running() {
                let asked = async { self.connect(n).await?.status().await };
                match asked.await {
                    Ok(status) if status.leader == status.member => return Ok(n),
                    Ok(_) => {}
                    Err(failed) => why = failed,
                }
            }
            Err(why)
        };
        let log = std::fs::read_to_string(self.log(0)).unwrap_or_default();
        until_done(&format!("an election of etcd (its first member says: {log})"), looking).await
    }

    async fn transfer(&mut self) {
        let leader = self.leader().await;
        let to = self.connect((leader + 1) % self.clients.len()).await.expect("it runs");
        let to = to.status().await.expect("it answers").member;
        self.connect(leader).await.expect("it runs").move_leader(to).await.expect("leadership moves");
    }

    async fn at_leader(&self, connections: usize) -> Vec<Etcd> {
        let leader = self.leader().await;
        let mut targets = Vec::new();
        for _ in 0..connections {
            targets.push(Etcd::only(self.connect(leader).await.expect("it just answered")));
        }
        targets
    }

    fn anywhere(&self) -> Vec<Etcd> {
        let members = Members::new(&self.clients, &self.tls);
        (0..CLIENTS).map(|first| Etcd::any(&members, first)).collect()
    }

    async fn at(&self, node: usize) -> Result<Etcd, Failed> {
        Ok(Etcd::only(self.connect(node).await?))
    }

    fn http(&self) -> Vec<Vec<HttpEndpoint>> {
        let tls = tls(&self.certificates.client, b"http/1.1");
        let endpoint = |address: &SocketAddr| HttpEndpoint {
            address: *address,
            name: address.ip().into(),
            tls: Arc::clone(&tls),
        };
        vec![self.clients.iter().map(endpoint).collect()]
    }

    fn pids(&self) -> Vec<u32> {
        self.processes.iter().flatten().filter_map(Child::id).collect()
    }

    fn data(&self) -> Vec<PathBuf> {
        (0..self.clients.len()).map(|n| self.folder.path().join(format!("m{n}"))).collect()
    }
}
