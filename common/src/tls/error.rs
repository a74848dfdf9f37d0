//! Errors of credentials, as sentences with hints.

use std::{fmt, path::PathBuf};

use rustls::CertificateError;
use rustls_pki_types::UnixTime;

use super::identity::IdentityError;
use crate::protocol::Identity;

/// A credential file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFile {
    /// The certificates of the trusted CAs: one, or two during a replacement.
    Ca,
    /// The own certificate.
    Certificate,
    /// The private key of the certificate.
    Key,
    /// The revocation lists of the CAs.
    Revocations,
}

/// Why credentials cannot be used.
///
/// Prints as one sentence that names the file; [`TlsError::hint`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// The file with the problem.
    pub file: CredentialFile,
    /// Its path; `None` if it came from memory.
    pub path: Option<PathBuf>,
    /// The problem.
    pub problem: Problem,
}

/// A problem with a credential file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file does not exist.
    #[error("no such file")]
    NotFound,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Users other than its owner can access the private key.
    #[error("its permissions are {mode:04o}, so users other than its owner can access it")]
    TooOpen {
        /// The permission bits of the file.
        mode: u32,
    },
    /// The file is larger than any certificate or key file.
    #[error("it is larger than {0} bytes, so it is not a certificate or key")]
    TooLarge(u64),
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// The file has no valid PEM section of the expected kind.
    #[error("it has no PEM-encoded {0}")]
    NotPem(&'static str),
    /// The type of the key is not supported.
    #[error("the type of the key is not supported")]
    UnusableKey,
    /// The key belongs to another certificate.
    #[error("it does not belong to the certificate")]
    KeyMismatch,
    /// The file has more certificates or lists than are allowed.
    #[error("it has more than {0} certificates or lists")]
    TooMany(usize),
    /// A node's or a client's certificate is among the CAs.
    #[error("it has the certificate of {} {}, which is not a CA", .0.role.as_str(), .0.name)]
    NotACa(Identity),
    /// The certificate has no valid identity.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// Another CA signed it.
    #[error("it was not signed by the CA that is configured")]
    UnknownIssuer,
    /// Its CA has revoked it.
    #[error("it was revoked")]
    Revoked,
    /// Two lists are from one CA: it is unclear which one counts.
    #[error("it has two lists from one CA")]
    TwoLists,
    /// It has expired.
    #[error("it expired {0}")]
    Expired(Ago),
    /// It is not valid yet.
    #[error("it becomes valid only {0}")]
    NotYetValid(Ago),
    /// Its key usage does not allow this.
    #[error("it is not valid for this purpose: a node needs serverAuth and clientAuth, a client clientAuth")]
    WrongPurpose,
    /// Any other problem.
    #[error("it cannot be used: {0}")]
    Unusable(String),
}

/// A span of time, printed in a readable unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ago {
    /// This many seconds before now.
    Past(u64),
    /// This many seconds after now.
    Future(u64),
}

impl Ago {
    /// Returns the span between `then` and `now`.
    pub(super) fn between(then: UnixTime, now: UnixTime) -> Self {
        match now.as_secs().checked_sub(then.as_secs()) {
            Some(past) => Self::Past(past),
            None => Self::Future(then.as_secs() - now.as_secs()),
        }
    }
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |seconds: u64| match seconds {
            0..120 => format!("{seconds} seconds"),
            120..7_200 => format!("{} minutes", seconds / 60),
            7_200..172_800 => format!("{} hours", seconds / 3_600),
            _ => format!("{} days", seconds / 86_400),
        };
        match self {
            Self::Past(seconds) => write!(f, "{} ago", span(*seconds)),
            Self::Future(seconds) => write!(f, "in {}", span(*seconds)),
        }
    }
}

impl fmt::Display for CredentialFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "the CA certificate",
            Self::Certificate => "the certificate",
            Self::Key => "the private key",
            Self::Revocations => "the revocation list",
        })
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {}: {}", self.file, path.display(), self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for TlsError {}

impl TlsError {
    pub(super) fn new(file: CredentialFile, problem: impl Into<Problem>) -> Self {
        Self { file, path: None, problem: problem.into() }
    }

