//! Reloads certificates, limits and the log level while the node runs.
//!
//! Reads the configuration again and each file that it names once, validates all of
//! it, and only then makes changes, in steps that cannot fail: a reload takes effect
//! as a whole or not at all. New connections use the new certificates and CAs.
//! Existing connections continue, except those of peers that the new credentials
//! would reject.
//!
//! Guards that every changed setting that needs a restart is named, on each reload
//! until the restart.

mod cluster_lists;
mod report;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
};

use coffee_common::{
    id::NodeName,
    protocol::{Rejection, Reload},
    quic::EndpointError,
    tls::{CredentialFile, Credentials},
};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

pub(super) use self::cluster_lists::ClusterLists;
use super::listeners::Listeners;
use crate::{
    config::{Config, ConfigError, CredentialsError, Limits, LogLevel},
    node::Node,
    service::Service,
};

/// The sections that a reload applies.
const RELOADABLE: [&str; 2] = ["tls.", "limits."];
/// The setting that a reload applies if the host program lets the node control its log.
const LOG_LEVEL: &str = "log.level";

/// Reads the host program's configuration again.
pub(super) type ConfigSource = Arc<dyn Fn() -> Result<Config, ConfigError> + Send + Sync>;

/// The reason why a reload failed. The node keeps its previous settings and certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates, the key or the revocation list cannot be used or belong to
    /// another identity.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The QUIC endpoint rejects the credentials.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The CA file rejects the certificates that voters in reach show now.
    #[error("the new CA file rejects the certificates of voters in reach: {}", listed(.0))]
    RejectsVoters(Vec<(NodeName, String)>),
    /// The host program passed the credentials in memory, so there are no files to
    /// read again. Use [`Server::renew`](super::Server::renew).
    #[error("the certificates of this node were not read from files")]
    InMemory,
    /// A bug, or an error that is not expected.
    #[error("{0}")]
    Internal(String),
}

impl ReloadError {
    /// A hint for the operator: the next command or change to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Config(error) => error.hint().to_owned(),
            Self::Credentials(error) => error.hint(),
            Self::Endpoint(error) => error.hint().to_owned(),
            Self::RejectsVoters(voters) => {
                let name = voters.first().map(|(name, _)| name.as_str()).unwrap_or("NAME");
                format!(
                    "bring them certificates of the new CA and reload them first: `coffeectl cert renew node-{name}`, \
                     copy it there, `coffeectl reload {name}`; or take it up anyway: `coffeectl reload --force`, or \
                     restart this node"
                )
            }
            Self::InMemory => "the program that runs this node must pass new credentials".to_owned(),
            Self::Internal(_) => "retry; if that does not help, report a bug".to_owned(),
        }
    }
}

fn listed(voters: &[(NodeName, String)]) -> String {
    voters.iter().map(|(name, cause)| format!("{name} ({cause})")).collect::<Vec<_>>().join(", ")
}

/// Reloads a running node.
pub(super) struct Reloading {
    node: Weak<Node>,
    listeners: Listeners,
    service: Arc<Service>,
    source: Option<ConfigSource>,
    in_memory: bool,
    /// The configuration in effect. Locked while the credentials change: one at a time.
    running: Mutex<Config>,
    lists: ClusterLists,
}

impl Reloading {
    pub(super) fn new(
        node: &Arc<Node>,
        (listeners, service, lists): (Listeners, Arc<Service>, ClusterLists),
        source: Option<ConfigSource>,
        in_memory: bool,
        running: Config,
    ) -> Arc<Self> {
        let reloading = Self {
            node: Arc::downgrade(node),
            listeners,
            service,
            source,
            in_memory,
            running: Mutex::new(running),
            lists,
        };
        let reloading = Arc::new(reloading);
        let weak = Arc::downgrade(&reloading);
        node.on_reload(Box::new(move |force| {
            let reloading = weak.upgrade();
            Box::pin(async move {
                match reloading {
                    Some(reloading) => reloading.reload(None, force).await.map_err(|error| refusal(&error)),
                    None => Err(Rejection::Unavailable("this node is stopping".to_owned())),
                }
            })
        }));
        reloading
    }

