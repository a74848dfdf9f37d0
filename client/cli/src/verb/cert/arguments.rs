//! The arguments of `cert`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use coffee_common::{id::NodeName, key_scope::KeyScope, protocol::Role};

use coffee_client::cert::{AltName, CA_DAYS, LEAF_DAYS, Subject};

use crate::failure::Failure;

/// `cert ..`. All verbs work on the directory given with `--certs`.
#[derive(Debug, Args)]
pub(crate) struct CertArguments {
    /// File whose first line is the passphrase of the CA's key, - for standard input [default: ask]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "COFFEECTL_CA_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    pub(super) passphrase_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) verb: CertVerb,
}

/// The verbs of `cert`.
#[derive(Debug, Subcommand)]
pub(crate) enum CertVerb {
    /// Create the certificate authority (CA) of the cluster given with --cluster [default: shops]
    Ca(CertCaArguments),
    /// Create the certificate of a node
    Node(CertNodeArguments),
    /// Create the certificate of a client
    Client(CertClientArguments),
    /// Make a key here, and a request for its certificate
    #[command(
        subcommand,
        subcommand_required = true,
        arg_required_else_help = false,
        subcommand_value_name = "HOLDER"
    )]
    Request(CertRequestVerb),
    /// Sign a request, after showing whom the certificate is for
    Sign(CertSignArguments),
    /// Extend the validity of a certificate; its key stays the same
    Renew(CertRenewArguments),
    /// Set, change or remove the passphrase of the CA's key
    Passphrase(CertPassphraseArguments),
    /// Revoke certificates: writes the revocation list for nodes and clients
    Revoke(CertRevokeArguments),
    /// List the certificates with their validity and CA
    List(CertListArguments),
}

/// `cert ca`.
#[derive(Debug, Args)]
pub(crate) struct CertCaArguments {
    /// Replace the existing CA; all certificates that it signed become invalid
    #[arg(long)]
    pub(super) replace: bool,
    /// Ask for a passphrase for the new CA's key
    #[arg(long, conflicts_with_all = ["rotate", "drop_old"])]
    pub(super) passphrase: bool,
    /// Start a rotation: the new CA signs from now on, both are trusted
    #[arg(long, conflicts_with = "replace")]
    pub(super) rotate: bool,
    /// Finish a rotation: stop trusting the old CA, and remove its key
    #[arg(long, conflicts_with_all = ["replace", "rotate"])]
    pub(super) drop_old: bool,
    /// Finish without asking the nodes which certificates they show
    #[arg(long, requires = "drop_old")]
    pub(super) unchecked: bool,
}

/// `cert node`.
#[derive(Debug, Args)]
pub(crate) struct CertNodeArguments {
    /// Name of the node
    #[arg(value_name = "NODE")]
    pub(super) name: NodeName,
    /// Further host name or address in the certificate, for other tools; can be repeated
    #[arg(long, value_name = "HOST")]
    pub(super) host: Vec<AltName>,
    /// Make the one for TCP listeners (ECDSA, P-256), beside the other: node-NODE.tcp
    #[arg(long)]
    pub(super) tcp: bool,
    #[command(flatten)]
    pub(super) making: CertMakingArguments,
}

/// `cert client`.
#[derive(Debug, Args)]
pub(crate) struct CertClientArguments {
    #[command(flatten)]
    pub(super) holder: ClientHolderArguments,
    /// Make an ECDSA key (P-256), and write key, certificate and CAs to a PKCS #12 file for browsers, too
    /// [default: ROLE-NAME.p12 beside the others]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub(super) p12: Option<Option<PathBuf>>,
    /// File whose first line is the passphrase of the PKCS #12 file, - for standard input [default: ask]
    #[arg(long, value_name = "FILE", requires = "p12")]
    pub(super) p12_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) making: CertMakingArguments,
}

/// `cert request`.
#[derive(Debug, Subcommand)]
pub(crate) enum CertRequestVerb {
    /// Request the certificate of a node
    Node(NodeRequestArguments),
    /// Request the certificate of a client
    Client(ClientRequestArguments),
}

/// `cert request node`.
#[derive(Debug, Args)]
pub(crate) struct NodeRequestArguments {
    /// Name of the node
    #[arg(value_name = "NODE")]
    name: NodeName,
    /// Further host name or address in the certificate, for other tools; can be repeated
    #[arg(long, value_name = "HOST")]
    host: Vec<AltName>,
    /// Replace an existing key and request
    #[arg(long)]
    replace: bool,
}

/// `cert request client`.
#[derive(Debug, Args)]
pub(crate) struct ClientRequestArguments {
    #[command(flatten)]
    holder: ClientHolderArguments,
    /// Replace an existing key and request
    #[arg(long)]
    replace: bool,
}

