//! Loads the credentials of a configuration, and checks whose they are.

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
    #[error("the certificate is that of the {} {}, not of a node", .0.role.as_str(), .0.name)]
    NotANode(Identity),
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
            Self::NotANode(_) => "make one with `coffeectl cert node NAME`".to_owned(),
            Self::OtherNode { configured, certificate } => {
                format!("make one with `coffeectl cert node {configured}`, or set name to {certificate}")
            }
        }
    }
}

impl Config {
    /// Loads the node's own credentials: they have to be those of a node of its name.
    pub fn load_credentials(&self) -> Result<Credentials, CredentialsError> {
        let credentials = Credentials::load(&self.tls)?;
        let identity = credentials.identity();
        if identity.role != Role::Node {
            return Err(CredentialsError::NotANode(identity.clone()));
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
