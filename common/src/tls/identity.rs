//! Encodes and decodes the owner of a certificate: its cluster, its role and its name.
//!
//! A certificate names its owner in one URI of its subject alternative names (RFC 5280, section
//! 4.2.1.6): `coffee://CLUSTER/ROLE/NAME`, such as `coffee://shops/node/hong` or
//! `coffee://shops/admin/ops`. Exactly one is required, since with two roles it would be unclear
//! which one counts. The certificate of a CA that issues for one cluster has `coffee://CLUSTER`.
//!
//! A reader's or writer's certificate may be for some keys only: each `coffee-keys:PREFIX` in it allows
//! the keys with this prefix, percent-encoded (RFC 3986, section 2.1).

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::percent;
use crate::{
    id::{ClusterName, NodeName},
    key_scope::KeyScope,
    limits::KEY_PREFIXES_MAX,
    protocol::{Identity, Role},
};

/// The start of every identity URI.
pub const SCHEME: &str = "coffee://";

/// The start of every URI with a prefix of keys.
pub const KEYS_SCHEME: &str = "coffee-keys:";

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
    /// A `coffee-keys:` URI has no valid prefix of keys, or there are too many.
    #[error("its coffee-keys: URIs are not 1 to {KEY_PREFIXES_MAX} percent-encoded prefixes of keys")]
    IllegalKeys,
    /// It restricts the keys of a role that is not restricted.
    #[error("it restricts the keys of a {}; only readers and writers can be restricted", .0.as_str())]
    KeysOfRole(Role),
}

/// Returns the URI in the certificate of a node or client.
pub fn to_uri(owner: &Owner) -> String {
    let Owner { cluster, identity: Identity { name, role, .. } } = owner;
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
    let identity = Identity::new(role, NodeName::new(name).map_err(illegal)?);
    Ok(Owner { cluster: ClusterName::new(cluster).map_err(illegal)?, identity })
}

fn role_of(word: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.as_str() == word)
}

/// Reads the owner of a certificate, without verifying the certificate.
///
/// # Errors
/// The certificate is malformed, or does not have exactly one valid identity URI.
pub fn owner_of(certificate: &CertificateDer<'_>) -> Result<Owner, IdentityError> {
    let certificate = EndEntityCert::try_from(certificate).map_err(|_| IdentityError::Malformed)?;
    owner_in(certificate.valid_uri_names())
}

/// Reads the owner from the URIs among the alternative names of a certificate, or of a request for one.
///
/// # Errors
/// There is not exactly one valid identity URI.
pub fn owner_in<'a>(uris: impl Iterator<Item = &'a str>) -> Result<Owner, IdentityError> {
    let uris: Vec<&str> =
        uris.filter(|uri| has_scheme(uri, SCHEME) || has_scheme(uri, KEYS_SCHEME)).collect();
    let mut ours = uris.iter().filter(|uri| has_scheme(uri, SCHEME));
    let mut owner = match (ours.next(), ours.next()) {
        (None, _) => return Err(IdentityError::Missing),
        (Some(uri), None) => from_uri(uri)?,
        (Some(_), Some(_)) => return Err(IdentityError::Several),
    };
    let keys = uris.iter().filter(|uri| has_scheme(uri, KEYS_SCHEME));
    owner.identity.keys = scope_of(keys.copied())?;
    match owner.identity.role {
        Role::Admin | Role::Node | Role::Backup if !owner.identity.keys.is_all() => {
            Err(IdentityError::KeysOfRole(owner.identity.role))
        }
        _ => Ok(owner),
    }
}

/// Returns the URIs of the keys in the certificate of a reader or writer; none for all keys.
pub fn keys_uris(keys: &KeyScope) -> impl Iterator<Item = String> {
    keys.prefixes().map(|prefix| format!("{KEYS_SCHEME}{}", percent::encode(prefix)))
}

/// Reads the URIs that [`keys_uris`] wrote.
fn scope_of<'a>(uris: impl Iterator<Item = &'a str>) -> Result<KeyScope, IdentityError> {
    let prefix = |uri: &str| uri.strip_prefix(KEYS_SCHEME).and_then(percent::decode);
    // One more than allowed is enough to see that there are too many.
    let prefixes: Option<Vec<String>> = uris.take(KEY_PREFIXES_MAX + 1).map(prefix).collect();
    let prefixes = prefixes.filter(|prefixes| prefixes.len() <= KEY_PREFIXES_MAX);
    KeyScope::new(prefixes.ok_or(IdentityError::IllegalKeys)?).map_err(|_| IdentityError::IllegalKeys)
}

/// Returns whether a URI has a scheme. Schemes are case-insensitive (RFC 3986, section 3.1), so
/// `COFFEE://admin/x` counts, and is then rejected.
fn has_scheme(uri: &str, scheme: &str) -> bool {
    uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
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
        let identity = Identity::new(role, NodeName::new(name).expect("legal"));
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

    #[test]
    fn keys_are_percent_encoded_prefixes() {
        let keys = KeyScope::new(["menu/", "till/ming 7/\u{2615}%"]).expect("legal");
        let uris: Vec<String> = keys_uris(&keys).collect();
        assert_eq!(uris, ["coffee-keys:menu/", "coffee-keys:till/ming%207/%E2%98%95%25"]);
        let read = |uris: &[&str]| scope_of(uris.iter().copied());
        assert_eq!(read(&[&uris[0], &uris[1]]), Ok(keys));
        assert_eq!(read(&[]), Ok(KeyScope::default()));
        for bad in
            ["coffee-keys:", "coffee-keys:%00", "coffee-keys:%6d", "coffee-keys:%e2%98%95", "COFFEE-KEYS:m"]
        {
            assert_eq!(read(&["coffee-keys:menu/", bad]), Err(IdentityError::IllegalKeys), "{bad}");
        }
        assert_eq!(read(&["coffee-keys:menu/"; KEY_PREFIXES_MAX + 1]), Err(IdentityError::IllegalKeys));
    }

    proptest! {
        #[test]
        fn keys_are_read_as_they_were_written(prefixes in prop::collection::vec("\\PC{1,4}", 1..5)) {
            let keys = KeyScope::new(prefixes).expect("legal");
            let uris: Vec<String> = keys_uris(&keys).collect();
            prop_assert!(uris.iter().all(|uri| uri.is_ascii()));
            prop_assert_eq!(scope_of(uris.iter().map(String::as_str)), Ok(keys));
        }

        #[test]
        fn what_is_written_is_read(
            cluster in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
            role in 0usize..Role::ALL.len(),
            name in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        ) {
            let role = Role::ALL[role];
            let owner = owner(&cluster, role, &name);
            prop_assert_eq!(from_uri(&to_uri(&owner)), Ok(owner));
        }

        #[test]
        fn only_what_would_be_written_is_read(
            uri in "(coffee://)?([a-z]{0,5}/)?(node|admin|writer|reader|backup|[a-z]{0,5})?/?[a-zA-Z0-9/?#%.-]{0,12}",
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
