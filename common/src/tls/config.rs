//! Builds rustls configurations from credentials.

use std::sync::Arc;

use rustls::{
    ClientConfig, Error, ServerConfig,
    client::Resumption,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
    sign::SingleCertAndKey,
    version::TLS13,
};

use super::{
    credentials::Credentials,
    verify::{CallerVerifier, NodeVerifier, RefusalReason},
};
use crate::id::NodeName;

/// Returns the configuration for dialling. The peer must be a node of the own cluster, and `expected`
/// if given.
/// `refusal` receives the reason if it is rejected.
pub(crate) fn client_config(
    credentials: &Credentials,
    expected: Option<NodeName>,
    alpn: &[u8],
    refusal: RefusalReason,
) -> Result<ClientConfig, Error> {
    let own = credentials.inner();
    let verifier = NodeVerifier {
        roots: Arc::clone(&own.roots),
        revocations: Arc::clone(&own.revocations),
        algorithms: own.provider.signature_verification_algorithms,
        cluster: own.owner.cluster.clone(),
        expected,
        refusal,
    };
    let mut config = ClientConfig::builder_with_details(Arc::clone(&own.provider), Arc::clone(&own.clock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&own.key))));
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // A name in the clear would tell eavesdroppers which node is called, and is not needed.
    config.enable_sni = false;
    Ok(config)
}

/// Returns the configuration for accepting. Callers must present a certificate of a trusted CA with
/// an identity in the own cluster.
pub(crate) fn server_config(credentials: &Credentials, alpns: &[&[u8]]) -> Result<ServerConfig, Error> {
    let own = credentials.inner();
    let webpki =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(&own.roots), Arc::clone(&own.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
    let mut config = ServerConfig::builder_with_details(Arc::clone(&own.provider), Arc::clone(&own.clock))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(CallerVerifier {
            webpki,
            revocations: Arc::clone(&own.revocations),
            cluster: own.owner.cluster.clone(),
        }))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&own.key))));
    config.alpn_protocols = alpns.iter().map(|alpn| alpn.to_vec()).collect();
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
