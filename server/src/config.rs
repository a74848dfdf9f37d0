//! The configuration of a node.
//!
//! [`Config`] is complete and, once [`checked`](Config::check), consistent.
//! [`Settings`] is the partial form of one source: a file, flags or environment
//! variables. Several of them, laid over each other, resolve to a [`Config`].
//!
//! Knows no command line and opens only the file that it is told to read. Guards
//! that every setting is either understood or rejected with its location and a
//! hint; nothing is ignored.

mod credentials;
mod error;
mod file;
mod limits;
mod log;
mod settings;

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use coffee_common::{
    id::{Address, NodeName},
    protocol::ElectionTimers,
    tls::CredentialFiles,
};
use serde::{Deserialize, Serialize};

pub use self::{
    credentials::CredentialsError,
    error::{ConfigError, ConfigLocation},
    limits::Limits,
    log::{LogFormat, LogLevel, LogOptions},
    settings::{
        AdminSettings, HttpSettings, LimitSettings, LogSettings, Settings, StorageSettings, TimerSettings,
        TlsSettings,
    },
};

/// The hint for the setting `bootstrap`, which does not exist: founding is an act.
pub const BOOTSTRAP_HINT: &str =
    "no setting founds a cluster: start the node without it, then run 'coffeectl init NODE' once";

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name, which its certificate must have too.
    pub name: NodeName,
    /// The UDP address to listen on; port 0 takes any free port.
    pub listen: SocketAddr,
    /// The address where other nodes and clients reach it; `None` for `listen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<Address>,
    /// The directory that holds the node's data and nothing else.
    pub data_dir: PathBuf,
    /// The files with certificates and key.
    pub tls: CredentialFiles,
    /// The members that a node without data asks to join their cluster. They admit it once an admin
    /// has booted it.
    #[serde(default)]
    pub join: Vec<Address>,
    /// Heartbeat interval and election timeouts.
    #[serde(default)]
    pub timers: Timers,
    /// When to take snapshots and how much log to keep.
    #[serde(default)]
    pub storage: StorageOptions,
    /// Limits of concurrent load.
    #[serde(default)]
    pub limits: Limits,
    /// Metrics and health checks over HTTP.
    #[serde(default)]
    pub admin: AdminOptions,
    /// Keys and values over HTTP.
    #[serde(default)]
    pub http: HttpOptions,
    /// The daemon's log. The library installs no logger and ignores this.
    #[serde(default)]
    pub log: LogOptions,
}

/// Heartbeat interval and election timeouts. Must be the same on every node of a cluster.
///
/// A follower without contact with the leader stands for election after
/// `election_timeout_max_ms` (the leader lease) plus a random time between the two
/// timeouts. The defaults suit round trips of up to 100 ms. The heartbeat interval also
/// bounds the response to a heartbeat. The further the two timeouts are apart, the rarer
/// do two nodes stand for election within one round trip and split the votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timers {
    /// The interval between two heartbeats of the leader.
    pub heartbeat_interval_ms: u64,
    /// The minimum time between the end of the lease and an election.
    pub election_timeout_min_ms: u64,
    /// The maximum time between the end of the lease and an election; also the lease.
    pub election_timeout_max_ms: u64,
}

/// When a node takes snapshots and how much log it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageOptions {
    /// The number of log entries after which the node takes a snapshot and purges the log.
    pub snapshot_every_entries: u64,
    /// The number of log entries kept before the snapshot, for followers that lag.
    pub log_keep_entries: u64,
    /// The number of bytes of log entries above which the node purges the oldest, even
    /// if fewer than `log_keep_entries` stay.
    pub log_keep_bytes: u64,
    /// The bytes of changes that a node gathers in memory before it flushes them to its database;
    /// `None` for a sixteenth of the memory that the process may use, from 16 to 128 MiB, and at most a
    /// quarter of `log_keep_bytes`. While it flushes, up to twice as many more gather. A disk that has no
    /// room for more data flushes 1 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush_bytes: Option<u64>,
}

/// Metrics and health checks over HTTP without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminOptions {
    /// The TCP address to listen on; `None` to not listen. Port 0 takes any free port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

/// Keys and values over HTTP, for clients with certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpOptions {
    /// The TCP address to listen on; `None` to not listen. Port 0 takes any free port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { heartbeat_interval_ms: 150, election_timeout_min_ms: 200, election_timeout_max_ms: 450 }
    }
}

