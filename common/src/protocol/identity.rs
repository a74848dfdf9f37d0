//! Who asks, and what that entitles to. Certificates say it (`tls`); nothing
//! that a client sends does.

use serde::{Deserialize, Serialize};

use crate::id::NodeName;

/// What a certificate entitles to. Each role may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Reads keys and status.
    Reader,
    /// Writes keys.
    Writer,
    /// Changes leadership and membership.
    Admin,
    /// Is a node: speaks the peer protocol, and forwards for others.
    Node,
}

impl Role {
    /// The word for it in certificates and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
            Self::Node => "node",
        }
    }
}

/// Who asks: a name and a role, out of a verified certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The name, unique within its role.
    pub name: NodeName,
    /// What it may do.
    pub role: Role,
}