    /// Returns what the operator can do about it.
    pub fn hint(&self) -> String {
        let path = self.path.as_ref().map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
        match (&self.problem, self.file) {
            (Problem::UnknownIssuer, CredentialFile::Revocations) => {
                "use the ca.crl that was created together with ca.crt".to_owned()
            }
            (Problem::Expired(_), CredentialFile::Revocations) => {
                "create a new one with `coffeectl cert revoke`, and replace the old file with it".to_owned()
            }
            (problem, _) => problem.hint(&path),
        }
    }
}

impl Problem {
    fn hint(&self, path: &str) -> String {
        match self {
            Self::NotFound => {
                "create certificates with `coffeectl cert`, or correct the path in the configuration".to_owned()
            }
            Self::Unreadable(_) => {
                format!("make it readable by the user that runs this: chown USER {path} (and mode 0600 for a key)")
            }
            Self::TooOpen { .. } => format!("chmod 600 {path}"),
            Self::KeyMismatch => "use the .crt and the .key that were created together".to_owned(),
            Self::UnknownIssuer => {
                "use the ca.crt of the CA that signed this certificate, or create a new certificate with this CA"
                    .to_owned()
            }
            Self::Expired(_) => {
                "renew it with `coffeectl cert renew NAME`, and replace the old file with the new one"
                    .to_owned()
            }
            Self::Revoked => {
                "create one with a new key: `coffeectl cert node NAME --replace`, or `cert client`".to_owned()
            }
            Self::NotACa(_) => "keep only certificates of CAs in ca.crt".to_owned(),
            Self::TwoLists => "keep the newer one; `coffeectl cert revoke` creates one per CA".to_owned(),
            Self::NotYetValid(_) => "check this machine's clock".to_owned(),
            Self::Identity(IdentityError::NoCluster) => {
                "create the CA again with `coffeectl cert ca --cluster NAME --replace`, and all certificates with it"
                    .to_owned()
            }
            Self::Identity(_) | Self::WrongPurpose => {
                "create it with `coffeectl cert node NAME` or `coffeectl cert client ROLE NAME`".to_owned()
            }
            Self::TooLarge(_)
            | Self::Empty
            | Self::NotPem(_)
            | Self::TooMany(_)
            | Self::UnusableKey
            | Self::Unusable(_) => {
                "check that ca, cert and key are not mixed up; `coffeectl cert list` shows them"
                    .to_owned()
            }
        }
    }
}

/// Returns why this side rejected the peer's certificate: "it ...".
pub(super) fn rejection_sentence(error: &rustls::Error) -> String {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    let problem = match error {
        E::ExpiredContext { time, not_after } => Problem::Expired(Ago::between(*not_after, *time)),
        E::NotValidYetContext { time, not_before } => Problem::NotYetValid(Ago::between(*not_before, *time)),
        E::UnknownIssuer | E::BadSignature => Problem::UnknownIssuer,
        E::InvalidPurposeContext { .. } => Problem::WrongPurpose,
        E::Revoked => Problem::Revoked,
        E::Other(error) => return error.to_string(),
        other => Problem::Unusable(other.to_string()),
    };
    problem.to_string()
}

/// Returns the meaning of a TLS alert (RFC 8446, section 6) that rejects a certificate.
pub(crate) fn alert_sentence(alert: u8) -> Option<&'static str> {
    Some(match alert {
        42 => "the certificate is malformed or has another identity",
        43 => "the certificate is not valid for this purpose",
        44 => "the certificate was revoked",
        45 => "the certificate has expired, or is not yet valid",
        46 => "the certificate does not have the expected contents",
        48 => "the certificate was signed by another CA",
        49 => "access is denied",
        51 => "the certificate's signature is wrong: it was made with the key of another CA of the same name",
        116 => "a certificate is required, and none was presented",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file_and_what_to_do() {
        let error = TlsError {
            file: CredentialFile::Key,
            path: Some("/etc/coffeed/ming.key".into()),
            problem: Problem::TooOpen { mode: 0o644 },
        };
        assert_eq!(
            error.to_string(),
            "the private key /etc/coffeed/ming.key: its permissions are 0644, so users other than its owner can access it"
        );
        assert_eq!(error.hint(), "chmod 600 /etc/coffeed/ming.key");
    }

    #[test]
    fn spans_of_time_are_readable() {
        assert_eq!(Ago::Past(90_000).to_string(), "25 hours ago");
        assert_eq!(Ago::Past(864_000).to_string(), "10 days ago");
        assert_eq!(Ago::Future(60).to_string(), "in 60 seconds");
    }
}
