//! Makes, renews and reads the certificates of a cluster: a private CA, and
//! what it signs for nodes and clients.
//!
//! One folder holds them. Its files are named for what is in them:
//!
//! ```text
//! ca.crt  ca.key                      the CA: ca.crt goes to everybody, ca.key stays where it is
//! node-ming.crt  node-ming.key        node ming
//! admin-ops.crt  admin-ops.key        client ops, with the role admin (or writer, reader)
//! ca.crl                              what the CA has revoked, once there is something
//! ca.issued                           the serial number of each certificate that was made
//! ca-old.crt  ca-old.key              the CA before this one, while it is replaced
//! ```
//!
//! While one CA takes the place of another, ca.crt holds both, the newer one first.
//!
//! Keys are Ed25519: small, quick, and with signatures of one length, which
//! keeps simulations repeatable. Who a certificate is for stands in its URI
//! (see [`coffee_common::tls::identity`]); a node's carries its name and
//! whatever else it is called as DNS names and addresses too, for other tools.
//!
//! Synchronous, and no part of the asynchronous library: certificates are made
//! by a person at a desk, or in memory by a test. Guards: no key is ever, even
//! for a moment, readable by others than its owner; no file is replaced
//! without being told; a crash leaves the old file or the new one.

mod bundle;
mod ca;
mod error;
mod info;
mod issued;
mod revoke;
mod rotate;
mod store;
mod subject;
pub mod write;

pub use ca::{Ca, CertificateAndKey};
pub use error::CertError;
pub use info::{CertificateInfo, Holder};
pub use revoke::REVOCATIONS_FILE;
pub use rotate::{drop_old_ca, rotate_ca};
pub use store::{
    CA_NAME, Issued, Revoked, create_ca, file_name, issue_client, issue_node, list, renew, renew_all, revoke,
};
pub use subject::{AltName, Subject};
pub use write::Existing;

/// How long a CA is valid, in days: ten years.
pub const CA_DAYS: u32 = 3_653;

/// How long what it signs is valid, in days, unless said otherwise: one year.
pub const LEAF_DAYS: u32 = 365;

/// Certificates are valid from so many seconds before they are made: the
/// clocks of the shops do not agree to the second, and a certificate that was
/// made just now must not be "not yet valid" next door.
const BACKDATED_SECONDS: i64 = 300;

const DAY_SECONDS: i64 = 86_400;

fn now_seconds() -> i64 {
    i64::try_from(coffee_common::clock::now_ms() / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
