//! A dialer and a server without any of coffeed's checks: they present any certificate or none, and
//! accept every one.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use coffee_client::Address;
use coffee_common::{
    frame::{self, HEADER_BYTES},
    protocol::ALPN_CLIENT,
};
use quinn::{
    ConnectionError, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring::default_provider},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::time::timeout;

/// QUIC's codes for TLS alerts (RFC 9001, section 4.8).
const ALERTS: std::ops::Range<u64> = 0x100..0x200;

/// A certificate chain and its key.
#[derive(Debug)]
pub(crate) struct ClientIdentity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// Dials from its own socket.
pub(crate) struct RawClient(quinn::Endpoint);

impl RawClient {
    pub(crate) fn new(shown: Option<&ClientIdentity>, alpn: &[u8]) -> Self {
        let tls = QuicClientConfig::try_from(tls(shown, alpn)).expect("TLS 1.3");
        let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        Self(endpoint)
    }

    /// Lets the node send little before it is read: two streams, each with a small window.
    pub(crate) fn that_reads_little(shown: &ClientIdentity) -> Self {
        Self::with_window(shown, 16 << 10)
    }

    /// Lets the node send on two streams, and on each this number of bytes before they are read.
    pub(crate) fn with_window(shown: &ClientIdentity, bytes: u32) -> Self {
        let mut this = Self::new(Some(shown), ALPN_CLIENT);
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_uni_streams(VarInt::from_u32(2))
            .stream_receive_window(VarInt::from_u32(bytes))
            .max_idle_timeout(None)
            .keep_alive_interval(Some(Duration::from_secs(1)));
        let tls = QuicClientConfig::try_from(tls(Some(shown), ALPN_CLIENT)).expect("TLS 1.3");
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport));
        this.0.set_default_client_config(config);
        this
    }

    /// Dials a node. The error says why the node rejected it.
    pub(crate) async fn dial(&self, node: &Address) -> Result<quinn::Connection, String> {
        let address = node.as_str().parse().expect("a literal address");
        let connecting = self.0.connect(address, "coffeed.invalid").expect("it may dial");
        let connection = connecting.await.map_err(|error| ending(&error))?;
        // The node's first message, an empty frame, confirms the connection.
        let mut welcome = connection.accept_uni().await.map_err(|error| ending(&error))?;
        let mut word = [0; HEADER_BYTES];
        match welcome.read_exact(&mut word).await {
            Ok(()) => Ok(connection),
            Err(error) => Err(connection.close_reason().map_or(error.to_string(), |error| ending(&error))),
        }
    }
}

/// How a connection ended: `alert NUMBER`, or the node's reason.
pub(crate) fn ending(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ConnectionClosed(close) if ALERTS.contains(&close.error_code.into()) => {
            format!("alert {}", u64::from(close.error_code) - ALERTS.start)
        }
        ConnectionError::ApplicationClosed(close) => String::from_utf8_lossy(&close.reason).into_owned(),
        other => other.to_string(),
    }
}

/// A server without any of coffeed's checks, which shows any certificate.
pub(crate) struct RawServer {
    endpoint: quinn::Endpoint,
    pub(crate) address: Address,
}

impl RawServer {
    pub(crate) fn new(ClientIdentity { chain, key }: ClientIdentity) -> Self {
        let provider = Arc::new(default_provider());
        let key = provider.key_provider.load_private_key(key).expect("a key");
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&TLS13]).expect("it is spoken");
        let mut tls = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))));
        tls.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        let config = QuicServerConfig::try_from(tls).expect("TLS 1.3");
        let config = quinn::ServerConfig::with_crypto(Arc::new(config));
        let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        let address = endpoint.local_addr().expect("bound").into();
        Self { endpoint, address }
    }

    /// Welcomes each caller, as a node does, until the endpoint is closed.
    pub(crate) async fn serve(&self) {
        while let Some(incoming) = self.endpoint.accept().await {
            let Ok(connection) = incoming.await else { continue };
            if let Ok(mut welcome) = connection.open_uni().await {
                // Fails if the caller is gone.
                let _ = welcome.write_all(&frame::encode(&()).expect("short")).await;
                let _ = welcome.finish();
            }
            connection.closed().await;
        }
    }
}

/// Waits until a connection ends, and says why as [`ending`]; nothing if it does not within this time.
pub(crate) async fn ended(connection: &quinn::Connection, within: Duration) -> String {
    match timeout(within, connection.closed()).await {
        Ok(error) => ending(&error),
        Err(_) => String::new(),
    }
}

/// The configuration of a client that accepts any certificate.
pub(crate) fn tls(shown: Option<&ClientIdentity>, alpn: &[u8]) -> ClientConfig {
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&TLS13]).expect("it is spoken");
    let builder =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous(Arc::clone(&provider))));
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(ClientIdentity { chain, key }) => {
            let key = provider.key_provider.load_private_key(key.clone_key()).expect("a key");
            let pair = CertifiedKey::new(chain.clone(), key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

/// Accepts any certificate.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
