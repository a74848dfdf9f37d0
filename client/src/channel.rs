//! One connection to one node, and the requests in flight on it.
//!
//! Small requests share one long-lived stream. A writer task sends everything
//! queued at once; a reader task hands each response to its caller. A large request
//! gets its own stream, and so does a large response.
//!
//! Knows nothing of retries or other nodes. Guards that the caller learns precisely
//! whether a request may have reached the node, and that a dropped request leaves
//! nothing allocated.

mod file;
mod request_table;
mod response_future;
mod tasks;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use coffee_common::{
    frame,
    id::{Address, ClusterId},
    limits::{REQUEST_TIMEOUT_MS, SHARED_FRAME_BYTES_MAX},
    protocol::{Identity, Request, RequestFrameRef, ResponseFrame, SentFrom, ServerMessage, Welcome},
    protocol_versions::ProtocolVersions,
    quic::{ConnectError, Connection, Endpoint, Expect, PathMtu, Priority, Protocol},
};
use tokio::sync::{Notify, watch};

use self::request_table::RequestTable;
pub(crate) use self::response_future::ResponseFuture;
use crate::{error::NotSentReason, timing};

/// How long a node may take to send its welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(3);

/// The timeout sent with a ping. Its response is not awaited.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a node.
///
/// Cheap to clone. The connection closes when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Channel(Arc<ChannelHandle>);

/// Closes the connection when the last [`Channel`] is dropped; the tasks end with
/// it.
#[derive(Debug)]
struct ChannelHandle(Arc<ChannelShared>);

/// State shared by the callers and the tasks of one connection.
#[derive(Debug)]
struct ChannelShared {
    connection: Connection,
    welcome: Welcome,
    /// The version that both sides speak.
    version: u8,
    next_id: AtomicU64,
    table: RequestTable,
    /// An encoded ping, sent to make the node acknowledge something.
    ping: Bytes,
    /// Number of responses received.
    answers: AtomicU64,
    /// Signalled when there is something to write, or the channel has ended.
    to_write: Notify,
    /// Signalled when a caller waits for a response.
    to_watch: Notify,
    health: watch::Sender<Health>,
}

/// The health of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// In use, or ready for use.
    Well,
    /// The node owes an acknowledgement and has sent nothing for a while.
    Silent,
    /// The connection is closed.
    Ended,
}

/// Why a request has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The node has certainly not received the request and never will.
    #[error("{0}")]
    NotSent(NotSentReason),
    /// The request was sent, and the connection closed before the response arrived.
    #[error("no response: {0}")]
    Lost(String),
    /// The request was sent, and no response arrived in time.
    #[error("no response in time")]
    TimedOut,
}

impl ChannelError {
    /// Returns whether the node has certainly not received the request and never will.
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }
}

impl From<ConnectError> for ChannelError {
    fn from(error: ConnectError) -> Self {
        Self::NotSent(match error {
            ConnectError::Identity { .. } => NotSentReason::Identity(error.to_string()),
            ConnectError::EndpointClosed => NotSentReason::Closed,
            _ => NotSentReason::Unreachable(error.to_string()),
        })
    }
}

/// For whom and for which cluster a request is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envelope<'a> {
    /// The client for which a node forwards the request. Only a node may set it.
    pub on_behalf_of: Option<&'a Identity>,
    /// The connection of that client, for the audit log.
    pub sent_from: Option<&'a SentFrom>,
    /// The cluster that the request is meant for. A node of another one rejects it.
    pub cluster: Option<ClusterId>,
}

impl From<Option<ClusterId>> for Envelope<'_> {
    fn from(cluster: Option<ClusterId>) -> Self {
        Self { cluster, ..Self::default() }
    }
}