impl From<Timers> for ElectionTimers {
    fn from(timers: Timers) -> Self {
        Self {
            heartbeat_interval_ms: timers.heartbeat_interval_ms,
            election_timeout_min_ms: timers.election_timeout_min_ms,
            election_timeout_max_ms: timers.election_timeout_max_ms,
        }
    }
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            snapshot_every_entries: 100_000,
            log_keep_entries: 10_000,
            log_keep_bytes: 1 << 30,
            flush_bytes: None,
        }
    }
}

impl Config {
    /// Returns a configuration with all other settings at their defaults: the node
    /// waits to be booted.
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
            join: Vec::new(),
            timers: Timers::default(),
            storage: StorageOptions::default(),
            limits: Limits::default(),
            admin: AdminOptions::default(),
            http: HttpOptions::default(),
            log: LogOptions::default(),
        }
    }

    /// Checks the relations between settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that is wrong.
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
                "name the directory that holds the node's data",
            ));
        }
        Ok(())
    }

    fn check_address(&self) -> Result<(), ConfigError> {
        if self.advertise.is_none() && self.listen.ip().is_unspecified() {
            return Err(ConfigError::setting(
                "advertise",
                &format!("is missing, and {} is not an address that other nodes can reach", self.listen),
                "set advertise to the HOST:PORT where the other nodes reach this node",
            ));
        }
        Ok(())
    }
}

impl Timers {
    /// Minimum number of heartbeat intervals in a lease.
    const BEATS_OF_LEASE: u64 = 3;
    const LONGEST_MS: u64 = 600_000;

    /// The leader lease: a node that was silent for longer may be down.
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
                "150 suits most networks",
            ));
        }
        if min <= beat {
            return Err(ConfigError::setting(
                "timers.election_timeout_min_ms",
                &format!("is {min}, not above heartbeat_interval_ms ({beat})"),
                "a response to a vote needs as much time as one to a heartbeat",
            ));
        }
        if max <= min {
            return Err(ConfigError::setting(
                "timers.election_timeout_max_ms",
                &format!("is {max}, not above election_timeout_min_ms ({min})"),
                "nodes choose a random time between the two, to avoid simultaneous elections",
            ));
        }
        if max < beat.saturating_mul(Self::BEATS_OF_LEASE) {
            return Err(ConfigError::setting(
                "timers.election_timeout_max_ms",
                &format!("is {max}, too short to survive a lost heartbeat (one every {beat} ms)"),
                &format!("make it at least {} times the heartbeat interval", Self::BEATS_OF_LEASE),
            ));
        }
        if max > Self::LONGEST_MS {
            return Err(ConfigError::setting(
                "timers.election_timeout_max_ms",
                &format!("is {max}, more than {}", Self::LONGEST_MS),
                "the unit is milliseconds",
            ));
        }
        Ok(())
    }
}

impl StorageOptions {
    /// A follower that lags by less than this need not receive the whole state.
    const LOG_KEEP_BYTES_MIN: u64 = 64 << 20;

    /// Smaller ones write whole pages of the database for a few changes; larger ones make a start after a
    /// crash long.
    const FLUSH_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 30;

    fn check(&self) -> Result<(), ConfigError> {
        if self.snapshot_every_entries == 0 {
            return Err(ConfigError::setting(
                "storage.snapshot_every_entries",
                "is 0",
                "100000 suits most clusters; each snapshot reads all data once",
            ));
        }
        if self.log_keep_bytes < Self::LOG_KEEP_BYTES_MIN {
            return Err(ConfigError::setting(
                "storage.log_keep_bytes",
                &format!("is {}", self.log_keep_bytes),
                &format!("set it to {} or more", Self::LOG_KEEP_BYTES_MIN),
            ));
        }
        if let Some(bytes) = self.flush_bytes.filter(|bytes| !Self::FLUSH_BYTES.contains(bytes)) {
            let (from, to) = (Self::FLUSH_BYTES.start(), Self::FLUSH_BYTES.end());
            return Err(ConfigError::setting(
                "storage.flush_bytes",
                &format!("is {bytes}"),
                &format!("set it to a number from {from} to {to}, or leave it out"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
