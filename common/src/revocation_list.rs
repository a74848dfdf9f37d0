//! The revocation list of a CA, as a cluster keeps it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    bounded::at_most,
    limits::{ISSUER_BYTES_MAX, REVOCATION_LIST_BYTES_MAX},
};

/// A certificate revocation list (RFC 5280, section 5).
///
/// Not verified: [`Credentials::check_list`](crate::tls::Credentials::check_list) does that before a
/// list is proposed, and [`Credentials::with_cluster_lists`](crate::tls::Credentials::with_cluster_lists)
/// before it takes effect. `issuer` and `number` repeat what is in `der`, so that lists can be
/// compared without parsing them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationList {
    /// The name of the CA, in DER.
    #[serde(deserialize_with = "at_most::<_, _, ISSUER_BYTES_MAX>")]
    pub issuer: Vec<u8>,
    /// The CRL number (section 5.2.3). It grows with each list of the CA.
    pub number: u64,
    /// The signed list, in DER.
    #[serde(deserialize_with = "at_most::<_, _, REVOCATION_LIST_BYTES_MAX>")]
    pub der: Vec<u8>,
}

impl RevocationList {
    /// Returns the size in bytes.
    pub fn bytes(&self) -> usize {
        self.issuer.len() + self.der.len()
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationList(number {}, {} bytes)", self.number, self.der.len())
    }
}
