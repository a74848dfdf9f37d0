//! A minimal client of HTTP/1.1 over mTLS, so that the load generator takes little of the machine.

use std::{net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use coffee_client::bench::Failed;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Longer than the head of any response.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where a node serves HTTP.
#[derive(Clone)]
pub(crate) struct HttpEndpoint {
    pub(crate) address: SocketAddr,
    /// The name in its certificate.
    pub(crate) name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A connection for one request after another.
pub(super) struct LoadConnection {
    stream: TlsStream<TcpStream>,
    received: BytesMut,
}

fn failed(kind: &'static str, error: impl std::fmt::Display) -> Failed {
    Failed { kind, text: error.to_string() }
}

/// The head of a response.
struct Head {
    status: u16,
    /// `None` if the body has no length.
    length: Option<usize>,
}

impl LoadConnection {
    pub(super) async fn open(endpoint: &HttpEndpoint) -> Result<Self, Failed> {
        let tcp = TcpStream::connect(endpoint.address).await.map_err(|error| failed("connect", error))?;
        tcp.set_nodelay(true).map_err(|error| failed("connect", error))?;
        let connector = TlsConnector::from(Arc::clone(&endpoint.tls));
        let stream = connector.connect(endpoint.name.clone(), tcp).await;
        let stream = stream.map_err(|error| failed("TLS", error))?;
        Ok(Self { stream, received: BytesMut::new() })
    }

    /// Sends a request and receives its body, which must have a length.
    pub(super) async fn call(&mut self, method: &str, path: &str, body: &[u8]) -> Result<BytesMut, Failed> {
        self.send(method, path, body).await?;
        let head = self.head().await?;
        let length = head.length.ok_or_else(|| failed("protocol", "the body has no length"))?;
        while self.received.len() < length {
            self.receive().await?;
        }
        let body = self.received.split_to(length);
        match head.status {
            200..300 => Ok(body),
            status => Err(failed("refused", format!("{status}: {}", String::from_utf8_lossy(&body)))),
        }
    }

    /// Sends a request whose response has no end, and waits for the head.
    pub(super) async fn begin(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(), Failed> {
        self.send(method, path, body).await?;
        match self.head().await?.status {
            200 => Ok(()),
            status => Err(failed("refused", status)),
        }
    }

    /// Returns what was received of such a response since the last call, at least a byte.
    pub(super) async fn next(&mut self) -> Result<BytesMut, Failed> {
        if self.received.is_empty() {
            self.receive().await?;
        }
        Ok(self.received.split())
    }

    async fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(), Failed> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len())
                .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await.map_err(|error| failed("cut off", error))
    }

    async fn receive(&mut self) -> Result<(), Failed> {
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => Err(failed("cut off", "the connection was closed")),
            Ok(_) => Ok(()),
            Err(error) => Err(failed("cut off", error)),
        }
    }

    async fn head(&mut self) -> Result<Head, Failed> {
        loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.received.split_to(end + 4);
                return parse(&String::from_utf8_lossy(&head))
                    .ok_or_else(|| failed("protocol", "the head is malformed"));
            }
            if self.received.len() > HEAD_BYTES_MAX {
                return Err(failed("protocol", "the head is too long"));
            }
            self.receive().await?;
        }
    }
}

fn parse(head: &str) -> Option<Head> {
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok());
    Some(Head { status, length })
}
