//! Judges the certificate of the other side during the handshake.
//!
//! Both verifiers leave the chain, the time and the use to webpki, look whether
//! the certificate was revoked, and then hold the identity in it against what
//! is expected. Host names
//! play no part: a node is who its certificate says, wherever it answers.

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
    error::refusal_sentence,
    identity::{IdentityError, identity_of},
    revocations::Revocations,
};
use crate::{
    id::NodeName,
    protocol::{Identity, Role},
};

/// A certificate that is valid, of one who is not wanted here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwanted {
    /// It names nobody.
    #[error("{0}")]
    Nobody(#[from] IdentityError),
    /// It answers as a server and is no node.
    #[error("it belongs to {} {}, which is no node", .0.role.as_str(), .0.name)]
    NoNode(Identity),
    /// It is another node.
    #[error("it belongs to node {found}; node {expected} was expected")]
    OtherNode {
        /// Who should have answered.
        expected: NodeName,
        /// Who did.
        found: NodeName,
    },
}

impl From<Unwanted> for Error {
    fn from(unwanted: Unwanted) -> Self {
        CertificateError::Other(OtherError(Arc::new(unwanted))).into()
    }
}

/// Why we refused the other side, for the error that people see: on its way
/// through TLS and QUIC a refusal shrinks to the number of an alert.
pub(crate) type RefusalReason = Arc<OnceLock<String>>;

/// Judges a node that was dialled.
#[derive(Debug)]
pub(super) struct NodeVerifier {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Which node has to answer; `None` for any.
    pub(super) expected: Option<NodeName>,
    /// Told why, if the node is refused.
    pub(super) refusal: RefusalReason,
}

impl NodeVerifier {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        refuse_revoked(&self.revocations, end_entity, intermediates)?;
        Ok(self.recognise(end_entity)?)
    }

    fn recognise(&self, certificate: &CertificateDer<'_>) -> Result<(), Unwanted> {
        let found = identity_of(certificate)?;
        if found.role != Role::Node {
            return Err(Unwanted::NoNode(found));
        }
        match &self.expected {
            Some(expected) if *expected != found.name => {
                Err(Unwanted::OtherNode { expected: expected.clone(), found: found.name })
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
        self.judge(end_entity, intermediates, now).inspect_err(|error| {
            self.refusal.get_or_init(|| refusal_sentence(error));
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

/// Judges whoever dials us: webpki's verdict, and an identity on top. What
/// the identity may do is not decided here.
#[derive(Debug)]
pub(super) struct CallerVerifier {
    pub(super) webpki: Arc<dyn ClientCertVerifier>,
    pub(super) revocations: Arc<Revocations>,
}

fn refuse_revoked(
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
        refuse_revoked(&self.revocations, end_entity, intermediates)?;
        identity_of(end_entity).map_err(Unwanted::Nobody)?;
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
