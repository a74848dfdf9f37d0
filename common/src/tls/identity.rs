//! Encodes and decodes the owner of a certificate: its cluster, its role and its name.
//!
//! A certificate names its owner in one URI of its subject alternative names (RFC 5280, section
//! 4.2.1.6): `coffee://CLUSTER/ROLE/NAME`, such as `coffee://shops/node/hong` or
//! `coffee://shops/admin/ops`. Exactly one is required, since with two roles it would be unclear
//! which one counts. The certificate of a CA that issues for one cluster has `coffee://CLUSTER`.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::{
    id::{ClusterName, NodeName},
    protocol::{Identity, Role},
};

/// The start of every identity URI.
pub const SCHEME: &str = "coffee://";

/// The owner of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The cluster for which the certificate was issued.
    pub cluster: ClusterName,
    /// The name and the role in this cluster.
    pub identity: Identity,
}

/// Why a certificate has no usable identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The bytes are not a certificate.
    #[error("it is not a well-formed certificate")]
    Malformed,
    /// It has no `coffee://` URI.
    #[error("it has no role: none of its alternative names is a coffee://CLUSTER/ROLE/NAME")]
    Missing,
    /// It has more than one `coffee://` URI.
    #[error("it has more than one coffee:// URI, so its role is ambiguous")]
    Several,
    /// Its `coffee://` URI has a role and a name, and no cluster.
    #[error("it names no cluster: its URI is of the former form coffee://ROLE/NAME")]
    NoCluster,
    /// Its `coffee://` URI has no valid cluster, role and name.
    #[error(
        "its coffee:// URI is not of the form coffee://CLUSTER/ROLE/NAME with valid names and a known role"
    )]
    Illegal,
}

/// Returns the URI in the certificate of a node or client.
pub fn to_uri(owner: &Owner) -> String {
    let Owner { cluster, identity: Identity { name, role } } = owner;
    format!("{SCHEME}{cluster}/{}/{name}", role.as_str())
}

/// Returns the URI in the certificate of a CA.
pub fn ca_uri(cluster: &ClusterName) -> String {
    format!("{SCHEME}{cluster}")
}

/// Parses a URI that [`ca_uri`] wrote.
pub fn cluster_of_ca(uri: &str) -> Option<ClusterName> {
    ClusterName::new(uri.strip_prefix(SCHEME)?).ok()
}

/// Parses a URI that [`to_uri`] wrote.
///
/// # Errors
/// The URI has no known role, or no valid names of the cluster and the owner.
pub fn from_uri(uri: &str) -> Result<Owner, IdentityError> {
    let parts = || uri.strip_prefix(SCHEME)?.split_once('/');
    let (cluster, rest) = parts().ok_or(IdentityError::Illegal)?;
    let Some((role, name)) = rest.split_once('/') else {
        let is_former = role_of(cluster).is_some() && NodeName::new(rest).is_ok();
        return Err(if is_former { IdentityError::NoCluster } else { IdentityError::Illegal });
    };
    let role = role_of(role).ok_or(IdentityError::Illegal)?;
    let illegal = |_| IdentityError::Illegal;
    let identity = Identity { name: NodeName::new(name).map_err(illegal)?, role };
    Ok(Owner { cluster: ClusterName::new(cluster).map_err(illegal)?, identity })
}

fn role_of(word: &str) -> Option<Role> {
    [Role::Reader, Role::Writer, Role::Admin, Role::Node].into_iter().find(|role| role.as_str() == word)
}

/// Reads the owner of a certificate, without verifying the certificate.
///
/// # Errors
/// The certificate is malformed, or does not have exactly one valid identity URI.
pub fn owner_of(certificate: &CertificateDer<'_>) -> Result<Owner, IdentityError> {
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
    chain.first().ok_or(IdentityError::Missing).and_then(owner_of).map(|owner| owner.identity)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(cluster: &str, role: Role, name: &str) -> Owner {
        let identity = Identity { name: NodeName::new(name).expect("legal"), role };
        Owner { cluster: ClusterName::new(cluster).expect("legal"), identity }
    }

    #[test]
    fn a_uri_is_a_cluster_a_role_and_a_name() {
        for (uri, owner) in [
            ("coffee://shops/node/hong", owner("shops", Role::Node, "hong")),
            ("coffee://node/node/node", owner("node", Role::Node, "node")),
            ("coffee://reader/admin/writer", owner("reader", Role::Admin, "writer")),
        ] {
            assert_eq!(to_uri(&owner), uri);
            assert_eq!(from_uri(uri), Ok(owner));
        }
        for bad in [
            "",
            "coffee://",
            "coffee://shops",
            "coffee://shops/",
            "coffee://shops/hong",
            "coffee://shops/node",
            "coffee://shops/node/",
            "coffee:///node/hong",
            "coffee:///hong",
            "coffee://shops//hong",
            "coffee://boss/hong",
            "coffee://shops/boss/hong",
            "coffee://Shops/node/hong",
            "coffee://shops/Node/hong",
            "coffee://shops/node/Hong",
            "coffee://shops/node/hong/",
            "coffee://shops/node/hong?x",
            "coffee://ops@shops/node/hong",
            "coffee://shops:7400/node/hong",
            "coffee://node/Hong",
            "COFFEE://shops/node/hong",
            "https://shops/node/hong",
        ] {
            assert_eq!(from_uri(bad), Err(IdentityError::Illegal), "{bad}");
        }
        assert_eq!(from_uri("coffee://node/hong"), Err(IdentityError::NoCluster));
    }

    #[test]
    fn the_uri_of_a_ca_is_a_cluster() {
        let shops = ClusterName::default();
        assert_eq!(ca_uri(&shops), "coffee://shops");
        assert_eq!(cluster_of_ca("coffee://shops"), Some(shops));
        for bad in ["", "coffee://", "coffee://shops/", "coffee://shops/node/hong", "https://shops"] {
            assert_eq!(cluster_of_ca(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            cluster in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
            role in 0usize..4,
            name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        ) {
            let role = [Role::Reader, Role::Writer, Role::Admin, Role::Node][role];
            let owner = owner(&cluster, role, &name);
            prop_assert_eq!(from_uri(&to_uri(&owner)), Ok(owner));
        }

        #[test]
        fn only_what_would_be_written_is_read(
            uri in "(coffee://)?([a-z]{0,5}/)?(node|admin|writer|reader|[a-z]{0,5})?/?[a-zA-Z0-9/?#%.-]{0,12}",
        ) {
            if let Ok(owner) = from_uri(&uri) {
                prop_assert_eq!(to_uri(&owner), uri);
            }
        }

        #[test]
        fn hostile_bytes_are_rejected(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(owner_of(&CertificateDer::from(bytes)).is_err());
        }
    }
}