    /// Applies a configuration: the one given, otherwise the source's current one,
    /// otherwise the one in effect, whose files are read again. With `force` also if
    /// voters in reach are cut off.
    pub(super) fn reload(
        &self,
        given: Option<Config>,
        force: bool,
    ) -> BoxFuture<'_, Result<Reload, ReloadError>> {
        Box::pin(self.reload_now(given, force))
    }

    async fn reload_now(&self, given: Option<Config>, force: bool) -> Result<Reload, ReloadError> {
        let mut running = self.running.lock().await;
        let result = self.reload_checked(&mut running, given, force).await;
        self.report(result.as_ref());
        result
    }

    fn report(&self, result: Result<&Reload, &ReloadError>) {
        let Some(node) = self.node.upgrade() else { return };
        match result {
            Ok(done) => report::done(done, node.events()),
            Err(error) => report::failed(&error.to_string(), &error.hint(), node.events()),
        }
    }

    async fn reload_checked(
        &self,
        running: &mut Config,
        given: Option<Config>,
        force: bool,
    ) -> Result<Reload, ReloadError> {
        let (wanted, credentials) = self.read(running, given).await?;
        if let Some(credentials) = &credentials {
            self.check_cluster(credentials)?;
            self.check_trust(credentials, force).await?;
        }
        self.apply(running, &wanted, credentials)
    }

    /// Refuses the certificate of another cluster: no other node would talk to this one any more.
    fn check_cluster(&self, credentials: &Credentials) -> Result<(), CredentialsError> {
        let (present, certificate) =
            (self.listeners.endpoint.credentials().cluster().clone(), credentials.cluster().clone());
        if present == certificate {
            return Ok(());
        }
        Err(CredentialsError::OtherCluster { present, certificate })
    }

    /// Names the voters in reach that a new CA file would cut off, before any connection ends.
    async fn check_trust(&self, credentials: &Credentials, force: bool) -> Result<(), ReloadError> {
        let changed = credentials.differences(&self.listeners.endpoint.credentials());
        let Some(node) = self.node.upgrade().filter(|_| changed.contains(&CredentialFile::Ca)) else {
            return Ok(());
        };
        let change = trust::change(&node, credentials).await?;
        let why = match (change.rejected.is_empty(), change.reaches_more(), force) {
            (true, ..) => return Ok(()),
            (_, true, _) => "since it brings more voters into reach",
            (_, _, true) => "as requested",
            _ => return Err(ReloadError::RejectsVoters(change.rejected)),
        };
        tracing::warn!(
            voters = listed(&change.rejected),
            "voters in reach are cut off by the new CA file, {why}"
        );
        Ok(())
    }

    /// Applies credentials that the host program has in memory.
    pub(super) async fn renew(&self, credentials: Credentials) -> Result<Reload, ReloadError> {
        let mut running = self.running.lock().await;
        let credentials = running.own_credentials(Some(credentials))?;
        self.check_cluster(&credentials)?;
        let wanted = running.clone();
        let done = self.apply(&mut running, &wanted, Some(credentials))?;
        self.report(Ok(&done));
        Ok(done)
    }

    /// Reads configuration and credentials on a thread that may block.
    async fn read(
        &self,
        running: &Config,
        given: Option<Config>,
    ) -> Result<(Config, Option<Credentials>), ReloadError> {
        let (source, running, in_memory) = (self.source.clone(), running.clone(), self.in_memory);
        if in_memory && given.is_none() && source.is_none() {
            return Err(ReloadError::InMemory);
        }
        let read = move || {
            let wanted = match (given, source) {
                (Some(given), _) => given,
                (None, Some(source)) => source()?,
                (None, None) => running.clone(),
            };
            wanted.check()?;
            // The node keeps its name even if the configuration has a new one.
            let files = Config { tls: wanted.tls.clone(), ..running };
            let credentials = if in_memory { None } else { Some(files.own_credentials(None)?) };
            Ok((wanted, credentials))
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
            Err(ReloadError::Internal(format!("reading the configuration: {}", std::io::Error::from(error))))
        })
    }

    fn apply(
        &self,
        running: &mut Config,
        wanted: &Config,
        credentials: Option<Credentials>,
    ) -> Result<Reload, ReloadError> {
        let node =
            self.node.upgrade().ok_or_else(|| ReloadError::Internal("this node has stopped".to_owned()))?;
        let (mut changed, mut needs_restart) = compare(running, wanted)?;
        let mut ended = Vec::new();
        if let Some(credentials) = credentials {
            let credentials = credentials.with_cluster_lists(&self.lists.get());
            let others = credentials.differences(&self.listeners.endpoint.credentials());
            if !others.is_empty() {
                for peer in self.listeners.reload(&credentials)? {
                    if !ended.contains(&peer) {
                        ended.push(peer);
                    }
                }
            }
            changed.extend(others.into_iter().map(|file| setting(file).to_owned()));
        }
        running.tls = wanted.tls.clone();
        running.limits = wanted.limits;
        set_limits(running.limits, &self.listeners, &self.service);
        if running.log.level != wanted.log.level {
            if set_level(&node, wanted.log.level) {
                running.log.level = wanted.log.level;
            } else {
                changed.retain(|name| name != LOG_LEVEL);
                needs_restart.push(LOG_LEVEL.to_owned());
            }
        }
        changed.sort_unstable();
        changed.dedup();
        Ok(Reload {
            node: node.name().clone(),
            changed,
            needs_restart,
            ended,
            certificate: node.certificate(),
        })
    }
}

