//! Settings with holes: what one source of a configuration says, before all
//! of them are laid over each other.
//!
//! Guards: a setting is one field here and one in [`Config`], wherever it
//! came from; what a source does not say is left to the next one.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use coffee_common::{
    id::{Address, NodeName},
    tls::CredentialFiles,
};
use serde::Deserialize;

use super::{
    AdminOptions, Config, ConfigError, Limits, LogFormat, LogLevel, LogOptions, StorageOptions, Timers,
};

/// Declares a group of settings, and how one source is laid over another.
macro_rules! settings {
    ($(#[$attribute:meta])* $name:ident {
        $($field:ident: $kind:ty,)*
        $([$section:ident]: $group:ty,)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $(
                #[doc = concat!("`", stringify!($field), "`, if this source says it.")]
                pub $field: Option<$kind>,
            )*
            $(
                #[doc = concat!("The settings below `", stringify!($section), "`.")]
                pub $section: $group,
            )*
        }

        impl $name {
            /// What this source says, and what the other one says where this one is silent.
            pub fn over(self, below: Self) -> Self {
                Self {
                    $($field: self.$field.or(below.$field),)*
                    $($section: self.$section.over(below.$section),)*
                }
            }
        }
    };
}

settings! {
    /// What one source says; [`Config`] explains each setting.
    Settings {
        name: NodeName,
        listen: SocketAddr,
        advertise: Address,
        data_dir: PathBuf,
        bootstrap: bool,
        join: Vec<Address>,
        [tls]: TlsSettings,
        [timers]: TimerSettings,
        [storage]: StorageSettings,
        [limits]: LimitSettings,
        [admin]: AdminSettings,
        [log]: LogSettings,
    }
}

settings! {
    /// Certificates and key; [`CredentialFiles`] explains each setting.
    TlsSettings {
        ca: PathBuf,
        cert: PathBuf,
        key: PathBuf,
        crl: PathBuf,
    }
}

settings! {
    /// The clockwork of elections; [`Timers`] explains each setting.
    TimerSettings {
        heartbeat_interval_ms: u64,
        election_timeout_min_ms: u64,
        election_timeout_max_ms: u64,
    }
}

settings! {
    /// How much to keep; [`StorageOptions`] explains each setting.
    StorageSettings {
        snapshot_every_entries: u64,
        log_keep_entries: u64,
    }
}

settings! {
    /// How much to take on; [`Limits`] explains each setting.
    LimitSettings {
        connections_max: usize,
        write_bytes_in_flight_max: usize,
    }
}

settings! {
    /// What is shown to those who watch; [`AdminOptions`] explains each setting.
    AdminSettings {
        listen: SocketAddr,
    }
}

settings! {
    /// What is logged; [`LogOptions`] explains each setting.
    LogSettings {
        level: LogLevel,
        format: LogFormat,
    }
}

impl Settings {
    /// Fills the holes with defaults, and checks the whole.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let config = Config {
            name: required("name", self.name)?,
            listen: required("listen", self.listen)?,
            advertise: self.advertise,
            data_dir: required("data_dir", self.data_dir)?,
            tls: self.tls.resolve()?,
            bootstrap: self.bootstrap.unwrap_or(false),
            join: self.join.unwrap_or_default(),
            timers: self.timers.resolve(),
            storage: self.storage.resolve(),
            limits: self.limits.resolve(),
            admin: AdminOptions { listen: self.admin.listen },
            log: self.log.resolve(),
        };
        config.check()?;
        Ok(config)
    }

    /// Takes relative paths as seen from a folder.
    pub(super) fn relative_to(mut self, folder: &Path) -> Self {
        let TlsSettings { ca, cert, key, crl } = &mut self.tls;
        let paths = [&mut self.data_dir, ca, cert, key, crl];
        for path in paths.into_iter().flatten() {
            // An empty path stays one, and is refused later.
            if !path.as_os_str().is_empty() {
                *path = folder.join(&path);
            }
        }
        self
    }
}

impl TlsSettings {
    fn resolve(self) -> Result<CredentialFiles, ConfigError> {
        Ok(CredentialFiles {
            ca: required("tls.ca", self.ca)?,
            cert: required("tls.cert", self.cert)?,
            key: required("tls.key", self.key)?,
            crl: self.crl,
        })
    }
}

impl TimerSettings {
    fn resolve(self) -> Timers {
        let default = Timers::default();
        Timers {
            heartbeat_interval_ms: self.heartbeat_interval_ms.unwrap_or(default.heartbeat_interval_ms),
            election_timeout_min_ms: self.election_timeout_min_ms.unwrap_or(default.election_timeout_min_ms),
            election_timeout_max_ms: self.election_timeout_max_ms.unwrap_or(default.election_timeout_max_ms),
        }
    }
}

impl StorageSettings {
    fn resolve(self) -> StorageOptions {
        let default = StorageOptions::default();
        StorageOptions {
            snapshot_every_entries: self.snapshot_every_entries.unwrap_or(default.snapshot_every_entries),
            log_keep_entries: self.log_keep_entries.unwrap_or(default.log_keep_entries),
        }
    }
}

impl LimitSettings {
    fn resolve(self) -> Limits {
        let default = Limits::default();
        Limits {
            connections_max: self.connections_max.unwrap_or(default.connections_max),
            write_bytes_in_flight_max: self
                .write_bytes_in_flight_max
                .unwrap_or(default.write_bytes_in_flight_max),
        }
    }
}

impl LogSettings {
    /// Fills the holes with defaults: the log is wanted before the rest is resolved.
    pub fn resolve(self) -> LogOptions {
        LogOptions { level: self.level.unwrap_or_default(), format: self.format.unwrap_or_default() }
    }
}

fn required<T>(setting: &'static str, value: Option<T>) -> Result<T, ConfigError> {
    value.ok_or_else(|| {
        let flag = setting.replace(['.', '_'], "-");
        let variable = setting.replace('.', "_").to_uppercase();
        let hint = format!("set {setting} in the configuration file, --{flag} or COFFEED_{variable}");
        ConfigError::setting(setting, "is missing", &hint)
    })
}
