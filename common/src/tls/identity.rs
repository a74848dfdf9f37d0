//! Encodes and decodes the name and role in a certificate.
//!
//! A certificate names its owner in one URI of its subject alternative names (RFC 5280, section
//! 4.2.1.6): `coffee://ROLE/NAME`, such as `coffee://node/hong` or `coffee://admin/ops`. Exactly
//! one is required, since with two roles it would be unclear which one counts.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::{
    id::NodeName,
    protocol::{Identity, Role},
};

/// The start of every identity URI.
pub const SCHEME: &str = "coffee://";

/// Why a certificate has no usable identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are not a certificate.
    #[error("it is not a well-formed certificate")]
    Malformed,
    /// It has no `coffee://` URI.
    #[error("it has no role: none of its alternative names is a coffee://ROLE/NAME")]
    Missing,
    /// It has more than one `coffee://` URI.
    #[error("it has more than one coffee:// URI, so its role is ambiguous")]
    Several,
    /// Its `coffee://` URI has no valid role and name.
    #[error("its coffee:// URI is not of the form coffee://ROLE/NAME with a known role and a valid name")]
    Illegal,
}

/// Returns the URI for `identity`.
pub fn to_uri(identity: &Identity) -> String {
    format!("{SCHEME}{}/{}", identity.role.as_str(), identity.name)
}

/// Parses a URI that [`to_uri`] wrote.
///
/// # Errors
/// The URI has no known role or no valid name.
pub fn from_uri(uri: &str) -> Result<Identity, IdentityError> {
    let (role, name) =
        uri.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or(IdentityError::Illegal)?;
    let role = role_of(role).ok_or(IdentityError::Illegal)?;
    let name = NodeName::new(name).map_err(|_| IdentityError::Illegal)?;
    Ok(Identity { name, role })
}

fn role_of(word: &str) -> Option<Role> {
    [Role::Reader, Role::Writer, Role::Admin, Role::Node].into_iter().find(|role| role.as_str() == word)
}

/// Reads the identity in a certificate, without verifying the certificate.
///
/// # Errors
/// The certificate is malformed, or does not have exactly one valid identity URI.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, IdentityError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Malformed)?;
    let mut ours = certificate.valid_uri_names().filter(|uri| is_ours(uri));
    match (ours.next(), ours.next()) {
        (None, _) => Err(IdentityError::Missing),
        (Some(uri), None) => from_uri(uri),
        (Some(_), Some(_)) => Err(IdentityError::Several),
    }
}

/// Returns whether a URI claims to be an identity. Schemes are case-insensitive (RFC 3986, section
/// 3.1), so `COFFEE://admin/x` counts, and is then rejected.
fn is_ours(uri: &str) -> bool {
    uri.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// Reads the identity of the peer after a handshake: the first certificate is its own.
pub(crate) fn identity_of_chain(chain: &[CertificateDer<'_>]) -> Result<Identity, IdentityError> {
    chain.first().ok_or(IdentityError::Missing).and_then(identity_of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_uri_is_a_role_and_a_name() {
        let hong = Identity { name: NodeName::new("hong").expect("legal"), role: Role::Node };
        assert_eq!(to_uri(&hong), "coffee://node/hong");
        assert_eq!(from_uri("coffee://node/hong"), Ok(hong));
        for bad in [
            "",
            "coffee://",
            "coffee://node",
            "coffee://node/",
            "coffee:///hong",
            "coffee://boss/hong",
            "coffee://Node/hong",
            "coffee://node/Hong",
            "coffee://node/hong/",
            "coffee://node/hong?x",
            "COFFEE://node/hong",
            "https://node/hong",
        ] {
            assert_eq!(from_uri(bad), Err(IdentityError::Illegal), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", role in 0usize..4) {
            let role = [Role::Reader, Role::Writer, Role::Admin, Role::Node][role];
            let identity = Identity { name: NodeName::new(name).expect("legal"), role };
            prop_assert_eq!(from_uri(&to_uri(&identity)), Ok(identity));
        }

        #[test]
        fn only_what_would_be_written_is_read(uri in "(coffee://)?(node|admin|writer|reader|[a-z]{0,5})?/?[a-zA-Z0-9/?#%.-]{0,12}") {
            if let Ok(identity) = from_uri(&uri) {
                prop_assert_eq!(to_uri(&identity), uri);
            }
        }

        #[test]
        fn hostile_bytes_are_rejected(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(identity_of(&CertificateDer::from(bytes)).is_err());
        }
    }
}
