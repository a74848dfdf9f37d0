//! Three members of etcd on loopback, with certificates on both sides.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use coffee_client::{CredentialFiles, cert};
use coffee_common::{id::NodeName, protocol::Role};
use rustls::ClientConfig;
use tokio::time::{Instant, interval, timeout_at};

use crate::etcd_client::{Etcd, tls};

const MEMBERS: usize = 3;

/// They take no longer to choose a leader.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running cluster. Its processes end with it, its folder goes.
pub(crate) struct Members {
    processes: Vec<Child>,
    clients: Vec<SocketAddr>,
    tls: Arc<ClientConfig>,
    folder: tempfile::TempDir,
}

/// What `etcd --version` says first, or why there is none.
pub(crate) fn version() -> Result<String, String> {
    let output = Command::new("etcd")
        .arg("--version")
        .output()
        .map_err(|error| format!("etcd cannot be run: {error} (Debian: apt-get install etcd-server)"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().and_then(|line| line.rsplit(' ').next().map(str::to_owned)).ok_or(text)
}

/// Ports that were free a moment ago, all at once so that they differ.
fn addresses(count: usize) -> Vec<SocketAddr> {
    let open = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let listeners: Vec<TcpListener> = (0..count).map(open).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect()
}

struct Certificates {
    member: CredentialFiles,
    client: CredentialFiles,
}

fn certificates(folder: &Path) -> Certificates {
    let name = |text| NodeName::new(text).expect("a legal name");
    let keep = cert::Existing::Keep;
    let loopback = [cert::AltName::Ip(Ipv4Addr::LOCALHOST.into())];
    cert::create_ca(folder, keep).expect("a CA");
    let member = cert::issue_node(folder, &name("member"), &loopback, cert::LEAF_DAYS, keep);
    let client = cert::issue_client(folder, Role::Writer, &name("load"), cert::LEAF_DAYS, keep);
    let files = |issued: Result<cert::Issued, cert::CertError>| {
        issued.expect("a certificate").credential_files().expect("it has a key")
    };
    Certificates { member: files(member), client: files(client) }
}

impl Members {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("etcd-cluster-").tempdir().expect("a folder");
        let certificates = certificates(&folder.path().join("certs"));
        let all = addresses(2 * MEMBERS);
        let (clients, peers) = all.split_at(MEMBERS);
        let initial: Vec<String> =
            peers.iter().enumerate().map(|(n, peer)| format!("m{n}=https://{peer}")).collect();
        let start = |n: usize| {
            let log = std::fs::File::create(folder.path().join(format!("m{n}.log"))).expect("a log");
            let (client, peer) = (format!("https://{}", clients[n]), format!("https://{}", peers[n]));
            let files = &certificates.member;
            Command::new("etcd")
                .args(["--name", &format!("m{n}"), "--data-dir"])
                .arg(folder.path().join(format!("m{n}")))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &initial.join(","), "--initial-cluster-state", "new"])
                .args(["--client-cert-auth", "--peer-client-cert-auth"])
                .args(["--logger", "zap", "--log-level", "error", "--quota-backend-bytes", "8589934592"])
                .arg("--trusted-ca-file")
                .arg(&files.ca)
                .arg("--peer-trusted-ca-file")
                .arg(&files.ca)
                .arg("--cert-file")
                .arg(&files.cert)
                .arg("--peer-cert-file")
                .arg(&files.cert)
                .arg("--key-file")
                .arg(&files.key)
                .arg("--peer-key-file")
                .arg(&files.key)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .expect("etcd can be run")
        };
        let processes = (0..MEMBERS).map(start).collect();
        Self { processes, clients: clients.to_vec(), tls: tls(&certificates.client), folder }
    }

    /// Where the leader answers, once there is one.
    async fn leader(&self) -> SocketAddr {
        let mut looks = interval(Duration::from_millis(50));
        let looking = async {
            loop {
                looks.tick().await;
                for address in &self.clients {
                    let Ok(member) = Etcd::connect(*address, Arc::clone(&self.tls)).await else { continue };
                    if member.leads().await == Ok(true) {
                        return *address;
                    }
                }
            }
        };
        timeout_at(Instant::now() + PATIENCE, looking).await.unwrap_or_else(|_| self.give_up())
    }

    fn give_up(&self) -> ! {
        let log = std::fs::read_to_string(self.folder.path().join("m0.log")).unwrap_or_default();
        panic!("etcd chose no leader; its first member says:\n{log}")
    }

    /// Connections to the leader.
    pub(crate) async fn connections(&self, count: usize) -> Vec<Etcd> {
        let leader = self.leader().await;
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Etcd::connect(leader, Arc::clone(&self.tls)).await.expect("it just answered"));
        }
        connections
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    pub(crate) fn data(&self) -> Vec<PathBuf> {
        (0..MEMBERS).map(|n| self.folder.path().join(format!("m{n}"))).collect()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that ended by itself needs no more.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
