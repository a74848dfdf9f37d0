//! Creates, renews and reads the certificates of a cluster: a private CA and what
//! it signs for nodes and clients.
//!
//! They live in one directory, in files named for their content:
//!
//! ```text
//! ca.crt  ca.key                      the CA: distribute ca.crt, keep ca.key where it is
//! node-ming.crt  node-ming.key        node ming
//! node-ming.tcp.crt  node-ming.tcp.key    node ming, for TCP listeners (ECDSA, P-256)
//! admin-ops.crt  admin-ops.key        client ops with the role admin (or writer, reader, backup)
//! admin-ops.p12                       the same and ca.crt in one file, for browsers, on request (PKCS #12)
//! node-ming.csr                       a request for a certificate; the key is with it
//! ca.crl                              what the CA has revoked, once there is something
//! ca.issued                           the serial number of each certificate it signed
//! ca-old.crt  ca-old.key              the previous CA during a rotation
//! ```
//!
//! During a rotation ca.crt contains both CAs, the new one first.
//!
//! Keys are Ed25519 in PKCS#8 version 1: small and fast, with signatures of constant length, which
//! keeps simulations repeatable. The identity is in the certificate's URI (see
//! [`coffee_common::tls::identity`]). A node's certificate also has its name and
//! its other names as DNS names and addresses, for other tools.
//!
//! Synchronous, unlike the rest of the library: certificates are created by an
//! operator, or in memory by a test. Guards: no key is ever readable by others than
//! its owner, not even briefly; no file is replaced unless asked for; a crash
//! leaves the old file or the new one.

mod bundle;
mod ca;
mod error;
mod folder;
mod info;
mod issued;
mod key;
mod passphrase;
mod pkcs12;
mod request;
mod revocation;
mod revoke;
mod rotate;
mod signer;
mod store;
mod subject;
pub mod write;

pub use ca::{Ca, CertificateAndKey};
pub use error::CertError;
pub use folder::{CaFolder, is_locked, set_passphrase};
pub use info::{CertificateInfo, Holder};
pub use passphrase::Passphrase;
pub use pkcs12::issue_with_p12;
pub use request::{CertificateRequest, Requested, request, sign};
pub use revocation::{Revoked, can_revoke, revoke};
pub use revoke::REVOCATIONS_FILE;
pub use rotate::{can_drop_old_ca, current_ca, drop_old_ca, rotate_ca};
pub use signer::Signer;
pub use store::{
    Issued, cluster, create_ca, file_name, for_tcp, issue, issue_client, issue_node, issue_node_for_tcp,
    list, renew, renew_all,
};
pub use subject::{AltName, Subject};
pub use write::Existing;

/// The name of the CA's files, without `.crt` and `.key`.
pub const CA_NAME: &str = "ca";

/// The name of the previous CA's files during a rotation.
const OLD_CA_NAME: &str = "ca-old";

/// Validity of a CA in days: ten years.
pub const CA_DAYS: u32 = 3_653;

/// Default validity of a node's or client's certificate in days: one year.
pub const LEAF_DAYS: u32 = 365;

/// Certificates are valid from this many seconds before they are created: clocks
/// differ, and a new certificate must not be "not yet valid" on another host.
const BACKDATED_SECONDS: i64 = 300;

const DAY_SECONDS: i64 = 86_400;

fn now_seconds() -> i64 {
    i64::try_from(coffee_common::clock::now_ms() / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
