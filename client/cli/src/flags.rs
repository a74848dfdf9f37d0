//! The global flags: which nodes to contact, with which credentials, and how.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, FromArgMatches, ValueEnum, builder::Resettable};
use coffee_common::{id::Address, protocol::Consistency};

use crate::{
    cluster_ref::ClusterRef,
    contexts::{ContextName, Named, Timeout},
    duration,
    failure::Failure,
    printer::Format,
};

/// Global flags of the connection.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// Context to use; an empty name means none [default: the one set by 'context use']
    #[arg(long, global = true, value_name = "NAME", env = "COFFEECTL_CONTEXT", hide_env_values = true, value_parser = context_name)]
    pub(crate) context: Option<String>,
    /// Comma-separated node addresses; any reachable one is enough [default: 127.0.0.1:7400]
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,..",
        value_delimiter = ',',
        env = "COFFEECTL_ENDPOINTS",
        hide_env_values = true
    )]
    pub(crate) endpoints: Vec<Address>,
    /// The only cluster to use, by id or by the name in its certificates [default: that of the first node reached]
    #[arg(long, global = true, value_name = "CLUSTER", env = "COFFEECTL_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<ClusterRef>,
    /// Certificates directory, as created by 'coffeectl cert'
    #[arg(long, global = true, value_name = "DIR", env = "COFFEECTL_CERTS", hide_env_values = true)]
    pub(crate) certs: Option<PathBuf>,
    /// Client whose certificate in that directory to use, such as ops or admin-ops [default: the only one]
    #[arg(long = "as", global = true, value_name = "NAME", env = "COFFEECTL_AS", hide_env_values = true)]
    pub(crate) as_name: Option<String>,
    /// CA certificate, instead of that directory's
    #[arg(long = "ca", global = true, value_name = "FILE", env = "COFFEECTL_CA", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Revocation list, instead of that directory's ca.crl
    #[arg(long = "crl", global = true, value_name = "FILE", env = "COFFEECTL_CRL", hide_env_values = true)]
    pub(crate) crl_file: Option<PathBuf>,
    /// Client certificate, instead of that directory's
    #[arg(long = "cert", global = true, value_name = "FILE", env = "COFFEECTL_CERT", hide_env_values = true)]
    pub(crate) cert_file: Option<PathBuf>,
    /// Private key of the client, instead of that directory's
    #[arg(long = "key", global = true, value_name = "FILE", env = "COFFEECTL_KEY", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
}

/// Global flags of requests and output.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct CommonArguments {
    /// Timeout of the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]
    #[arg(long, global = true, value_name = "TIME", env = "COFFEECTL_TIMEOUT", hide_env_values = true, value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Output format [default: table]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORMAT",
        env = "COFFEECTL_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<Format>,
    /// Consistency of reads [default: linearizable]
    #[arg(long, global = true, value_name = "WHICH", env = "COFFEECTL_CONSISTENCY", hide_env_values = true)]
    pub(crate) consistency: Option<Freshness>,
    /// Answer yes to every confirmation
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

/// Consistency of reads, as a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Freshness {
    /// Sees every write that was acknowledged before
    Linearizable,
    /// Local state of the contacted node: may be stale, needs no quorum
    Local,
}

impl From<Freshness> for Consistency {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Linearizable => Self::Linearizable,
            Freshness::Local => Self::Local,
        }
    }
}

impl ConnectionArguments {
    /// Converts the flags into the settings of a context.
    pub(crate) fn named(self, timeout: Option<Duration>) -> Named {
        Named {
            endpoints: self.endpoints,
            cluster: self.cluster,
            certs: self.certs,
            as_name: self.as_name,
            ca_file: self.ca_file,
            crl_file: self.crl_file,
            cert_file: self.cert_file,
            key_file: self.key_file,
            timeout: timeout.map(Timeout),
        }
    }
}

/// Parses a command line again without variables, to get what its flags alone set.
pub(crate) fn typed(
    words: &[OsString],
    parser: clap::Command,
) -> Result<(ConnectionArguments, Option<Duration>), Failure> {
    let unread = |error: clap::Error| Failure::usage(error.to_string());
    let parser = parser.mut_args(|arg| arg.env(Resettable::Reset));
    let matches = parser.try_get_matches_from(words).map_err(unread)?;
    let connection = ConnectionArguments::from_arg_matches(&matches).map_err(unread)?;
    let common = CommonArguments::from_arg_matches(&matches).map_err(unread)?;
    Ok((connection, common.timeout))
}

/// Parses the name of a context. An empty name is valid.
fn context_name(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        text => text.parse().map(|name: ContextName| name.as_str().to_owned()),
    }
}
