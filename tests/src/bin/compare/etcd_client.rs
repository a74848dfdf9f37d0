//! A client of etcd: gRPC's unary calls over HTTP/2 and mTLS, and no more, so
//! that the load generator takes little of the machine from etcd.
//!
//! Source: the gRPC document PROTOCOL-HTTP2, and etcd's rpc.proto.

use std::{net::SocketAddr, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use coffee_client::{
    CredentialFiles,
    bench::{Failed, Target},
};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::protobuf::{Field, field, put_bytes};

/// One connection to a member; many calls at once.
#[derive(Clone)]
pub(crate) struct Etcd {
    sender: SendRequest<Bytes>,
    authority: Arc<str>,
}

fn failed(kind: &'static str, error: impl std::fmt::Display) -> Failed {
    Failed { kind, text: error.to_string() }
}

/// How the client proves itself.
pub(crate) fn tls(files: &CredentialFiles) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(&files.ca).expect("the CA's certificate");
    roots.add(ca).expect("a sound certificate");
    let cert = CertificateDer::from_pem_file(&files.cert).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("its key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert], key)
        .expect("the key fits the certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

impl Etcd {
    pub(crate) async fn connect(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self, Failed> {
        let tcp = TcpStream::connect(address).await.map_err(|error| failed("connect", error))?;
        tcp.set_nodelay(true).map_err(|error| failed("connect", error))?;
        let name = ServerName::from(address.ip());
        let stream =
            TlsConnector::from(tls).connect(name, tcp).await.map_err(|error| failed("TLS", error))?;
        let (sender, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(stream)
            .await
            .map_err(|error| failed("HTTP/2", error))?;
        // Ends with the last sender; what fails is told to the calls under way.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender, authority: address.to_string().into() })
    }

    /// Whether the member leads.
    pub(crate) async fn leads(&self) -> Result<bool, Failed> {
        let status = self.call("/etcdserverpb.Maintenance/Status", &[]).await?;
        let header = match field(&status, 1) {
            Some(Field::Bytes(header)) => header,
            _ => return Err(failed("protocol", "a status has a header")),
        };
        let leader = field(&status, 4);
        Ok(leader.is_some() && leader == field(header, 2))
    }

    async fn call(&self, path: &str, message: &[u8]) -> Result<Bytes, Failed> {
        let http = |error: h2::Error| failed("HTTP/2", error);
        let request = Request::post(format!("https://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| failed("HTTP/2", error))?;
        let mut sender = self.sender.clone().ready().await.map_err(http)?;
        let (response, mut upload) = sender.send_request(request, false).map_err(http)?;
        upload.send_data(framed(message), true).map_err(http)?;
        let (head, mut body) = response.await.map_err(http)?.into_parts();
        let mut answer = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(http)?;
            body.flow_control().release_capacity(chunk.len()).map_err(http)?;
            answer.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await.map_err(http)?;
        check_status(trailers.as_ref().unwrap_or(&head.headers))?;
        match answer.split_at_checked(FRAME_HEAD_BYTES) {
            Some(_) => Ok(answer.freeze().slice(FRAME_HEAD_BYTES..)),
            None => Err(failed("protocol", "an answer has a message")),
        }
    }
}

/// Not compressed, and its length in four bytes.
const FRAME_HEAD_BYTES: usize = 5;

fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(FRAME_HEAD_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a small message"));
    frame.put_slice(message);
    frame.freeze()
}

fn check_status(headers: &HeaderMap) -> Result<(), Failed> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    match text("grpc-status") {
        "0" => Ok(()),
        code => Err(failed("gRPC", format!("status {code}: {}", text("grpc-message")))),
    }
}

impl Target for Etcd {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        let mut message = Vec::with_capacity(key.len() + value.len() + 16);
        put_bytes(&mut message, 1, key.as_bytes());
        put_bytes(&mut message, 2, &value);
        self.call("/etcdserverpb.KV/Put", &message).await.map(drop)
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        let mut message = Vec::with_capacity(key.len() + 8);
        put_bytes(&mut message, 1, key.as_bytes());
        let answer = self.call("/etcdserverpb.KV/Range", &message).await?;
        match field(&answer, 2) {
            Some(Field::Bytes(_)) => Ok(()),
            _ => Err(failed("missing", "a key that was written is not there")),
        }
    }
}
