//! The subject of a certificate.

use std::{fmt, net::IpAddr, str::FromStr};

use coffee_common::{
    id::NodeName,
    key_scope::KeyScope,
    limits::ADDRESS_BYTES_MAX,
    protocol::{Identity, Role},
};

use super::error::CertError;

/// The subject of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name and role.
    pub identity: Identity,
    /// Further host names and addresses, for other tools.
    pub alt_names: Vec<AltName>,
}

/// A further name of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AltName {
    /// A host name.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
}

impl Subject {
    /// Returns the subject of a node.
    pub fn node(name: NodeName, alt_names: Vec<AltName>) -> Self {
        Self { identity: Identity::new(Role::Node, name), alt_names }
    }

    /// Returns the subject of a client that may use these keys.
    ///
    /// # Errors
    /// [`CertError::NotAClient`] for the role of a node, [`CertError::KeysOfAdmin`] if the keys of
    /// an admin or of a backup are restricted.
    pub fn client(role: Role, name: NodeName, keys: KeyScope) -> Result<Self, CertError> {
        match role {
            Role::Node => Err(CertError::NotAClient(role)),
            Role::Admin | Role::Backup if !keys.is_all() => Err(CertError::KeysOfAdmin),
            Role::Reader | Role::Writer | Role::Admin | Role::Backup => {
                Ok(Self { identity: Identity { name, role, keys }, alt_names: Vec::new() })
            }
        }
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host) => f.write_str(host),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

impl FromStr for AltName {
    type Err = CertError;

    fn from_str(text: &str) -> Result<Self, CertError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let legal_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let legal = text.len() <= ADDRESS_BYTES_MAX && text.split('.').all(legal_label);
        if legal {
            Ok(Self::Dns(text.to_ascii_lowercase()))
        } else {
            Err(CertError::AltName(text.to_owned()))
        }
    }
}
