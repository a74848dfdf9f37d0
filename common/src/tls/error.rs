//! What can be wrong with credentials, in sentences for people.

use std::{fmt, path::PathBuf};

use rustls::CertificateError;
use rustls_pki_types::UnixTime;

use super::identity::IdentityError;
use crate::protocol::Identity;

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialFile {
    /// The certificates of the CAs that sign all others: one, or two while
    /// one takes the place of the other.
    Ca,
    /// Our own certificate.
    Certificate,
    /// The private key that belongs to it.
    Key,
    /// What the CAs have revoked.
    Revocations,
}

/// Credentials that cannot be used, and why.
///
/// Prints as one sentence that names the file; [`TlsError::hint`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError {
    /// Which of the files.
    pub file: CredentialFile,
    /// Where it is; `None` if it came from memory.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with one of the files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Others than its owner may read the private key.
    #[error("its permissions are {mode:04o}, so others than its owner can get at it")]
    TooOpen {
        /// The permission bits that it has.
        mode: u32,
    },
    /// It is larger than any such file would be.
    #[error("it is larger than {0} bytes, so it is something else")]
    TooLarge(u64),
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It does not hold what it should, in PEM.
    #[error("it holds no {0} in PEM form")]
    NotPem(&'static str),
    /// The key is of no kind that can be used.
    #[error("the key is of no kind that can be used here")]
    UnusableKey,
    /// The key belongs to another certificate.
    #[error("it does not belong to the certificate")]
    KeyMismatch,
    /// More stands in it than is looked at.
    #[error("it holds more than {0} of them")]
    TooMany(usize),
    /// A node's or a client's certificate stands where CAs are trusted.
    #[error("it holds the certificate of {} {}, which is no CA", .0.role.as_str(), .0.name)]
    NotACa(Identity),
    /// It names nobody.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// Another CA signed it.
    #[error("it was not signed by the CA that is configured")]
    UnknownIssuer,
    /// Its CA has revoked it.
    #[error("it was revoked")]
    Revoked,
    /// Two lists of one CA: which of them counts is not certain.
    #[error("it holds two lists of one CA")]
    TwoLists,
    /// Its time is over.
    #[error("it expired {0}")]
    Expired(Ago),
    /// Its time has not come.
    #[error("it becomes valid only {0}")]
    NotYetValid(Ago),
    /// It may not be used for this.
    #[error("it is not meant for this use: a node needs serverAuth and clientAuth, a client clientAuth")]
    WrongPurpose,
    /// Anything else.
    #[error("it cannot be used: {0}")]
    Unusable(String),
}

/// A span of time, in a unit that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ago {
    /// So many seconds before now.
    Past(u64),
    /// So many seconds after now.
    Future(u64),
}

impl Ago {
    /// From `then` to `now`, whichever is earlier.
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

    /// What to do about it.
    pub fn hint(&self) -> String {
        let path = self.path.as_ref().map_or_else(|| "FILE".to_owned(), |path| path.display().to_string());
        match (&self.problem, self.file) {
            (Problem::UnknownIssuer, CredentialFile::Revocations) => {
                "take the ca.crl that was made together with ca.crt".to_owned()
            }
            (Problem::Expired(_), CredentialFile::Revocations) => {
                "make it anew with `coffeectl cert revoke`, and put it where the old one is".to_owned()
            }
            (problem, _) => problem.hint(&path),
        }
    }
}

impl Problem {
    fn hint(&self, path: &str) -> String {
        match self {
            Self::NotFound => {
                "make certificates with `coffeectl cert`, or correct the path in the configuration".to_owned()
            }
            Self::Unreadable(_) => {
                format!("let the user that runs this read it: chown USER {path} (and mode 0600 for a key)")
            }
            Self::TooOpen { .. } => format!("chmod 600 {path}"),
            Self::KeyMismatch => "take the .crt and the .key that were made together".to_owned(),
            Self::UnknownIssuer => {
                "take ca.crt from the CA that made this certificate, or make a new certificate with it"
                    .to_owned()
            }
            Self::Expired(_) => {
                "renew it with `coffeectl cert renew NAME`, and put the new one where the old one is"
                    .to_owned()
            }
            Self::Revoked => {
                "make one with a new key: `coffeectl cert node NAME --replace`, or `cert client`".to_owned()
            }
            Self::NotACa(_) => "leave nothing but certificates of CAs in ca.crt".to_owned(),
            Self::TwoLists => "keep the newer one; `coffeectl cert revoke` makes one for each CA".to_owned(),
            Self::NotYetValid(_) => "check this machine's clock".to_owned(),
            Self::Identity(_) | Self::WrongPurpose => {
                "make it with `coffeectl cert node NAME` or `coffeectl cert client ROLE NAME`".to_owned()
            }
            Self::TooLarge(_)
            | Self::Empty
            | Self::NotPem(_)
            | Self::TooMany(_)
            | Self::UnusableKey
            | Self::Unusable(_) => {
                "check that ca, cert and key are not mixed up; `coffeectl cert list` shows what there is"
                    .to_owned()
            }
        }
    }
}

/// Why we refused the certificate of the other side: "it ...".
pub(super) fn refusal_sentence(error: &rustls::Error) -> String {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    let problem = match error {
        E::ExpiredContext { time, not_after } => Problem::Expired(Ago::between(*not_after, *time)),
        E::NotValidYetContext { time, not_before } => Problem::NotYetValid(Ago::between(*not_before, *time)),
        E::UnknownIssuer | E::BadSignature => Problem::UnknownIssuer,
        E::InvalidPurposeContext { .. } => Problem::WrongPurpose,
        E::Revoked => Problem::Revoked,
        E::Other(unwanted) => return unwanted.to_string(),
        other => Problem::Unusable(other.to_string()),
    };
    problem.to_string()
}

/// What a TLS alert (RFC 8446, section 6) says about the one who sent it, or
/// about us, when it refuses a certificate.
pub(crate) fn alert_sentence(alert: u8) -> Option<&'static str> {
    Some(match alert {
        42 => "the certificate is malformed or names somebody else",
        43 => "the certificate is not meant for this use",
        44 => "the certificate was revoked",
        45 => "the certificate has expired, or is not yet valid",
        46 => "the certificate does not say what it should",
        48 => "the certificate was signed by another CA",
        49 => "access is denied",
        51 => "the certificate's signature is wrong: it was made with another CA's key of the same name",
        116 => "a certificate is required, and none was shown",
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
            "the private key /etc/coffeed/ming.key: its permissions are 0644, so others than its owner can get at it"
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
