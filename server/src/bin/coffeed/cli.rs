//! The daemon's command line: flags and environment variables become settings.
//!
//! Every setting of the configuration file is also a flag and a variable, with
//! the same name in all three: `timers.heartbeat_interval_ms`,
//! `--timers-heartbeat-interval-ms`, `COFFEED_TIMERS_HEARTBEAT_INTERVAL_MS`. A
//! flag overrides its variable, the variable the file, the file the default.
//! Reads no file and starts nothing.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser};
use coffee_common::id::{Address, NodeName};
use coffeectl::{
    failure::Failure,
    usage::{self, Unparsed},
};
use coffeed::config::{
    AdminSettings, BOOTSTRAP_HINT, Config, ConfigError, HttpSettings, LimitSettings, LogFormat, LogLevel,
    LogSettings, Settings, StorageSettings, TimerSettings, TlsSettings,
};

use crate::{
    demo::DemoArguments, exit, rebuild::RebuildArguments, recover::RecoverArguments,
    restore::RestoreArguments, versions::VersionsArguments,
};

const AFTER_HELP: &str = "\
A flag overrides its variable, the variable the file, and the file the default.
deploy/coffeed.toml explains every setting.";

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(
    name = "coffeed",
    version,
    about = "One node of a replicated key-value store",
    after_help = format!("{AFTER_HELP}\n\n{}", exit::help()),
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// Configuration file (TOML)
    #[arg(long, short, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Check configuration, certificates and data version, print the effective configuration, and exit
    #[arg(long)]
    pub(crate) check_config: bool,
    #[command(flatten)]
    settings: Flags,
}

/// One flag and one variable per setting; `Config` documents them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
struct Flags {
    /// Node name, as in its certificate
    #[arg(long)]
    name: Option<NodeName>,
    /// UDP address to listen on
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Address where other nodes reach this node, if it differs from --listen
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<Address>,
    /// Data directory, used by this node only
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Members to join through if the data directory is empty
    #[arg(long, value_name = "HOST:PORT,..", value_delimiter = ',')]
    join: Option<Vec<Address>>,
    /// CA certificate
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Node certificate
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Node private key
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Certificate revocation list, made by 'coffeectl cert revoke'
    #[arg(long, value_name = "FILE")]
    tls_crl: Option<PathBuf>,
    /// Leader heartbeat interval
    #[arg(long, value_name = "MS")]
    timers_heartbeat_interval_ms: Option<u64>,
    /// Shortest election timeout, counted from the end of the leader lease
    #[arg(long, value_name = "MS")]
    timers_election_timeout_min_ms: Option<u64>,
    /// Longest election timeout; also the leader lease
    #[arg(long, value_name = "MS")]
    timers_election_timeout_max_ms: Option<u64>,
    /// Log entries between snapshots
    #[arg(long, value_name = "N")]
    storage_snapshot_every_entries: Option<u64>,
    /// Log entries kept before a snapshot, for followers that lag
    #[arg(long, value_name = "N")]
    storage_log_keep_entries: Option<u64>,
    /// Maximum bytes of log entries; the oldest are purged
    #[arg(long, value_name = "BYTES")]
    storage_log_keep_bytes: Option<u64>,
    /// Bytes of changes in memory that are flushed together
    #[arg(long, value_name = "BYTES")]
    storage_flush_bytes: Option<u64>,
    /// Maximum connections, clients and nodes together
    #[arg(long, value_name = "N")]
    limits_connections_max: Option<usize>,
    /// Maximum connections per client (role and name)
    #[arg(long, value_name = "N")]
    limits_connections_per_client_max: Option<usize>,
    /// Maximum bytes of uncommitted writes
    #[arg(long, value_name = "BYTES")]
    limits_write_bytes_in_flight_max: Option<usize>,
    /// TCP address for metrics and health checks (HTTP)
    #[arg(long, value_name = "IP:PORT")]
    admin_listen: Option<SocketAddr>,
    /// TCP address for keys and values over HTTP, with TLS
    #[arg(long, value_name = "IP:PORT")]
    http_listen: Option<SocketAddr>,
    /// Log level: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
    /// Log format: human or json
    #[arg(long, value_name = "FORM")]
    log_format: Option<LogFormat>,
}

