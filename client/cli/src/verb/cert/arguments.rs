//! What `cert` takes.

use clap::{Args, Subcommand, ValueEnum};
use coffee_common::{id::NodeName, protocol::Role};

use coffee_client::cert::{AltName, CA_DAYS, LEAF_DAYS};

/// `cert ..`. All of them work on the folder that `--certs` names.
#[derive(Debug, Subcommand)]
pub(crate) enum CertVerb {
    /// Make a certificate authority: the first thing that a cluster needs
    Ca(CertCaArguments),
    /// Make the certificate of a node
    Node(CertNodeArguments),
    /// Make the certificate of a client
    Client(CertClientArguments),
    /// Make a certificate valid for longer; its key stays
    Renew(CertRenewArguments),
    /// Take certificates back: makes the revocation list that nodes and clients are given
    Revoke(CertRevokeArguments),
    /// List the certificates, and until when they are valid
    List(CertListArguments),
}

/// `cert ca`.
#[derive(Debug, Args)]
pub(crate) struct CertCaArguments {
    /// Put it in the place of the one that is there: all certificates of that one become useless
    #[arg(long)]
    pub(super) replace: bool,
    /// Put it in the place of the one that is there in two steps: from now on both are trusted
    #[arg(long, conflicts_with = "replace")]
    pub(super) rotate: bool,
    /// The second step: trust the old one no more
    #[arg(long, conflicts_with_all = ["replace", "rotate"])]
    pub(super) drop_old: bool,
}

/// `cert node`.
#[derive(Debug, Args)]
pub(crate) struct CertNodeArguments {
    /// The node's name
    #[arg(value_name = "NODE")]
    pub(super) name: NodeName,
    /// A host name or address to put into it as well, for other tools; may be repeated
    #[arg(long, value_name = "HOST")]
    pub(super) host: Vec<AltName>,
    #[command(flatten)]
    pub(super) making: CertMakingArguments,
}

/// `cert client`.
#[derive(Debug, Args)]
pub(crate) struct CertClientArguments {
    /// What it may do
    #[arg(value_name = "ROLE")]
    pub(super) role: ClientRole,
    /// The client's name
    #[arg(value_name = "NAME")]
    pub(super) name: NodeName,
    #[command(flatten)]
    pub(super) making: CertMakingArguments,
}

/// What `cert node` and `cert client` share.
#[derive(Debug, Args)]
pub(crate) struct CertMakingArguments {
    /// How long it is valid
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS, value_parser = days())]
    pub(super) days: u32,
    /// Put it in the place of the one that is there
    #[arg(long)]
    pub(super) replace: bool,
}

/// `cert renew`.
#[derive(Debug, Args)]
pub(crate) struct CertRenewArguments {
    /// Which, as `cert list` names it: ca, node-ming, admin-ops
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(super) name: Option<String>,
    /// All but those of CAs and those that were revoked
    #[arg(long, conflicts_with = "name")]
    pub(super) all: bool,
    /// How long it is valid from now; the CA's is made for ten years
    #[arg(long, value_name = "DAYS", default_value_t = LEAF_DAYS, value_parser = days())]
    pub(super) days: u32,
}

/// `cert revoke`.
#[derive(Debug, Args)]
pub(crate) struct CertRevokeArguments {
    /// Whose, as `cert list` names it: node-ming, admin-ops; without a name the list is only made anew
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// `cert list`.
#[derive(Debug, Args)]
pub(crate) struct CertListArguments {
    /// End with code 7 if one is expired, revoked or unreadable, or has fewer days left than this [default: 30]
    #[arg(long, value_name = "DAYS", num_args = 0..=1, require_equals = true, default_missing_value = "30")]
    pub(super) check: Option<u32>,
}

/// What a client may do. Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientRole {
    /// Reads keys and status
    Reader,
    /// Writes keys
    Writer,
    /// Changes leadership and membership
    Admin,
}

impl From<ClientRole> for Role {
    fn from(role: ClientRole) -> Self {
        match role {
            ClientRole::Reader => Self::Reader,
            ClientRole::Writer => Self::Writer,
            ClientRole::Admin => Self::Admin,
        }
    }
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(CA_DAYS))
}
