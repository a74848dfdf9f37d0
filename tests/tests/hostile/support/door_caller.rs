//! A client of the HTTP door that sends any bytes, over TLS and with any certificate or none.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use coffee_client::cert;
use coffee_common::{id::NodeName, key_scope::KeyScope, protocol::Role};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{
    cert_forger,
    raw_client::{self, ClientIdentity},
};

/// A connection.
pub(crate) type DoorStream = TlsStream<TcpStream>;

/// Keys that the attackers may write; the valid client's prefix is a prefix of it.
pub(crate) const ATTACKED: &str = "good/attack/";

/// Longer than a node needs to answer, whatever else it does.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Dials one node.
#[derive(Clone)]
pub(crate) struct DoorCaller {
    config: Arc<ClientConfig>,
    address: SocketAddr,
}

impl DoorCaller {
    pub(crate) fn new(shown: Option<&ClientIdentity>, alpn: &[u8], address: SocketAddr) -> Self {
        Self { config: Arc::new(raw_client::tls(shown, alpn)), address }
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.config.alpn_protocols == [b"h2"]
    }

    pub(crate) async fn connect(&self) -> io::Result<DoorStream> {
        self.handshake(TcpStream::connect(self.address).await?).await
    }

    /// Connects with a receive buffer of a few KiB: the node can send little before it is read.
    pub(crate) async fn connect_with_little_room(&self) -> io::Result<DoorStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4 << 10)?;
        self.handshake(socket.connect(self.address).await?).await
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<DoorStream> {
        stream.set_nodelay(true)?;
        let name = "coffeed.invalid".try_into().expect("a name");
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }

    /// Connects until the node accepts it: an attacker shares the places for handshakes with others.
    pub(crate) async fn connect_at_last(&self) -> DoorStream {
        let in_the_end = async {
            loop {
                if let Ok(stream) = self.connect().await {
                    return stream;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, in_the_end).await.expect("it is accepted")
    }

    /// Returns why the node rejects the certificate: `alert NUMBER`, or nothing if it answers.
    pub(crate) async fn rejection(&self) -> String {
        let asking = async {
            let mut stream = self.connect().await?;
            stream.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n").await?;
            stream.read_exact(&mut [0; 12]).await
        };
        match timeout(PATIENCE, asking).await.expect("in time") {
            Ok(_) => String::new(),
            Err(error) => {
                let tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
                match tls {
                    Some(rustls::Error::AlertReceived(alert)) => format!("alert {}", u8::from(*alert)),
                    _ => error.to_string(),
                }
            }
        }
    }
}

/// Makes the certificate of an attacker: all keys for a reader, [`ATTACKED`] alone for a writer.
pub(crate) fn attacker(certs: &Path, role: Role, name: &str) -> ClientIdentity {
    let name: NodeName = name.parse().expect("legal");
    let keys = match role {
        Role::Writer => KeyScope::new([ATTACKED]).expect("legal"),
        _ => KeyScope::default(),
    };
    let stem = format!("{}-{name}", role.as_str());
    if !certs.join(format!("{stem}.crt")).exists() {
        let subject = cert::Subject::client(role, name, keys).expect("a client");
        cert::issue(certs, &subject, cert::LEAF_DAYS, cert::Existing::Keep).expect("a certificate");
    }
    cert_forger::load(certs, &stem)
}

/// Says that nothing more is sent, and reads until the node closes the connection. Returns what it has sent;
/// `None` if it does not close.
pub(crate) async fn last_words(stream: &mut DoorStream, within: Duration) -> Option<Vec<u8>> {
    let mut received = Vec::new();
    let ending = async {
        // An error means that it has closed already.
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut received).await;
    };
    timeout(within, ending).await.ok().map(|()| received)
}

/// The part of a response of HTTP/1.1 that matters here.
pub(crate) struct ShortResponse {
    pub(crate) status: u16,
    /// Whether the node closes the connection after it.
    pub(crate) is_last: bool,
}

/// Receives a response of HTTP/1.1, whose body it drops. Returns `None` at the end of the connection.
pub(crate) async fn receive(
    stream: &mut DoorStream,
    has_body: bool,
    buffer: &mut Vec<u8>,
) -> Option<ShortResponse> {
    loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok())?;
            buffer.drain(..end + 4);
            if status == 100 {
                continue;
            }
            let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let is_last = header("connection:") == Some("close");
            if has_body && status != 304 {
                match (header("content-length:"), header("transfer-encoding:")) {
                    (Some(length), _) => {
                        let length = length.parse().ok()?;
                        while buffer.len() < length {
                            fill(stream, buffer).await?;
                        }
                        buffer.drain(..length);
                    }
                    (None, Some(_)) => loop {
                        if let Some(end) = find(buffer, b"0\r\n\r\n") {
                            buffer.drain(..end + 5);
                            break;
                        }
                        fill(stream, buffer).await?;
                    },
                    (None, None) => {}
                }
            }
            return Some(ShortResponse { status, is_last });
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut DoorStream, buffer: &mut Vec<u8>) -> Option<()> {
    stream.read_buf(buffer).await.ok().filter(|bytes| *bytes > 0).map(|_| ())
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
