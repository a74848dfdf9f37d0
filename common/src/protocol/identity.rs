//! Identities and roles. They come from verified certificates ([`crate::tls`]) and never from what
//! a client sends.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{id::NodeName, key_scope::KeyScope, text};

/// The permissions that a certificate grants. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// May read keys and status.
    Reader,
    /// May write keys.
    Writer,
    /// May change leadership and membership.
    Admin,
    /// A node: speaks the peer protocol, and forwards requests of clients.
    Node,
    /// May back everything up, and read the status of nodes: nothing else.
    Backup,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] = [Self::Reader, Self::Writer, Self::Admin, Self::Node, Self::Backup];

    /// Returns the role's name in certificates and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
            Self::Node => "node",
            Self::Backup => "backup",
        }
    }
}

/// The name, the role and the keys in a verified certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Identity {
    /// The name, unique within its role.
    pub name: NodeName,
    /// The role, which decides on permissions.
    pub role: Role,
    /// The keys that it may read and write.
    pub keys: KeyScope,
}

impl Identity {
    /// Creates an identity that may use all keys.
    pub fn new(role: Role, name: NodeName) -> Self {
        Self { name, role, keys: KeyScope::default() }
    }
}

/// The connection on which a request reached its first node. Only the audit log uses it: no rule
/// depends on what another node says here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SentFrom {
    /// The serial number of the client's certificate, in hexadecimal.
    #[serde(deserialize_with = "text::word")]
    pub serial: String,
    /// The client's address.
    pub address: SocketAddr,
}

crate::enveloped!(Identity, SentFrom);