impl Channel {
    /// Connects to the node at `address` and waits for its welcome.
    ///
    /// # Errors
    /// [`ChannelError::NotSent`]: the node is unreachable, or its certificate is not
    /// the one that `expect` asks for.
    pub async fn connect(
        endpoint: &Endpoint,
        address: &Address,
        expect: &Expect,
    ) -> Result<Self, ChannelError> {
        let connection = endpoint.connect(address, expect, Protocol::Client).await?;
        let welcome = receive_welcome(&connection);
        let failed = |what: &str| {
            connection.close(what);
            ChannelError::NotSent(NotSentReason::Unreachable(format!("{address}: {what}")))
        };
        let welcome = match tokio::time::timeout(WELCOME_TIMEOUT, welcome).await {
            Ok(Ok(welcome)) => welcome,
            Ok(Err(what)) => return Err(failed(&what)),
            Err(_) => return Err(failed("the node sent no welcome in time")),
        };
        let version = ProtocolVersions::OWN.to_speak(Some(welcome.versions)).map_err(|error| {
            connection.close("no common version of the protocol");
            ChannelError::NotSent(NotSentReason::Version(format!("{address}: {error}")))
        })?;
        let streams = connection.open(Priority::Normal).await;
        let (sender, receiver) = streams.map_err(|error| failed(&error.to_string()))?;
        let ping =
            encode(version, request_table::PROBE_ID, &Request::Ping, Envelope::default(), PING_TIMEOUT)
                .map_err(ChannelError::NotSent)?;
        let shared = Arc::new(ChannelShared {
            connection,
            welcome,
            version,
            next_id: AtomicU64::new(request_table::PROBE_ID + 1),
            table: RequestTable::default(),
            ping,
            answers: AtomicU64::new(0),
            to_write: Notify::new(),
            to_watch: Notify::new(),
            health: watch::Sender::new(Health::Well),
        });
        tasks::spawn(&shared, sender, receiver);
        Ok(Self(Arc::new(ChannelHandle(shared))))
    }

    /// Returns the message that the node sent when the connection was established.
    pub fn welcome(&self) -> &Welcome {
        &self.shared().welcome
    }

    /// Returns the identity in the node's verified certificate.
    pub fn peer(&self) -> &Identity {
        self.shared().connection.peer()
    }