/// Reads the command line.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, Unparsed> {
    if std::env::var_os("COFFEED_BOOTSTRAP").is_some() {
        return Err(Unparsed::Failure(no_bootstrap("COFFEED_BOOTSTRAP is not a setting")));
    }
    command().try_get_matches_from(words).and_then(|found| Arguments::from_arg_matches(&found)).map_err(
        |error| match usage::unparsed(&error, "coffeed") {
            Unparsed::Failure(failure) if failure.message().contains("argument '--bootstrap") => {
                Unparsed::Failure(no_bootstrap(failure.message()))
            }
            unparsed => unparsed,
        },
    )
}

/// The failure of a command line that has `bootstrap`.
fn no_bootstrap(message: &str) -> Failure {
    Failure::usage(message).hint(BOOTSTRAP_HINT)
}

/// Returns the parser. Only here is a setting's variable derived from its flag.
pub(crate) fn command() -> clap::Command {
    let with_variable = |arg: Arg| {
        let variable = format!("COFFEED_{}", arg.get_id().as_str().to_uppercase());
        arg.env(variable).hide_env_values(true)
    };
    Arguments::command().mut_args(|arg| match arg.get_id().as_str() {
        "check_config" => arg,
        _ => with_variable(arg),
    })
}

/// Work other than running a node.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Run up to five shops in this process, with a prompt
    Demo(DemoArguments),
    /// Set this node's damaged data aside; after a restart it copies all data from the others
    Rebuild(RebuildArguments),
    /// Make the first node of a new cluster from a backup
    Restore(RestoreArguments),
    /// Recover from a permanently lost quorum: inspect this node, or make a new cluster from it
    Recover(RecoverArguments),
    /// Show the feature levels and formats that this build reads and writes
    Versions(VersionsArguments),
}

/// The sources of a configuration: flags and variables from the start of the
/// daemon, and the file, which is read each time.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    file: Option<PathBuf>,
    flags: Flags,
}

impl Arguments {
    /// Returns the sources, to read the same settings later.
    pub(crate) fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), flags: self.settings.clone() }
    }
}

impl Sources {
    /// Reads the current configuration.
    pub(crate) fn config(&self) -> Result<Config, ConfigError> {
        self.settings()?.resolve()
    }

    /// Reads the current settings, before they are checked as a whole.
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        let file = self.file.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        Ok(self.flags.clone().into_settings().over(file))
    }
}

