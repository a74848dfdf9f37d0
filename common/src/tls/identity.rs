//! Name and role, in and out of a certificate.
//!
//! A certificate says who it is for in one URI of its subject alternative
//! names (RFC 5280, section 4.2.1.6): `coffee://ROLE/NAME`, such as
//! `coffee://node/hong` or `coffee://admin/ops`. Exactly one: a certificate
//! with two roles would leave it open which one counts.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::{
    id::NodeName,
    protocol::{Identity, Role},
};

/// How every identity URI starts.
pub const SCHEME: &str = "coffee://";

/// Why a certificate says nothing usable about whom it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are no certificate.
    #[error("it is no well-formed certificate")]
    Malformed,
    /// No URI of ours.
    #[error("it carries no role: no coffee://ROLE/NAME among its alternative names")]
    Missing,
    /// More than one URI of ours.
    #[error("it carries more than one coffee:// URI, so its role is not certain")]
    Several,
    /// A URI of ours that is no role and name.
    #[error("its coffee:// URI is not of the form coffee://ROLE/NAME with a known role and a legal name")]
    Illegal,
}

/// The URI that names `identity` in a certificate.
pub fn to_uri(identity: &Identity) -> String {
    format!("{SCHEME}{}/{}", identity.role.as_str(), identity.name)
}

/// Reads the URI that [`to_uri`] writes.
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

/// Who a certificate is for. Does not verify the certificate.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, IdentityError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Malformed)?;
    let mut ours = certificate.valid_uri_names().filter(|uri| is_ours(uri));
    match (ours.next(), ours.next()) {
        (None, _) => Err(IdentityError::Missing),
        (Some(uri), None) => from_uri(uri),
        (Some(_), Some(_)) => Err(IdentityError::Several),
    }
}

/// Whether a URI claims to be one of ours. Schemes know no case (RFC 3986,
/// section 3.1), so that `COFFEE://admin/x` counts, and is then illegal.
fn is_ours(uri: &str) -> bool {
    uri.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// Who the other side of a finished handshake is: its own certificate comes first.
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
        fn hostile_bytes_are_no_certificate(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(identity_of(&CertificateDer::from(bytes)).is_err());
        }
    }
}
