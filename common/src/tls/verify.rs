//! Verifies the certificate of the peer during the handshake.
//!
//! Both verifiers leave the chain, the validity period and the key usage to webpki, then check for
//! revocation, and then compare the identity with the expected one. Host names play no part: a node
//! is identified by its certificate, whatever its address.

use std::sync::{Arc, OnceLock};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature},
    server::{
        ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    error::rejection_sentence,
    identity::{IdentityError, Owner, owner_of},
    revocations::Revocations,
};
use crate::{
    id::{ClusterName, NodeName},
    protocol::{Identity, Role},
};

/// Why a valid certificate is not accepted: its identity is not the expected one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnexpectedIdentity {
    /// It has no valid identity.
    #[error("{0}")]
    Invalid(#[from] IdentityError),
    /// It was issued for another cluster.
    #[error("it was issued for cluster {found}; this is cluster {own}")]
    OtherCluster {
        /// The cluster in the own certificate.
        own: ClusterName,
        /// The cluster in the peer's certificate.
        found: ClusterName,
    },
    /// A server presented it, and it is not a node's.
    #[error("it belongs to {} {}, which is not a node", .0.role.as_str(), .0.name)]
    NotANode(Identity),
    /// It belongs to another node.
    #[error("it belongs to node {found}; node {expected} was expected")]
    OtherNode {
        /// The node that was expected.
        expected: NodeName,
        /// The node in the certificate.
        found: NodeName,
    },
}

impl From<UnexpectedIdentity> for Error {
    fn from(error: UnexpectedIdentity) -> Self {
        CertificateError::Other(OtherError(Arc::new(error))).into()
    }
}

/// Why this side rejected the peer's certificate, for the error shown to people: TLS and QUIC
/// reduce it to the number of an alert.
pub(crate) type RefusalReason = Arc<OnceLock<String>>;

/// Verifies a node that was dialled.
#[derive(Debug)]
pub(super) struct NodeVerifier {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// The cluster in the own certificate.
    pub(super) cluster: ClusterName,
    /// The node that must answer; `None` accepts any.
    pub(super) expected: Option<NodeName>,
    /// Receives the reason if the node is rejected.
    pub(super) refusal: RefusalReason,
}

impl NodeVerifier {
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        reject_revoked(&self.revocations, end_entity, intermediates)?;
        Ok(self.check_identity(end_entity)?)
    }

    fn check_identity(&self, certificate: &CertificateDer<'_>) -> Result<(), UnexpectedIdentity> {
        let found = identity_in(&self.cluster, certificate)?;
        if found.role != Role::Node {
            return Err(UnexpectedIdentity::NotANode(found));
        }
        match &self.expected {
            Some(expected) if *expected != found.name => {
                Err(UnexpectedIdentity::OtherNode { expected: expected.clone(), found: found.name })
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for NodeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(end_entity, intermediates, now).inspect_err(|error| {
            self.refusal.get_or_init(|| rejection_sentence(error));
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies a caller with webpki, and requires an identity. Permissions are checked elsewhere.
#[derive(Debug)]
pub(super) struct CallerVerifier {
    pub(super) webpki: Arc<dyn ClientCertVerifier>,
    pub(super) revocations: Arc<Revocations>,
    /// The cluster in the own certificate.
    pub(super) cluster: ClusterName,
}

/// Returns the identity in a peer's certificate, which must be of the own cluster: one CA may issue
/// for several.
fn identity_in(own: &ClusterName, certificate: &CertificateDer<'_>) -> Result<Identity, UnexpectedIdentity> {
    let Owner { cluster, identity } = owner_of(certificate)?;
    match cluster == *own {
        true => Ok(identity),
        false => Err(UnexpectedIdentity::OtherCluster { own: own.clone(), found: cluster }),
    }
}

fn reject_revoked(
    revocations: &Revocations,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Result<(), CertificateError> {
    match revocations.revoke(std::iter::once(end_entity).chain(intermediates)) {
        true => Err(CertificateError::Revoked),
        false => Ok(()),
    }
}

impl ClientCertVerifier for CallerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.webpki.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.webpki.verify_client_cert(end_entity, intermediates, now)?;
        reject_revoked(&self.revocations, end_entity, intermediates)?;
        identity_in(&self.cluster, end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
