//! Errors of certificate operations, for operators.

use std::{io, path::PathBuf};

use coffee_common::{
    id::ClusterName,
    key_scope::KeyScope,
    protocol::Role,
    tls::{TlsError, identity::IdentityError},
};

use super::CA_DAYS;

/// Why a certificate was not created, renewed or read.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The file exists.
    #[error("{0} already exists")]
    Exists(PathBuf),
    /// The directory has no CA.
    #[error("no CA in {0}: ca.crt or ca.key is missing")]
    NoCa(PathBuf),
    /// A file or directory cannot be read or written.
    #[error("cannot {action} {path}: {cause}")]
    Io {
        /// The failed action.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file does not have the expected content.
    #[error(transparent)]
    File(#[from] TlsError),
    /// The certificate cannot be parsed.
    #[error("not a usable certificate: {0}")]
    Malformed(String),
    /// The certificate has no valid identity.
    #[error("the certificate has no valid identity: {0}")]
    Identity(#[from] IdentityError),
    /// The request for a certificate cannot be signed.
    #[error("not a usable request: {0}")]
    Request(String),
    /// A key of this name is there, and not that of the request.
    #[error("{0} is not the key of the request")]
    OtherKey(PathBuf),
    /// The key of a CA has a passphrase, and none was given.
    #[error("{0} has a passphrase")]
    Locked(PathBuf),
    /// The key of a CA has another passphrase.
    #[error("wrong passphrase for the CA's key")]
    WrongPassphrase,
    /// A passphrase has no characters.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// A passphrase for other programs has characters that they encode differently.
    #[error("the passphrase has characters that are not ASCII")]
    PassphraseForm,
    /// The key does not belong to the CA's certificate.
    #[error("ca.key does not belong to ca.crt")]
    CaKeyMismatch,
    /// The CA's certificate has no cluster.
    #[error("ca.crt names no cluster")]
    NoCluster,
    /// The directory's CA issues for another cluster.
    #[error("the CA in {folder} issues for cluster {found}")]
    OtherCluster {
        /// The directory.
        folder: PathBuf,
        /// The cluster of its CA.
        found: ClusterName,
    },
    /// The certificate was revoked, so its key must not be trusted.
    #[error("{0} was revoked")]
    Revoked(String),
    /// No certificate of this name was created with this CA.
    #[error("this CA has never signed a certificate for {0}")]
    NeverIssued(String),
    /// A CA rotation is already in progress.
    #[error("a CA rotation is already in progress: ca.crt contains several CAs")]
    Rotating,
    /// The old CA signed certificates that are still in use.
    #[error("the old CA signed certificates that are still in use: {}", .0.join(", "))]
    StillNeeded(Vec<String>),
    /// The CA expired this many days ago.
    #[error("the CA expired {0} days ago")]
    CaExpired(i64),
    /// The validity is not within 1 to [`CA_DAYS`].
    #[error("{0} days is not a valid duration for a certificate: 1 to {CA_DAYS}")]
    Days(u32),
    /// Neither a host name nor an IP address.
    #[error("{0:?} is neither a host name nor an IP address")]
    AltName(String),
    /// The role of a node was requested for a client.
    #[error("{} is not a client role", .0.as_str())]
    NotAClient(Role),
    /// Keys were given for an admin or a backup.
    #[error("only the keys of readers and writers can be restricted")]
    KeysOfAdmin,
    /// A request does not ask for all keys for which it was to be signed.
    #[error("the request asks only for {0}")]
    KeysNotAsked(KeyScope),
    /// A request does not ask for a host for which it was to be signed.
    #[error("the request does not ask for host {0}")]
    HostNotAsked(String),
    /// The system provides no random numbers, or signing failed.
    #[error("cannot sign: {0}")]
    Signing(String),
}

impl CertError {
    /// Returns the next step for an operator.
    pub fn hint(&self) -> String {
        match self {
            Self::Exists(path) => {
                format!(
                    "extend it with `coffeectl cert renew`, or replace {} with --replace",
                    path.display()
                )
            }
            Self::NoCa(_) => "create one with `coffeectl cert ca`, or name the directory that has it".to_owned(),
            Self::Io { .. } => "check the directory's owner and permissions, and the free disk space".to_owned(),
            Self::File(error) => error.hint(),
            Self::Malformed(_) | Self::Identity(_) => {
                "run `coffeectl cert list` to see which files are valid".to_owned()
            }
            Self::Request(_) => {
                "make it with `coffeectl cert request`, or with another program as a PKCS #10 file in PEM".to_owned()
            }
            Self::OtherKey(path) => {
                format!("move {} away if its certificate is not in use any more", path.display())
            }
            Self::Locked(_) => {
                "run it at a terminal, or name a file with the passphrase: --passphrase-file FILE".to_owned()
            }
            Self::WrongPassphrase => "use that with which the CA was created, or which was set last".to_owned(),
            Self::EmptyPassphrase => "give at least one character; more make it hard to guess".to_owned(),
            Self::PassphraseForm => "use letters without accents, digits and punctuation: programs that read the file \
                                     encode others differently"
                .to_owned(),
            Self::CaKeyMismatch => "restore the ca.crt and ca.key that were created together".to_owned(),
            Self::NoCluster => {
                "create the CA again with `coffeectl cert ca --cluster NAME --replace`, and all certificates with it"
                    .to_owned()
            }
            Self::OtherCluster { found, .. } => format!(
                "name the directory with the other CA (--certs), or make the request again with --cluster {found}"
            ),
            Self::Revoked(_) => {
                "create one with a new key: `coffeectl cert node NAME --replace`, or `cert client`".to_owned()
            }
            Self::NeverIssued(_) => "run `coffeectl cert list` to see the names".to_owned(),
            Self::Rotating => {
                "finish it first: `coffeectl cert renew --all`, distribute the new certificates, then `coffeectl \
                 cert ca --drop-old`"
                    .to_owned()
            }
            Self::StillNeeded(_) => {
                "renew them with `coffeectl cert renew --all` and install them where they are used".to_owned()
            }
            Self::CaExpired(_) => "renew the CA first: `coffeectl cert renew ca`".to_owned(),
            Self::Days(_) => format!("choose 1 to {CA_DAYS} days"),
            Self::AltName(_) => {
                "use a host name such as shop-1.example.net, or an address such as 10.0.0.1".to_owned()
            }
            Self::NotAClient(_) => {
                "choose admin, writer, reader or backup; `coffeectl cert node NAME` creates a node's certificate".to_owned()
            }
            Self::KeysOfAdmin => "choose writer or reader, or leave out --keys".to_owned(),
            Self::KeysNotAsked(_) => {
                "nothing was signed: state only keys that it asks for, or ask its sender for another one".to_owned()
            }
            Self::HostNotAsked(_) => {
                "nothing was signed: state only hosts that it asks for, or ask its sender for another one".to_owned()
            }
            Self::Signing(_) => {
                "retry; if it fails again, check the system's random number generator".to_owned()
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