impl Flags {
    fn into_settings(self) -> Settings {
        Settings {
            name: self.name,
            listen: self.listen,
            advertise: self.advertise,
            data_dir: self.data_dir,
            join: self.join,
            tls: TlsSettings { ca: self.tls_ca, cert: self.tls_cert, key: self.tls_key, crl: self.tls_crl },
            timers: TimerSettings {
                heartbeat_interval_ms: self.timers_heartbeat_interval_ms,
                election_timeout_min_ms: self.timers_election_timeout_min_ms,
                election_timeout_max_ms: self.timers_election_timeout_max_ms,
            },
            storage: StorageSettings {
                snapshot_every_entries: self.storage_snapshot_every_entries,
                log_keep_entries: self.storage_log_keep_entries,
                log_keep_bytes: self.storage_log_keep_bytes,
                flush_bytes: self.storage_flush_bytes,
            },
            limits: LimitSettings {
                connections_max: self.limits_connections_max,
                connections_per_client_max: self.limits_connections_per_client_max,
                write_bytes_in_flight_max: self.limits_write_bytes_in_flight_max,
            },
            admin: AdminSettings { listen: self.admin_listen },
            http: HttpSettings { listen: self.http_listen },
            log: LogSettings { level: self.log_level, format: self.log_format },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffee_common::tls::CredentialFiles;

    fn full_config() -> Config {
        let file = std::path::Path::new("file").to_owned();
        let tls =
            CredentialFiles { ca: file.clone(), cert: file.clone(), key: file.clone(), crl: Some(file) };
        let name = NodeName::new("ming").expect("legal");
        let mut config = Config::new(name, ([127, 0, 0, 1], 7400).into(), "data", tls);
        config.advertise = Some(Address::new("ming:7400").expect("legal"));
        config.admin.listen = Some(([127, 0, 0, 1], 7480).into());
        config.http.listen = Some(([127, 0, 0, 1], 7443).into());
        config.storage.flush_bytes = Some(64 << 20);
        config
    }

    /// `timers.heartbeat_interval_ms` and its like, with their values.
    fn leaves(table: &toml::Table, prefix: &str) -> Vec<(String, toml::Value)> {
        let leaf = |(name, value): (&String, &toml::Value)| match value {
            toml::Value::Table(table) => leaves(table, &format!("{prefix}{name}.")),
            value => vec![(format!("{prefix}{name}"), value.clone())],
        };
        table.iter().flat_map(leaf).collect()
    }

    fn settings_of(config: &Config) -> Vec<(String, toml::Value)> {
        leaves(&toml::Table::try_from(config).expect("it serializes"), "")
    }

    #[test]
    fn every_setting_is_a_flag_and_a_variable() {
        let command = command();
        let mut flags = Vec::new();
        for (setting, _) in settings_of(&full_config()) {
            let flag = setting.replace(['.', '_'], "-");
            let variable = format!("COFFEED_{}", setting.replace('.', "_").to_uppercase());
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(&flag));
            let arg = arg.unwrap_or_else(|| panic!("--{flag} is missing"));
            assert_eq!(arg.get_env().and_then(|name| name.to_str()), Some(variable.as_str()));
            flags.push(flag);
        }
        let others = command.get_arguments().filter_map(|arg| arg.get_long());
        let others: Vec<&str> = others.filter(|long| !flags.iter().any(|flag| flag == long)).collect();
        assert_eq!(others, ["config", "check-config"]);
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let mut config = full_config();
        config.join = vec![Address::new("hong:7400").expect("legal")];
        config.timers.heartbeat_interval_ms = 11;
        config.timers.election_timeout_min_ms = 222;
        config.timers.election_timeout_max_ms = 333;
        config.storage.snapshot_every_entries = 444;
        config.storage.log_keep_entries = 555;
        config.storage.log_keep_bytes = 99_999_999;
        config.storage.flush_bytes = Some(8_888_888);
        config.limits.connections_max = 666;
        config.limits.connections_per_client_max = 66;
        config.limits.write_bytes_in_flight_max = 7_777_777;
        config.log.level = LogLevel::Trace;
        config.log.format = LogFormat::Json;
        let mut words = vec!["coffeed".into()];
        for (setting, value) in settings_of(&config) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let value = value.trim_matches(['[', ']', '"']);
            words.push(format!("--{}={value}", setting.replace(['.', '_'], "-")).into());
        }
        let arguments = parse(words).expect("good");
        assert_eq!(arguments.sources().config(), Ok(config));
    }

    #[test]
    fn bootstrap_gets_the_hint_to_init() {
        for word in ["--bootstrap", "--bootstrap=true"] {
            match parse(["coffeed".into(), word.into()]) {
                Err(Unparsed::Failure(failure)) => {
                    assert_eq!(failure.code().number(), 2);
                    assert!(failure.message().contains("--bootstrap"), "{failure:?}");
                    assert!(failure.hints()[0].contains("coffeectl init"), "{failure:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn wrong_words_get_a_hint() {
        let failure = |word: &str| match parse(["coffeed".into(), word.into()]) {
            Err(Unparsed::Failure(failure)) => failure,
            other => panic!("{other:?}"),
        };
        let unknown = failure("--nane=ming");
        assert_eq!(unknown.code().number(), 2);
        assert_eq!(unknown.message(), "unexpected argument '--nane' found");
        assert!(unknown.hints()[0].contains("'--name'"), "{unknown:?}");
        let bad = failure("--name=Ming");
        assert!(bad.message().contains("'--name <NAME>': \"Ming\" is not a valid name"), "{bad:?}");
    }

    #[test]
    fn help_names_variables_and_exit_codes() {
        let Err(Unparsed::Shown(help)) = parse(["coffeed".into(), "--help".into()]) else {
            panic!("help is shown")
        };
        assert!(help.contains("[env: COFFEED_TLS_KEY]"), "{help}");
        assert!(help.contains("  7  certificate or key file error"), "{help}");
    }
}