/// Applies new limits.
pub(super) fn set_limits(limits: Limits, listeners: &Listeners, service: &Service) {
    listeners.set_limits(&limits);
    service.set_limits(&limits);
}

/// Sets the log level. Returns `false` if the host program does not support it.
fn set_level(node: &Node, level: LogLevel) -> bool {
    let control = node.log_control();
    control.is_some_and(|control| {
        control(Some(level));
        control(None) == level
    })
}

/// Returns the settings that differ: those that a reload applies, then the others.
fn compare(running: &Config, wanted: &Config) -> Result<(Vec<String>, Vec<String>), ReloadError> {
    let before = leaves(running)?;
    let after = leaves(wanted)?;
    let other = |name: &&String| before.get(*name) != after.get(*name);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    Ok(names
        .into_iter()
        .filter(other)
        .cloned()
        .partition(|name| name == LOG_LEVEL || RELOADABLE.iter().any(|section| name.starts_with(section))))
}

/// Returns every setting by its name, such as `storage.log_keep_entries`. Taken from
/// the serialized form: a new setting cannot be forgotten here.
fn leaves(config: &Config) -> Result<BTreeMap<String, toml::Value>, ReloadError> {
    fn walk(prefix: &str, table: toml::Table, found: &mut BTreeMap<String, toml::Value>) {
        for (name, value) in table {
            match value {
                toml::Value::Table(table) => walk(&format!("{prefix}{name}."), table, found),
                value => _ = found.insert(format!("{prefix}{name}"), value),
            }
        }
    }
    let table = toml::Table::try_from(config).map_err(|error| ReloadError::Internal(error.to_string()))?;
    let mut found = BTreeMap::new();
    walk("", table, &mut found);
    Ok(found)
}

fn setting(file: CredentialFile) -> &'static str {
    match file {
        CredentialFile::Ca => "tls.ca",
        CredentialFile::Certificate => "tls.cert",
        CredentialFile::Key => "tls.key",
        CredentialFile::Revocations => "tls.crl",
    }
}

fn refusal(error: &ReloadError) -> Rejection {
    Rejection::Refused { reason: format!("nothing was reloaded: {error}"), hint: error.hint() }
}

#[cfg(test)]
mod tests {
    use coffee_common::tls::CredentialFiles;

    use super::*;
    use crate::config::{LogFormat, LogOptions};

    fn config() -> Config {
        let name = "ming".parse().expect("legal");
        Config::new(name, ([127, 0, 0, 1], 7400).into(), "data", CredentialFiles::new("ca", "cert", "key"))
    }

    #[test]
    fn every_changed_setting_is_applied_or_named() {
        let running = config();
        let none: (Vec<String>, Vec<String>) = Default::default();
        assert_eq!(compare(&running, &running).expect("compares"), none);
        let mut wanted = running.clone();
        wanted.tls.crl = Some("crl".into());
        wanted.tls.key = "other".into();
        wanted.listen = ([127, 0, 0, 1], 7401).into();
        wanted.advertise = Some("ming:7400".parse().expect("legal"));
        wanted.storage.log_keep_entries = 7;
        wanted.limits.connections_max = 200;
        wanted.log = LogOptions { level: LogLevel::Debug, format: LogFormat::Json };
        wanted.join = vec!["hong:7400".parse().expect("legal")];
        let (changed, needs_restart) = compare(&running, &wanted).expect("compares");
        let taken_up = ["limits.connections_max", "log.level", "tls.crl", "tls.key"];
        assert_eq!(changed, taken_up);
        let named = ["advertise", "join", "listen", "log.format", "storage.log_keep_entries"];
        assert_eq!(needs_restart, named);
        let (changed, _) = compare(&wanted, &running).expect("compares");
        assert_eq!(changed, taken_up, "settings that were removed count too");
    }
}
