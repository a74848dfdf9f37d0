//! Loads a node's credentials and checks that they belong to it.

use coffee_common::{
    id::{ClusterName, NodeName},
    protocol::{Identity, Role},
    tls::{Credentials, TlsError},
};

use super::Config;

/// The reason why a node cannot use its credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The files cannot be used.
    #[error(transparent)]
    Files(#[from] TlsError),
    /// The certificate belongs to a client.
    #[error("the certificate is that of the {} {}, not of a node", certificate.role.as_str(), certificate.name)]
    NotANode {
        /// The name in the configuration.
        configured: NodeName,
        /// The identity in the certificate.
        certificate: Identity,
    },
    /// The certificate was issued for another cluster than the present one.
    #[error("the certificate is for cluster {certificate}, but this node is one of cluster {present}")]
    OtherCluster {
        /// The cluster of the certificate in use.
        present: ClusterName,
        /// The cluster in the new certificate.
        certificate: ClusterName,
    },
    /// The certificate belongs to another node.
    #[error("the certificate is that of node {certificate}, but this node is called {configured}")]
    OtherNode {
        /// The name in the configuration.
        configured: NodeName,
        /// The name in the certificate.
        certificate: NodeName,
    },
}

impl CredentialsError {
    /// A hint for the operator: the next command or change to try.
    pub fn hint(&self) -> String {
        match self {
            Self::Files(error) => error.hint(),
            Self::NotANode { configured, .. } => {
                format!("create one with `coffeectl cert node {configured}`")
            }
            Self::OtherCluster { present, .. } => {
                format!("use the certificate that the CA of cluster {present} issued for this node")
            }
            Self::OtherNode { configured, certificate } => {
                format!("create one with `coffeectl cert node {configured}`, or set name to {certificate}")
            }
        }
    }
}

impl Config {
    /// Returns the node's credentials: the given ones, otherwise those in the
    /// configured files.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`] if the files cannot be used or the certificate is not that
    /// of a node with the configured name.
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
