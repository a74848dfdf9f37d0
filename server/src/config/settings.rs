//! Partial settings: the values from one source of a configuration.
//!
//! Guards that a setting is one field here and one in [`Config`], whatever its
//! source; a value that one source leaves out comes from the next one.

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
    AdminOptions, Config, ConfigError, HttpOptions, Limits, LogFormat, LogLevel, LogOptions, StorageOptions,
    Timers,
};

/// Declares a group of settings and how one source overrides another.
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
                #[doc = concat!("`", stringify!($field), "`, if this source sets it.")]
                pub $field: Option<$kind>,
            )*
            $(
                #[doc = concat!("The settings in the section `", stringify!($section), "`.")]
                pub $section: $group,
            )*
        }

        impl $name {
            /// Merges two sources: values of `self` override those of `below`.
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
    /// The settings from one source; [`Config`] explains each setting.
    Settings {
        name: NodeName,
        listen: SocketAddr,
        advertise: Address,
        data_dir: PathBuf,
        join: Vec<Address>,
        [tls]: TlsSettings,
        [timers]: TimerSettings,
        [storage]: StorageSettings,
        [limits]: LimitSettings,
        [admin]: AdminSettings,
        [http]: HttpSettings,
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
    /// Heartbeat interval and election timeouts; [`Timers`] explains each setting.
    TimerSettings {
        heartbeat_interval_ms: u64,
        election_timeout_min_ms: u64,
        election_timeout_max_ms: u64,
    }
}

settings! {
    /// Snapshots and log retention; [`StorageOptions`] explains each setting.
    StorageSettings {
        snapshot_every_entries: u64,
        log_keep_entries: u64,
        log_keep_bytes: u64,
        flush_bytes: u64,
    }
}

settings! {
    /// Limits of concurrent load; [`Limits`] explains each setting.
    LimitSettings {
        connections_max: usize,
        connections_per_client_max: usize,
        write_bytes_in_flight_max: usize,
    }
}

settings! {
    /// Metrics and health checks; [`AdminOptions`] explains each setting.
    AdminSettings {
        listen: SocketAddr,
    }
}

settings! {
    /// Keys and values over HTTP; [`HttpOptions`] explains each setting.
    HttpSettings {
        listen: SocketAddr,
    }
}

settings! {
    /// The daemon's log; [`LogOptions`] explains each setting.
    LogSettings {
        level: LogLevel,
        format: LogFormat,
    }
}

impl Settings {
    /// Fills in the defaults and checks the result.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a required setting is missing or settings contradict each other.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let config = Config {
            name: required("name", self.name)?,
            listen: required("listen", self.listen)?,
            advertise: self.advertise,
            data_dir: required("data_dir", self.data_dir)?,
            tls: self.tls.resolve()?,
            join: self.join.unwrap_or_default(),
            timers: self.timers.resolve(),
            storage: self.storage.resolve(),
            limits: self.limits.resolve(),
            admin: AdminOptions { listen: self.admin.listen },
            http: HttpOptions { listen: self.http.listen },
            log: self.log.resolve(),
        };
        config.check()?;
        Ok(config)
    }

    /// Resolves relative paths against a directory.
    pub(super) fn relative_to(mut self, folder: &Path) -> Self {
        let TlsSettings { ca, cert, key, crl } = &mut self.tls;
        let paths = [&mut self.data_dir, ca, cert, key, crl];
        for path in paths.into_iter().flatten() {
            // An empty path stays empty and is rejected later.
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
            log_keep_bytes: self.log_keep_bytes.unwrap_or(default.log_keep_bytes),
            flush_bytes: self.flush_bytes,
        }
    }
}

impl LimitSettings {
    fn resolve(self) -> Limits {
        let default = Limits::default();
        Limits {
            connections_max: self.connections_max.unwrap_or(default.connections_max),
            connections_per_client_max: self
                .connections_per_client_max
                .unwrap_or(default.connections_per_client_max),
            write_bytes_in_flight_max: self
                .write_bytes_in_flight_max
                .unwrap_or(default.write_bytes_in_flight_max),
        }
    }
}

impl LogSettings {
    /// Fills in the defaults. Separate, because the log starts before the rest is resolved.
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
