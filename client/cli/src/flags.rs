//! The flags that every verb has: whom to ask, as whom, and how.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, FromArgMatches, ValueEnum, builder::Resettable};
use coffee_common::{id::Address, protocol::Consistency};

use crate::{
    contexts::{ContextName, Named, Timeout},
    duration,
    failure::Failure,
    printer::Format,
};

/// Whom to ask, and as whom.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArguments {
    /// The context to be in; an empty name stands for none [default: the one that 'context use' named]
    #[arg(long, global = true, value_name = "NAME", env = "COFFEECTL_CONTEXT", hide_env_values = true, value_parser = context_name)]
    pub(crate) context: Option<String>,
    /// Nodes to ask, parted by commas; any of them will do [default: 127.0.0.1:7400]
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT,..",
        value_delimiter = ',',
        env = "COFFEECTL_ENDPOINTS",
        hide_env_values = true
    )]
    pub(crate) endpoints: Vec<Address>,
    /// Folder of certificates, as 'coffeectl cert' makes it
    #[arg(long, global = true, value_name = "DIR", env = "COFFEECTL_CERTS", hide_env_values = true)]
    pub(crate) certs: Option<PathBuf>,
    /// Which client's certificate of that folder to use, such as ops or admin-ops [default: the only one]
    #[arg(long = "as", global = true, value_name = "NAME", env = "COFFEECTL_AS", hide_env_values = true)]
    pub(crate) as_name: Option<String>,
    /// The CA's certificate, in place of that folder's
    #[arg(long = "ca", global = true, value_name = "FILE", env = "COFFEECTL_CA", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,
    /// What the CA has revoked, in place of that folder's ca.crl
    #[arg(long = "crl", global = true, value_name = "FILE", env = "COFFEECTL_CRL", hide_env_values = true)]
    pub(crate) crl_file: Option<PathBuf>,
    /// Own certificate, in place of that folder's
    #[arg(long = "cert", global = true, value_name = "FILE", env = "COFFEECTL_CERT", hide_env_values = true)]
    pub(crate) cert_file: Option<PathBuf>,
    /// Own key, in place of that folder's
    #[arg(long = "key", global = true, value_name = "FILE", env = "COFFEECTL_KEY", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
}

/// How to ask and answer.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct CommonArguments {
    /// Time for the whole command, such as 500ms, 5s, 2m [default: 5s; 60s for boot, down, node remove and wait]
    #[arg(long, global = true, value_name = "TIME", env = "COFFEECTL_TIMEOUT", hide_env_values = true, value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// How to write data [default: table]
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORMAT",
        env = "COFFEECTL_OUTPUT",
        hide_env_values = true
    )]
    pub(crate) output: Option<Format>,
    /// How fresh a read has to be [default: linearizable]
    #[arg(long, global = true, value_name = "WHICH", env = "COFFEECTL_CONSISTENCY", hide_env_values = true)]
    pub(crate) consistency: Option<Freshness>,
    /// Answer every question with yes
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
}

/// How fresh a read has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Freshness {
    /// Sees every write acknowledged before
    Linearizable,
    /// Whatever the asked node has: may be old, needs no quorum
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
    /// What a context would say in their place, and nothing else.
    pub(crate) fn named(self, timeout: Option<Duration>) -> Named {
        Named {
            endpoints: self.endpoints,
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

/// Reads a command line once more, for what its flags say without any variable.
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

/// The name of a context, or nothing.
fn context_name(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        text => text.parse().map(|name: ContextName| name.as_str().to_owned()),
    }
}
