//! A client of etcd: gRPC's unary calls over HTTP/2 and mTLS, and no more, so
//! that the load generator takes little of the machine from etcd.
//!
//! Source: the gRPC document PROTOCOL-HTTP2, and etcd's rpc.proto.

use std::{net::SocketAddr, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use coffee_client::{CredentialFiles, bench::Failed};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::protobuf::{Field, field, put_bytes, put_integer};

/// One connection to a member; many calls at once.
#[derive(Clone)]
pub(crate) struct EtcdConnection {
    sender: SendRequest<Bytes>,
    authority: Arc<str>,
}

/// What a member says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EtcdStatus {
    /// Its id.
    pub(crate) member: u64,
    /// The id of its leader; 0 if it knows none.
    pub(crate) leader: u64,
}

/// The kind of a failure before anything was sent.
pub(crate) const NOT_SENT: &str = "not sent";

/// The kind of a failure of the connection while a call was under way.
pub(crate) const CUT_OFF: &str = "cut off";

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

impl EtcdConnection {
    pub(crate) async fn open(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self, Failed> {
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

    pub(crate) async fn status(&self) -> Result<EtcdStatus, Failed> {
        let status = self.call("/etcdserverpb.Maintenance/EtcdStatus", &[]).await?;
        let integer = |message, number| match field(message, number) {
            Some(Field::Integer(integer)) => integer,
            _ => 0,
        };
        match field(&status, 1) {
            Some(Field::Bytes(header)) => {
                Ok(EtcdStatus { member: integer(header, 2), leader: integer(&status, 4) })
            }
            _ => Err(failed("protocol", "a status has a header")),
        }
    }

    /// Hands leadership over to the member with this id. Only the leader can.
    pub(crate) async fn move_leader(&self, to: u64) -> Result<(), Failed> {
        let mut message = Vec::new();
        put_integer(&mut message, 1, to);
        self.call("/etcdserverpb.Maintenance/MoveLeader", &message).await.map(drop)
    }

    /// Whether the other one is a clone of it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.authority, &other.authority)
    }

    pub(crate) async fn put(&self, key: &str, value: &[u8]) -> Result<(), Failed> {
        let mut message = Vec::with_capacity(key.len() + value.len() + 16);
        put_bytes(&mut message, 1, key.as_bytes());
        put_bytes(&mut message, 2, value);
        self.call("/etcdserverpb.KV/Put", &message).await.map(drop)
    }

    pub(crate) async fn get(&self, key: &str) -> Result<(), Failed> {
        let mut message = Vec::with_capacity(key.len() + 8);
        put_bytes(&mut message, 1, key.as_bytes());
        let answer = self.call("/etcdserverpb.KV/Range", &message).await?;
        match field(&answer, 2) {
            Some(Field::Bytes(_)) => Ok(()),
            _ => Err(failed("missing", "a key that was written is not there")),
        }
    }

    async fn call(&self, path: &str, message: &[u8]) -> Result<Bytes, Failed> {
        let cut_off = |error: h2::Error| failed(CUT_OFF, error);
        let request = Request::post(format!("https://{}{path}", self.authority))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| failed("HTTP/2", error))?;
        let not_sent = |error: h2::Error| failed(NOT_SENT, error);
        let mut sender = self.sender.clone().ready().await.map_err(not_sent)?;
        let (response, mut upload) = sender.send_request(request, false).map_err(not_sent)?;
        upload.send_data(framed(message), true).map_err(cut_off)?;
        let (head, mut body) = response.await.map_err(cut_off)?.into_parts();
        let mut answer = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(cut_off)?;
            body.flow_control().release_capacity(chunk.len()).map_err(cut_off)?;
            answer.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await.map_err(cut_off)?;
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