impl CertRequestVerb {
    /// Returns the subject of the certificate, and whether existing files are replaced.
    pub(super) fn subject(&self) -> Result<(Subject, bool), Failure> {
        Ok(match self {
            Self::Node(node) => (Subject::node(node.name.clone(), node.host.clone()), node.replace),
            Self::Client(client) => (client.holder.subject()?, client.replace),
        })
    }
}

/// `cert sign`.
#[derive(Debug, Args)]
pub(crate) struct CertSignArguments {
    /// File with the request
    #[arg(value_name = "FILE")]
    pub(super) request: PathBuf,
    /// Sign only a request of this name: node-ming, admin-ops
    #[arg(long, value_name = "NAME")]
    pub(super) only: Option<String>,
    /// Sign for the keys with this prefix, of those that the request asks for; can be repeated
    #[arg(long, value_name = "PREFIX")]
    pub(super) keys: Vec<String>,
    /// Sign for all keys, if the request asks for all
    #[arg(long, conflicts_with = "keys")]
    pub(super) all_keys: bool,
    /// Sign for this host name or address, of those that the request asks for; can be repeated
    #[arg(long, value_name = "HOST")]
    pub(super) host: Vec<AltName>,
    #[command(flatten)]
    pub(super) making: CertMakingArguments,
}

impl CertSignArguments {
    /// Returns the keys for which to sign; `None` unless they are stated.
    pub(super) fn stated_keys(&self) -> Result<Option<KeyScope>, Failure> {
        match self.keys.is_empty() && !self.all_keys {
            true => Ok(None),
            false => key_scope(&self.keys).map(Some),
        }
    }
}

/// Returns the keys that begin with one of these prefixes.
fn key_scope(prefixes: &[String]) -> Result<KeyScope, Failure> {
    KeyScope::new(prefixes).map_err(|error| {
        Failure::usage(format!("--keys: {error}")).hint("name prefixes of keys, such as till/ming/")
    })
}

/// The holder of a client's certificate.
#[derive(Debug, Args)]
pub(crate) struct ClientHolderArguments {
    /// Role of the client
    #[arg(value_name = "ROLE")]
    role: ClientRole,
    /// Name of the client
    #[arg(value_name = "NAME")]
    name: NodeName,
    /// Allow only keys that begin with this prefix; can be repeated [default: all keys]
    #[arg(long, value_name = "PREFIX")]
    keys: Vec<String>,
}

impl ClientHolderArguments {
    /// Returns the subject of the certificate.
    pub(super) fn subject(&self) -> Result<Subject, Failure> {
        Subject::client(self.role.into(), self.name.clone(), key_scope(&self.keys)?)
            .map_err(|error| Failure::usage(format!("--keys: {error}")).hint(error.hint()))
    }
}

/// Arguments of `cert node`, `cert client` and `cert sign`.
#[derive(Debug, Args)]
pub(crate) struct CertMakingArguments {
    /// Validity in days
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS, value_parser = days())]
    pub(super) days: u32,
    /// Replace an existing certificate; `node` and `client` also replace its key
    #[arg(long)]
    pub(super) replace: bool,
}

/// `cert renew`.
#[derive(Debug, Args)]
pub(crate) struct CertRenewArguments {
    /// Name of the certificate in `cert list`: ca, node-ming, admin-ops
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(super) name: Option<String>,
    /// Renew all certificates except those of CAs and revoked ones
    #[arg(long, conflicts_with = "name")]
    pub(super) all: bool,
    /// Validity in days from now; a CA certificate is always valid for ten years
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS, value_parser = days())]
    pub(super) days: u32,
}

/// `cert passphrase`.
#[derive(Debug, Args)]
pub(crate) struct CertPassphraseArguments {
    /// Remove the passphrase: the key is as safe as its file
    #[arg(long)]
    pub(super) remove: bool,
    /// File whose first line is the new passphrase, - for standard input [default: ask]
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    pub(super) new_passphrase_file: Option<PathBuf>,
}

/// `cert revoke`.
#[derive(Debug, Args)]
pub(crate) struct CertRevokeArguments {
    /// Name of the certificates in `cert list`: node-ming, admin-ops; without it, only rewrites the list
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// `cert list`.
#[derive(Debug, Args)]
pub(crate) struct CertListArguments {
    /// Exit with code 7 if one is expired, revoked or unreadable, or has fewer days left than this [default: 30]
    #[arg(long, value_name = "DAYS", num_args = 0..=1, require_equals = true, default_missing_value = "30")]
    pub(super) check: Option<u32>,
}

/// The role of a client. Writers may do what readers may, admins everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientRole {
    /// Read keys and status
    Reader,
    /// Write keys
    Writer,
    /// Change leadership and membership
    Admin,
    /// Back up everything and read status, nothing else
    Backup,
}

impl From<ClientRole> for Role {
    fn from(role: ClientRole) -> Self {
        match role {
            ClientRole::Reader => Self::Reader,
            ClientRole::Writer => Self::Writer,
            ClientRole::Admin => Self::Admin,
            ClientRole::Backup => Self::Backup,
        }
    }
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(CA_DAYS))
}
