//! One node: its configuration, and its process while it runs.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use coffee_client::Address;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{log::NodeLog, ports};
use crate::{processes, relay::UdpRelay};

/// Longer than any start or stop of a node.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A node of a [`Cluster`](super::Cluster).
#[derive(Debug)]
pub struct NodeProcess {
    name: String,
    host: Host,
    port: u16,
    folder: PathBuf,
    log: NodeLog,
    coffeed: Option<PathBuf>,
    process: Option<Child>,
}

/// Where a node runs.
#[derive(Debug, Clone)]
pub struct Host {
    /// The address that it listens on.
    pub address: IpAddr,
    /// The name that it advertises; `None` for its address.
    pub name: Option<String>,
    /// A command line in which the node's own is run, such as `env` or `nsenter`. May be
    /// empty.
    pub under: Vec<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), name: None, under: Vec::new() }
    }
}

/// How a node joins its cluster.
#[derive(Debug, Clone)]
pub enum Beginning {
    /// Asks these nodes to accept it.
    Join(Vec<Address>),
    /// Waits for `boot` or `init`.
    Wait,
}

impl NodeProcess {
    /// Writes its configuration; `settings` go to the end of the file.
    pub(super) fn new(
        name: &str,
        host: Host,
        top: &Path,
        beginning: &Beginning,
        settings: &str,
        relay: Option<&mut UdpRelay>,
    ) -> Self {
        let folder = top.join(name);
        fs::create_dir_all(&folder).expect("a folder for the node");
        let port = ports::free();
        let node = Self {
            name: name.to_owned(),
            host,
            port,
            folder,
            log: NodeLog::new(),
            coffeed: None,
            process: None,
        };
        let beginning = match beginning {
            Beginning::Join(members) => {
                let members: Vec<String> =
                    members.iter().map(|member| format!("{:?}", member.as_str())).collect();
                format!("join = [{}]", members.join(", "))
            }
            Beginning::Wait => String::new(),
        };
        let relayed =
            relay.map(|relay| Address::from(relay.add(name, node.listen()).expect("a relay for the node")));
        let advertised = relayed.unwrap_or_else(|| node.address());
        let text = format!(
            "name = \"{name}\"\nlisten = \"{}\"\ndata_dir = \"data\"\nadvertise = \"{advertised}\"\n{beginning}\n\n[tls]\n\
             ca = \"../certs/ca.crt\"\ncert = \"../certs/node-{name}.crt\"\nkey = \"../certs/node-{name}.key\"\n{settings}",
            node.listen(),
        );
        node.write_config(&text);
        node
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where others reach it, except through a relay.
    pub fn address(&self) -> Address {
        match &self.host.name {
            Some(name) => format!("{name}:{}", self.port).parse().expect("a legal address"),
            None => self.listen().into(),
        }
    }

    /// Where it listens.
    pub fn listen(&self) -> SocketAddr {
        (self.host.address, self.port).into()
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("coffeed.toml")
    }

    /// Replaces its configuration.
    pub fn write_config(&self, text: &str) {
        fs::write(self.config(), text).expect("the configuration can be written");
    }

    /// Where it serves HTTP, if its cluster does: at the address and the number of the port of QUIC.
    pub fn http(&self) -> SocketAddr {
        self.listen()
    }

    /// Has it serve HTTP from its next start on.
    pub(super) fn serve_http(&self) {
        let text = fs::read_to_string(self.config()).expect("it has a configuration");
        self.write_config(&format!("{text}\n[http]\nlisten = \"{}\"\n", self.http()));
    }

    /// Makes it listen on another port from its next start on, and ask these nodes if it cannot
    /// find its peers.
    pub fn move_to_another_port(&mut self, others: &[Address]) {
        let text = fs::read_to_string(self.config()).expect("it has a configuration");
        let (listen, address) = (self.listen().to_string(), self.address());
        self.port = ports::free();
        let others: Vec<&str> = others.iter().map(Address::as_str).collect();
        let without_join = text.lines().filter(|line| !line.starts_with("join = "));
        let text: String = without_join.map(|line| format!("{line}\n")).collect();
        let text = text.replace(&listen, &self.listen().to_string());
        let text = text.replace(address.as_str(), self.address().as_str());
        self.write_config(&format!("join = {others:?}\n{text}"));
    }

    /// Its log output.
    pub fn log(&self) -> &NodeLog {
        &self.log
    }

    /// Whether it has a process. One that ended on its own counts until it is waited for.
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Uses another build of `coffeed` from its next start on; `None` for this one.
    pub fn use_build(&mut self, coffeed: Option<PathBuf>) {
        self.coffeed = coffeed;
    }

    /// Starts its process, and waits until it serves.
    pub async fn start(&mut self) {
        self.start_with(&[]).await;
    }

    /// Like [`Self::start`], with additional flags.
    pub async fn start_with(&mut self, flags: &[&str]) {
        let from = self.log.len();
        self.spawn(flags);
        self.says_from(from, "listening").await;
    }

    /// Starts its process with additional flags, and does not wait.
    pub fn spawn(&mut self, flags: &[&str]) {
        let coffeed = self.coffeed.clone().unwrap_or_else(|| processes::path("coffeed"));
        let mut command = match self.host.under.split_first() {
            None => Command::new(coffeed),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(coffeed);
                command
            }
        };
        command.arg("--config").arg(self.config()).args(flags);
        self.run(command);
    }

    /// Starts its process with a limit on file sizes in bytes: to the process it is a
    /// full disk.
    pub fn spawn_with_file_limit(&mut self, bytes: u64) {
        let mut command = Command::new("sh");
        // The limit is in blocks of 512 bytes (POSIX). Without the trap, the signal that
        // accompanies the error would end the process.
        let script = format!("trap '' XFSZ; ulimit -f {} && exec \"$0\" --config \"$1\"", bytes / 512);
        command.arg("-c").arg(script).arg(processes::path("coffeed")).arg(self.config());
        self.run(command);
    }

    fn run(&mut self, mut command: Command) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        // As in its unit (`deploy/coffeed.service`).
        command.env("MIMALLOC_ALLOW_THP", "0").env("MIMALLOC_PURGE_DELAY", "10");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("coffeed starts");
        self.log.follow(child.stderr.take().expect("standard error is ours"));
        self.process = Some(child);
    }

    /// Waits until its log contains `words`, from line `from` on.
    pub async fn says_from(&self, from: usize, words: &str) {
        let said = self.log.says(from, words, PATIENCE).await;
        assert!(said, "{} does not say {words:?}:\n{}", self.name, self.log.tail(50));
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        let process = self.process.as_mut().expect("it runs");
        process.start_kill().expect("it can be killed");
        self.ended().await;
    }

    /// Stops it with SIGTERM, and waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }

    /// Sends it a signal: `TERM`, `INT`, `KILL`, `STOP`, `CONT`.
    pub async fn signal(&self, signal: &str) {
        processes::signal(self.pid(), signal).await;
    }

    /// Returns the id of its process, which must run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().and_then(Child::id).expect("it runs")
    }

    /// Waits for the end of its process.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        match timeout(PATIENCE, process.wait()).await {
            Ok(status) => status.expect("it is our process"),
            Err(_) => panic!("{} does not end:\n{}", self.name, self.log.tail(50)),
        }
    }

    /// Deletes its data, as if it had a new disk. The node must not run.
    pub fn wipe(&self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        fs::remove_dir_all(self.data()).expect("its data can be removed");
    }
}
