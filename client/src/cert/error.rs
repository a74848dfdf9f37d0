//! What goes wrong with certificates, in sentences for people.

use std::{io, path::PathBuf};

use coffee_common::{
    protocol::Role,
    tls::{TlsError, identity::IdentityError},
};

use super::CA_DAYS;

/// A certificate that was not made, renewed or read.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The file is there already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// The folder has no CA.
    #[error("there is no CA in {0}: ca.crt or ca.key is missing")]
    NoCa(PathBuf),
    /// A file or folder does not let itself be read or written.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file does not hold what it should.
    #[error(transparent)]
    File(#[from] TlsError),
    /// A certificate cannot be understood.
    #[error("it is no certificate that can be understood: {0}")]
    Malformed(String),
    /// The certificate names nobody.
    #[error("the certificate names nobody: {0}")]
    Identity(#[from] IdentityError),
    /// The key is not that of the CA's certificate.
    #[error("ca.key does not belong to ca.crt")]
    CaKeyMismatch,
    /// It was revoked, so its key is not to be trusted.
    #[error("{0} was revoked")]
    Revoked(String),
    /// Nothing of this name was ever made here.
    #[error("no certificate called {0} was made with this CA")]
    NeverIssued(String),
    /// One CA takes the place of another, and that is not over.
    #[error("ca.crt holds several CAs already: one is taking the place of another")]
    Rotating,
    /// The CA that is to go still vouches for these.
    #[error("the old CA still vouches for {}", .0.join(", "))]
    StillNeeded(Vec<String>),
    /// The CA's time is over.
    #[error("the CA expired {0} days ago")]
    CaExpired(i64),
    /// Only 1 to [`CA_DAYS`].
    #[error("a certificate is valid for 1 to {CA_DAYS} days, not for {0}")]
    Days(u32),
    /// No host name and no IP address.
    #[error("{0:?} is neither a host name nor an IP address")]
    AltName(String),
    /// A node's certificate is made in another way.
    #[error("{} is no role of a client", .0.as_str())]
    NotAClient(Role),
    /// The system's random numbers or the signing failed.
    #[error("cannot sign: {0}")]
    Signing(String),
}

impl CertError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Exists(path) => {
                format!(
                    "keep it and make it valid for longer with `coffeectl cert renew`, or put another in the \
                     place of {} with --replace",
                    path.display()
                )
            }
            Self::NoCa(_) => "make one with `coffeectl cert ca`, or name the folder that has it".to_owned(),
            Self::Io { .. } => "check the folder's owner, its permissions and the free space".to_owned(),
            Self::File(error) => error.hint(),
            Self::Malformed(_) | Self::Identity(_) => {
                "`coffeectl cert list` shows which files are good".to_owned()
            }
            Self::CaKeyMismatch => "put back the ca.crt and the ca.key that were made together".to_owned(),
            Self::Revoked(_) => {
                "make one with a new key: `coffeectl cert node NAME --replace`, or `cert client`".to_owned()
            }
            Self::NeverIssued(_) => "`coffeectl cert list` shows the names".to_owned(),
            Self::Rotating => {
                "end that first: `coffeectl cert renew --all`, new certificates to all, then `coffeectl cert ca \
                 --drop-old`"
                    .to_owned()
            }
            Self::StillNeeded(_) => {
                "renew them with `coffeectl cert renew --all`, and take them to where they are used".to_owned()
            }
            Self::CaExpired(_) => "renew the CA first: `coffeectl cert renew ca`".to_owned(),
            Self::Days(_) => format!("choose a number of days from 1 to {CA_DAYS}"),
            Self::AltName(_) => {
                "use a host name such as shop-1.example.net, or an address such as 10.0.0.1".to_owned()
            }
            Self::NotAClient(_) => {
                "choose admin, writer or reader; `coffeectl cert node NAME` makes a node's".to_owned()
            }
            Self::Signing(_) => {
                "try again; if it stays, check the system's random number generator".to_owned()
            }
        }
    }

    pub(super) fn io(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { action, path, cause }
    }
}

impl From<rcgen::Error> for CertError {
    fn from(error: rcgen::Error) -> Self {
        Self::Signing(error.to_string())
    }
}
