//! A simulated shop: its software, its disk, and what is known of it.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use coffee_client::{Address, CredentialFiles, Credentials, EndpointOptions};
use coffee_common::{id::NodeName, protocol::NodeStatus, quic::Endpoint};
use coffeed::{Closed, Config, Server, node::replica::Replica};

use crate::{
    disk::Disk,
    entropy::{Dice, mix},
    socket::Socket,
    trace::Trace,
};

/// Where nodes listen.
pub(crate) const PORT: u16 = 7400;

/// What the host of a node runs, each time it starts.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) name: NodeName,
    pub(crate) credentials: Credentials,
    pub(crate) disk: Disk,
    pub(crate) folder: PathBuf,
    /// Whom it asks to be let in; the founder asks nobody.
    pub(crate) founder: Option<String>,
    pub(crate) seed: u64,
    pub(crate) trace: Trace,
    pub(crate) life: Arc<Mutex<Life>>,
}

/// What is known of a shop from outside.
#[derive(Default)]
pub(crate) struct Life {
    server: Option<Arc<Server>>,
    /// How often it was started.
    pub(crate) starts: u64,
    /// How it ended by itself, if it did.
    pub(crate) ended: Option<String>,
}

/// An endpoint of the host `name`, which is the one that is running.
pub(crate) async fn endpoint(
    name: &str,
    port: u16,
    credentials: &Credentials,
    seed: u64,
    trace: &Trace,
) -> Result<Endpoint, Box<dyn std::error::Error>> {
    let socket = Socket::bind(turmoil::lookup(name), port, trace.clone()).await?;
    let mut rng_seed = [0; 32];
    rng_seed[..8].copy_from_slice(&mix(seed).to_le_bytes());
    let options = EndpointOptions {
        segmentation_offload: false,
        rng_seed: Some(rng_seed),
        ..EndpointOptions::default()
    };
    Ok(Endpoint::over_socket(socket, port == PORT, credentials, &options)?)
}

impl Shop {
    fn life<T>(&self, work: impl FnOnce(&mut Life) -> T) -> T {
        work(&mut self.life.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it says of itself, while it runs.
    pub(crate) fn status(&self) -> Option<NodeStatus> {
        self.life(|life| life.server.as_ref().map(|server| server.status()))
    }

    /// How it is, for people.
    pub(crate) fn describe(&self) -> String {
        match self.status() {
            None => format!("{} does not run", self.name),
            Some(status) => match status.raft {
                None => format!("{} runs without a cluster: {:?}", self.name, status.phase),
                Some(raft) => format!(
                    "{} {:?} {:?} in term {} under {:?}, log {}..{}, committed {}, applied {}, voters {:?}, learners {:?}, on record {:?}",
                    self.name,
                    status.phase,
                    raft.role,
                    raft.term,
                    raft.leader,
                    raft.purged,
                    raft.last_log,
                    raft.committed,
                    raft.applied,
                    raft.voters,
                    raft.learners,
                    raft.nodes.iter().map(|n| (n.id.0, n.name.as_str(), n.standing)).collect::<Vec<_>>()
                ),
            },
        }
    }

    /// Whether it says that it leads.
    pub(crate) fn leads(&self) -> bool {
        self.replica().is_some_and(|replica| replica.leads())
    }

    /// Its part in the cluster, while it has one.
    pub(crate) fn replica(&self) -> Option<Arc<Replica>> {
        self.life(|life| life.server.as_ref().and_then(|server| server.replica()))
    }

    /// How it ended by itself, if it did since this was last asked.
    pub(crate) fn take_end(&self) -> Option<String> {
        self.life(|life| life.ended.take())
    }

    /// It has crashed: what is left of the server counts no more.
    pub(crate) fn forget(&self) {
        let server = self.life(|life| life.server.take());
        drop(server);
    }

    /// Its disk is another one, and empty. It must not run.
    pub(crate) fn lose_disk(&self) {
        self.disk.wipe();
        std::fs::remove_dir_all(&self.folder).expect("a folder of ours");
    }

    /// Another one with each start.
    fn config(&self, address: &Address, starts: u64) -> Config {
        let files = CredentialFiles::new("unused", "unused", "unused");
        let mut config =
            Config::new(self.name.clone(), (Ipv4Addr::UNSPECIFIED, PORT).into(), self.folder.clone(), files);
        config.advertise = Some(address.clone());
        config.bootstrap = self.founder.is_none();
        config.join.extend(self.founder.as_ref().map(|founder| self::address(founder)));
        let mut dice = Dice::new(self.seed ^ starts, 3);
        config.storage.snapshot_every_entries = dice.of(&[300, 300, 100, 1000]);
        config.storage.log_keep_entries = dice.of(&[100, 100, 20, 400]);
        config
    }

    /// Runs the node until it ends.
    pub(crate) async fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        let starts = self.life(|life| {
            life.starts += 1;
            life.starts
        });
        let how = match self.live(starts).await {
            Ok(closed) => format!("{closed:?}"),
            Err(error) => format!("does not start: {error}"),
        };
        self.forget();
        self.life(|life| life.ended = Some(how));
        // The host stays, as a machine without the daemon.
        std::future::pending().await
    }

    /// An identity without databases beside it would be taken for damage.
    fn stand_in(&self) -> std::io::Result<()> {
        if self.folder.join("identity.toml").exists() {
            for file in ["log.wal", "state.redb"] {
                std::fs::write(self.folder.join(file), "on the simulated disk")?;
            }
        }
        Ok(())
    }

    async fn live(&self, starts: u64) -> Result<Closed, Box<dyn std::error::Error>> {
        let address = address(self.name.as_str());
        let seed = self.seed ^ starts;
        let endpoint = endpoint(self.name.as_str(), PORT, &self.credentials, seed, &self.trace).await?;
        self.stand_in()?;
        let server = Server::builder(self.config(&address, starts))
            .credentials(self.credentials.clone())
            .endpoint(endpoint)
            .databases(Arc::new(self.disk.mount()))
            .start()
            .await?;
        let server = Arc::new(server);
        self.life(|life| life.server = Some(Arc::clone(&server)));
        Ok(server.closed().await)
    }
}

/// Where a node is reached.
pub(crate) fn address(name: &str) -> Address {
    std::net::SocketAddr::from((turmoil::lookup(name), PORT)).into()
}
