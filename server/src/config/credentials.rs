//! The credentials of a configured node: loaded, and checked whose they are.

use coffee_common::{
    id::NodeName,
    protocol::{Identity, Role},
    tls::{Credentials, TlsError},
};

use super::Config;

/// Credentials with which a node cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The files are not usable.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// They are a client's.
    #[error("the certificate is that of the {} {}, not of a node", certificate.role.as_str(), certificate.name)]
    NotANode {
        /// The name in the configuration.
        configured: NodeName,
        /// Whose the certificate is.
        certificate: Identity,
    },
    /// They are another node's.
    #[error("the certificate is that of node {certificate}, but this node is called {configured}")]
    OtherNode {
        /// The name in the configuration.
        configured: NodeName,
        /// The name in the certificate.
        certificate: NodeName,
    },
}

impl CredentialsError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Files(error) => error.hint(),
            Self::NotANode { configured, .. } => format!("make one with `coffeectl cert node {configured}`"),
            Self::OtherNode { configured, certificate } => {
                format!("make one with `coffeectl cert node {configured}`, or set name to {certificate}")
            }
        }
    }
}

impl Config {
    /// The node's own credentials: those given, or what the files hold. They
    /// have to be those of a node of its name.
    pub fn own_credentials(&self, given: Option<Credentials>) -> Result<Credentials, CredentialsError> {
        let credentials = given.map_or_else(|| Credentials::load(&self.tls), Ok)?;
        let identity = credentials.identity();
        if identity.role != Role::Node {
            let (configured, certificate) = (self.name.clone(), identity.clone());
            return Err(CredentialsError::NotANode { configured, certificate });
        }
        if identity.name != self.name {
            return Err(CredentialsError::OtherNode {
                configured: self.name.clone(),
                certificate: identity.name.clone(),
            });
        }
        Ok(credentials)
    }
}
