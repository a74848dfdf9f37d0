//! What a node has to know before it starts.
//!
//! [`Config`] is complete and, once [`checked`](Config::check), consistent:
//! the server takes it as it is. [`Settings`] is the same with holes, as it
//! stands in a file, in flags or in variables; laid over each other they
//! resolve to a [`Config`].
//!
//! Knows no command line and opens no file but the one it is told to read.
//! Guards: whatever a person wrote is either understood or refused with its
//! place and a hint; nothing is ignored.

mod credentials;
mod error;
mod file;
mod limits;
mod log;
mod settings;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use coffee_common::{
    id::{Address, NodeName},
    tls::CredentialFiles,
};
use serde::{Deserialize, Serialize};

pub use self::{
    credentials::CredentialsError,
    error::{ConfigError, ConfigLocation},
    limits::Limits,
    log::{LogFormat, LogLevel, LogOptions},
    settings::{
        AdminSettings, LimitSettings, LogSettings, Settings, StorageSettings, TimerSettings, TlsSettings,
    },
};

/// How a node is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name: that of its certificate.
    pub name: NodeName,
    /// The UDP address that it listens on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the others reach it; `None` for the address that it listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<Address>,
    /// The folder that holds its data, and nothing else.
    pub data_dir: PathBuf,
    /// Certificates and key.
    pub tls: CredentialFiles,
    /// Whether it starts a new cluster, if it has no data.
    #[serde(default)]
    pub bootstrap: bool,
    /// Members that it asks to be let in, if it has no data.
    #[serde(default)]
    pub join: Vec<Address>,
    /// When to beat, and when to elect.
    #[serde(default)]
    pub timers: Timers,
    /// How much to keep.
    #[serde(default)]
    pub storage: StorageOptions,
    /// How much to take on at once.
    #[serde(default)]
    pub limits: Limits,
    /// What to show to those who watch it.
    #[serde(default)]
    pub admin: AdminOptions,
    /// What to say. The library installs no logger: this is the daemon's.
    #[serde(default)]
    pub log: LogOptions,
}

/// The clockwork of elections. The same at every node of a cluster.
///
/// A follower that hears nothing stands for election after
/// `election_timeout_max_ms` (the leader's lease) and a random time between
/// the two timeouts. The defaults suit shops of one region, up to about 40 ms
/// of round trip apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// How often the leader is heard.
    pub heartbeat_interval_ms: u64,
    /// The shortest time after the lease until a follower stands for election.
    pub election_timeout_min_ms: u64,
    /// The longest such time, and the lease itself.
    pub election_timeout_max_ms: u64,
}

/// How much of the past a node keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageOptions {
    /// After how many entries a snapshot is taken and the log is purged.
    pub snapshot_every_entries: u64,
    /// How many entries stay behind a snapshot, for followers that are late.
    pub log_keep_entries: u64,
}

/// What a node shows to those who watch it, over HTTP without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminOptions {
    /// The TCP address that it listens on; `None` for none. Port 0 takes any free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { heartbeat_interval_ms: 60, election_timeout_min_ms: 200, election_timeout_max_ms: 300 }
    }
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self { snapshot_every_entries: 100_000, log_keep_entries: 10_000 }
    }
}

impl Config {
    /// A node with everything else at its default: it waits to be booted.
    pub fn new(
        name: NodeName,
        listen: SocketAddr,
        data_dir: impl Into<PathBuf>,
        tls: CredentialFiles,
    ) -> Self {
        Self {
            name,
            listen,
            advertise: None,
            data_dir: data_dir.into(),
            tls,
            bootstrap: false,
            join: Vec::new(),
            timers: Timers::default(),
            storage: StorageOptions::default(),
            limits: Limits::default(),
            admin: AdminOptions::default(),
            log: LogOptions::default(),
        }
    }

    /// Checks what no type can: how the settings relate to each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_start()?;
        self.check_address()?;
        self.timers.check()?;
        self.storage.check()?;
        self.limits.check()
    }

    fn check_start(&self) -> Result<(), ConfigError> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(ConfigError::setting(
                "data_dir",
                "is empty",
                "name the folder that holds the node's data",
            ));
        }
        if self.bootstrap && !self.join.is_empty() {
            return Err(ConfigError::setting(
                "bootstrap",
                "cannot be true where join names members",
                "a cluster has one first node, which bootstraps; every other node joins",
            ));
        }
        Ok(())
    }

    fn check_address(&self) -> Result<(), ConfigError> {
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            return Err(ConfigError::setting(
                "advertise",
                &format!("is missing, and nobody can reach this node at {}", self.listen),
                "set advertise to the HOST:PORT under which the other shops reach this node",
            ));
        }
        Ok(())
    }
}

impl Timers {
    /// Followers hear the leader at least so often before they give it up.
    const BEATS_BEFORE_ELECTION: u64 = 2;
    const LONGEST_MS: u64 = 600_000;

    /// How long a leader's heartbeat lasts: whoever is silent for longer may be gone.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.election_timeout_max_ms)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let Self { heartbeat_interval_ms: beat, election_timeout_min_ms: min, election_timeout_max_ms: max } =
            *self;
        if beat == 0 {
            return Err(ConfigError::setting(
                "timers.heartbeat_interval_ms",
                "is 0",
                "60 suits most networks",
            ));
        }
        if min <= beat.saturating_mul(Self::BEATS_BEFORE_ELECTION) {
            return Err(ConfigError::setting(
                "timers.election_timeout_min_ms",
                &format!("is {min}, which leaves no room for a lost heartbeat (one every {beat} ms)"),
                &format!("make it more than {} times the heartbeat interval", Self::BEATS_BEFORE_ELECTION),
            ));
        }
        if max <= min {
            return Err(ConfigError::setting(
                "timers.election_timeout_max_ms",
                &format!("is {max}, not above election_timeout_min_ms ({min})"),
                "nodes draw a time between the two, so that they do not all stand at once",
            ));
        }
        if max > Self::LONGEST_MS {
            return Err(ConfigError::setting(
                "timers.election_timeout_max_ms",
                &format!("is {max}, more than {}", Self::LONGEST_MS),
                "times are in milliseconds",
            ));
        }
        Ok(())
    }
}

impl StorageOptions {
    fn check(&self) -> Result<(), ConfigError> {
        if self.snapshot_every_entries == 0 {
            return Err(ConfigError::setting(
                "storage.snapshot_every_entries",
                "is 0",
                "100000 suits most clusters; a snapshot costs a pass over the data",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
