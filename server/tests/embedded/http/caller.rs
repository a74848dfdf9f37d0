//! A client of the door: HTTP/1.1 as bytes, so that it can also be wrong, and HTTP/2.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use coffee_client::cert::{Ca, LEAF_DAYS, Subject};
use coffee_common::{
    key_scope::KeyScope,
    protocol::{Identity, Role},
};
use coffeed::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::TLS13,
    },
};

use crate::support::{EmbeddedCluster, name};

const SOON: Duration = Duration::from_secs(20);

/// A client with a certificate, of one node.
pub(super) struct HttpCaller {
    config: ClientConfig,
    address: SocketAddr,
    node: String,
}

/// A response that was received as a whole.
#[derive(Debug)]
pub(super) struct ReceivedResponse {
    pub(super) status: u16,
    headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl ReceivedResponse {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl HttpCaller {
    pub(super) fn new(cluster: &EmbeddedCluster, node: &Server, role: Role) -> Self {
        Self::with_keys(cluster, node, role, KeyScope::default())
    }

    /// A client that may use these keys alone.
    pub(super) fn with_keys(cluster: &EmbeddedCluster, node: &Server, role: Role, keys: KeyScope) -> Self {
        let identity = Identity { keys, ..Identity::new(role, name("till")) };
        Self::issued_by(&cluster.ca, cluster, node, identity)
    }

    /// A client whose certificate is of this CA.
    pub(super) fn issued_by(ca: &Ca, cluster: &EmbeddedCluster, node: &Server, identity: Identity) -> Self {
        let pair = ca.issue(&Subject { identity, alt_names: Vec::new() }, LEAF_DAYS);
        let pair = pair.expect("a certificate");
        let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
        let config = Self::trusting(cluster).with_client_auth_cert(chain, key).expect("a pair");
        Self::of(config, node)
    }

    /// A client without a certificate.
    pub(super) fn anonymous(cluster: &EmbeddedCluster, node: &Server) -> Self {
        Self::of(Self::trusting(cluster).with_no_client_auth(), node)
    }

    fn trusting(
        cluster: &EmbeddedCluster,
    ) -> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::client::WantsClientCert>
    {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(cluster.ca.certificate().as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("a CA");
        }
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
    }

    fn of(config: ClientConfig, node: &Server) -> Self {
        let address = node.http_address().expect("the door is open");
        Self { config, address, node: node.status().name.to_string() }
    }

    /// Connects. An ordinary client verifies the node by the name in its certificate.
    pub(super) async fn connect(&self, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = self.node.clone().try_into().expect("a host name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends bytes, and returns what comes back until the node closes the connection.
    pub(super) async fn exchange(&self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let exchange = async {
            let mut stream = self.connect(b"http/1.1").await?;
            // The node may have answered and closed before it has received everything.
            let _ = stream.write_all(bytes).await;
            let mut received = Vec::new();
            match stream.read_to_end(&mut received).await {
                Err(error) if received.is_empty() => Err(error),
                _ if received.is_empty() => Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(received),
            }
        };
        timeout(SOON, exchange).await.expect("in time")
    }

    /// Sends a request on a connection of its own.
    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> ReceivedResponse {
        let request = request(method, target, headers, body);
        parse(&self.exchange(&request).await.expect("a response"))
    }

    pub(super) async fn get(&self, target: &str) -> ReceivedResponse {
        self.send("GET", target, &[], b"").await
    }

    pub(super) async fn put(&self, target: &str, body: &[u8]) -> ReceivedResponse {
        self.send("PUT", target, &[], body).await
    }
}

/// A request whose connection is closed after the response.
pub(super) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: ming\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Takes a response to pieces.
pub(super) fn parse(bytes: &[u8]) -> ReceivedResponse {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    ReceivedResponse { status: status.expect("a status"), headers, body: bytes[end + 4..].to_vec() }
}