    /// Returns a receiver of the channel's health.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared().health.subscribe()
    }

    /// Returns whether the channel is open and its node responsive.
    pub fn is_well(&self) -> bool {
        *self.shared().health.borrow() == Health::Well
    }

    /// Returns whether the connection is closed.
    pub fn is_ended(&self) -> bool {
        *self.shared().health.borrow() == Health::Ended
    }

    /// Sends a request and waits up to `timeout` for the response.
    ///
    /// The future may be dropped at any time; the node may execute the request anyway.
    ///
    /// # Errors
    /// Says whether the node may have received the request: see [`ChannelError`].
    pub async fn ask(
        &self,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<ResponseFrame, ChannelError> {
        // The node ends first, so that it can say in time that it has done nothing.
        let response_future = self.start(request, envelope, timing::node_timeout(timeout))?;
        wait_for(response_future, timeout).await
    }

    /// Sends a small request that the node answers after a while, and waits up to `timeout` for the
    /// response. Others are sent as if it were not in flight.
    pub(crate) async fn ask_and_wait(
        &self,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<ResponseFrame, ChannelError> {
        let shared = self.shared();
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let node_timeout = timing::node_timeout(timeout);
        let frame =
            encode(shared.version, id, request, envelope, node_timeout).map_err(ChannelError::NotSent)?;
        wait_for(ResponseFuture::waiting(shared, id, frame)?, timeout).await
    }

    /// Queues a request for immediate sending. `timeout` tells the node how long the
    /// response is of use; the caller decides how long to wait.
    pub(crate) fn start(
        &self,
        request: &Request,
        envelope: Envelope<'_>,
        timeout: Duration,
    ) -> Result<ResponseFuture, ChannelError> {
        let shared = self.shared();
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode(shared.version, id, request, envelope, timeout).map_err(ChannelError::NotSent)?;
        if frame.len() > SHARED_FRAME_BYTES_MAX {
            return ResponseFuture::on_own_stream(shared, id, frame);
        }
        ResponseFuture::on_shared_stream(shared, id, frame)
    }

    /// Returns the number of responses received for all callers: a node that answers
    /// others is not stuck.
    pub(crate) fn answers(&self) -> u64 {
        self.shared().answers.load(Ordering::Relaxed)
    }

    /// Returns the round-trip time to the node, as QUIC estimates it.
    pub fn rtt(&self) -> Duration {
        self.shared().connection.rtt()
    }

    /// Returns the packets that pass the path to the node.
    pub fn path_mtu(&self) -> PathMtu {
        self.shared().connection.path_mtu()
    }

    /// Returns how long a request may go unanswered before it is examined.
    pub(crate) fn patience(&self) -> Duration {
        timing::patience(self.shared().lease())
    }

    fn shared(&self) -> &Arc<ChannelShared> {
        &self.0.0
    }
}

impl Drop for ChannelHandle {
    fn drop(&mut self) {
        self.0.end("closed by this side");
    }
}

impl ChannelShared {
    /// Ends the channel: fails all waiting callers and all later requests. Idempotent.
    fn end(&self, reason: &str) {
        self.table.end(&self.lost(reason));
        self.connection.close(reason);
        self.health.send_if_modified(|health| std::mem::replace(health, Health::Ended) != Health::Ended);
        self.to_write.notify_one();
        self.to_watch.notify_one();
    }

    /// Returns the leader lease of the node's cluster.
    fn lease(&self) -> Duration {
        Duration::from_millis(self.welcome.lease_ms.into())
    }

    fn lost(&self, reason: &str) -> String {
        format!("the connection to {} was lost: {reason}", self.connection.peer().name)
    }
}

async fn wait_for(
    mut response_future: ResponseFuture,
    timeout: Duration,
) -> Result<ResponseFrame, ChannelError> {
    match tokio::time::timeout(timeout, &mut response_future).await {
        Ok(result) => result,
        Err(_) if response_future.withdraw() => Err(ChannelError::NotSent(NotSentReason::Unreachable(
            "the connection is overloaded: the request was not sent in time".into(),
        ))),
        Err(_) => Err(ChannelError::TimedOut),
    }
}

/// Receives the node's first message.
async fn receive_welcome(connection: &Connection) -> Result<Welcome, String> {
    let mut receiver = connection.accept_uni().await.map_err(|error| error.to_string())?;
    let message = receiver.receive_first().await.map_err(|error| error.to_string())?;
    let message = message.ok_or("the node closed its welcome stream without a message")?;
    match frame::decode(&message) {
        Ok(ServerMessage::Welcome(welcome)) => Ok(welcome),
        Ok(ServerMessage::Response(_)) => Err("protocol error: a response before any request".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn encode(
    version: u8,
    id: u64,
    request: &Request,
    Envelope { on_behalf_of, sent_from, cluster }: Envelope<'_>,
    timeout: Duration,
) -> Result<Bytes, NotSentReason> {
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let timeout_ms = timeout_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end());
    let request = RequestFrameRef { id, timeout_ms, on_behalf_of, sent_from, cluster, request };
    frame::encode_as(version, &request).map_err(|error| NotSentReason::Unfit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use coffee_common::{
        id::NodeName,
        protocol::{RequestFrame, Role},
    };

    use super::*;

    #[test]
    fn an_ask_is_encoded_as_the_protocol_has_it() {
        let identity = Identity::new(Role::Admin, NodeName::new("ops").expect("legal"));
        let request = Request::Transfer { to: None };
        let sent_from = SentFrom { serial: "4a5b".to_owned(), address: ([10, 0, 0, 5], 4711).into() };
        let envelope = Envelope {
            on_behalf_of: Some(&identity),
            sent_from: Some(&sent_from),
            cluster: Some(ClusterId(9)),
        };
        let frame = encode(3, 7, &request, envelope, Duration::from_secs(3600)).expect("encodes").to_vec();
        let ask = RequestFrame {
            id: 7,
            timeout_ms: 600_000,
            on_behalf_of: Some(identity.clone()),
            sent_from: Some(sent_from.clone()),
            cluster: Some(ClusterId(9)),
            request,
        };
        assert_eq!(frame, frame::encode_as(3, &ask).expect("encodes").to_vec());
    }
}
