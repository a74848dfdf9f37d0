//! A minimal client of etcd: unary gRPC calls over HTTP/2 and mTLS, so that the
//! load generator takes little of the machine from etcd.
//!
//! Source: the gRPC document PROTOCOL-HTTP2, and etcd's `rpc.proto`.

use std::{net::SocketAddr, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use coffee_client::{CredentialFiles, bench::Failed};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::etcd_messages::{
    MoveLeaderRequest, MoveLeaderResponse, PutRequest, PutResponse, RangeRequest, RangeResponse,
    StatusRequest, StatusResponse,
};

/// A connection to one member, for concurrent calls.
#[derive(Clone)]
pub(crate) struct EtcdConnection {
    sender: SendRequest<Bytes>,
    authority: Arc<str>,
}

/// A member's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EtcdStatus {
    /// Its member id.
    pub(crate) member: u64,
    /// The member id of its leader; 0 if it knows none.
    pub(crate) leader: u64,
}

/// Kind of a failure before the request was sent.
pub(crate) const NOT_SENT: &str = "not sent";

/// Kind of a connection failure while a call was in flight.
pub(crate) const CUT_OFF: &str = "cut off";

fn failed(kind: &'static str, error: impl std::fmt::Display) -> Failed {
    Failed { kind, text: error.to_string() }
}

/// TLS configuration with the client's certificate, for one protocol.
pub(crate) fn tls(files: &CredentialFiles, alpn: &[u8]) -> Arc<ClientConfig> {
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
    config.alpn_protocols = vec![alpn.to_vec()];
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
        // Ends with the last sender; errors are reported to the calls in flight.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self { sender, authority: address.to_string().into() })
    }

    pub(crate) async fn status(&self) -> Result<EtcdStatus, Failed> {
        let status: StatusResponse = self.call("/etcdserverpb.Maintenance/Status", &StatusRequest {}).await?;
        match status.header {
            Some(header) => Ok(EtcdStatus { member: header.member_id, leader: status.leader }),
            None => Err(failed("protocol", "the status has no header")),
        }
    }

    /// Transfers leadership to the member with this id. Only the leader can.
    pub(crate) async fn move_leader(&self, to: u64) -> Result<(), Failed> {
        let request = MoveLeaderRequest { target_id: to };
        let _: MoveLeaderResponse = self.call("/etcdserverpb.Maintenance/MoveLeader", &request).await?;
        Ok(())
    }

    /// Whether `other` is a clone of this connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.authority, &other.authority)
    }

    pub(crate) async fn put(&self, key: &str, value: &Bytes) -> Result<(), Failed> {
        let request = PutRequest { key: Bytes::copy_from_slice(key.as_bytes()), value: Bytes::clone(value) };
        let _: PutResponse = self.call("/etcdserverpb.KV/Put", &request).await?;
        Ok(())
    }

    pub(crate) async fn get(&self, key: &str) -> Result<(), Failed> {
        let request = RangeRequest { key: Bytes::copy_from_slice(key.as_bytes()) };
        let range: RangeResponse = self.call("/etcdserverpb.KV/Range", &request).await?;
        match range.kvs.first() {
            Some(_) => Ok(()),
            None => Err(failed("missing", "a key that was written is missing")),
        }
    }

    async fn call<A: Message + Default>(&self, path: &str, message: &impl Message) -> Result<A, Failed> {
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
        if answer.len() < FRAME_HEAD_BYTES {
            return Err(failed("protocol", "the answer has no message"));
        }
        A::decode(answer.freeze().slice(FRAME_HEAD_BYTES..)).map_err(|error| failed("protocol", error))
    }
}

/// A flag (not compressed), and the length of the message in four bytes.
const FRAME_HEAD_BYTES: usize = 5;

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(FRAME_HEAD_BYTES + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).expect("a small message"));
    message.encode(&mut frame).expect("a buffer that grows");
    frame.freeze()
}

fn check_status(headers: &HeaderMap) -> Result<(), Failed> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    match text("grpc-status") {
        "0" => Ok(()),
        code => Err(failed("gRPC", format!("status {code}: {}", text("grpc-message")))),
    }
}
