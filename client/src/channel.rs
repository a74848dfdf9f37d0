//! One connection to one node, and the asks in flight on it.
//!
//! Small asks share one long-lived stream: a task writes all that is queued
//! at once, another reads the answers and hands each to its sender. A large
//! ask gets a stream of its own; a large answer comes on one. Knows no retry
//! and no other node. Guards that whoever asked learns precisely whether the
//! ask may have reached the node, and that a dropped ask leaves nothing behind.

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
    id::Address,
    limits::{REQUEST_TIMEOUT_MS, SHARED_FRAME_BYTES_MAX},
    protocol::{Identity, Request, ResponseFrame, ServerMessage, Welcome},
    quic::{ConnectError, Connection, Endpoint, Expect, Priority, Protocol},
};
use serde::Serialize;
use tokio::sync::{Notify, watch};

use self::request_table::RequestTable;
pub(crate) use self::response_future::ResponseFuture;
use crate::{error::NotSentReason, timing};

/// How long a node has for its first word.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the answer to a ping would be of use; nobody waits for it.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a node. Cheap to clone; closed when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Channel(Arc<ChannelHandle>);

/// Closes the connection when nobody asks on it any more; the tasks end with it.
#[derive(Debug)]
struct ChannelHandle(Arc<ChannelShared>);

/// What the askers and the tasks of one connection share.
#[derive(Debug)]
struct ChannelShared {
    connection: Connection,
    welcome: Welcome,
    next_id: AtomicU64,
    table: RequestTable,
    /// Asks for a sign of life.
    ping: Bytes,
    /// How many answers have come.
    answers: AtomicU64,
    /// There is something to write, or the channel has ended.
    to_write: Notify,
    /// Somebody waits for an answer.
    to_watch: Notify,
    health: watch::Sender<Health>,
}

/// How a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// In use, or ready for it.
    Well,
    /// Nothing was heard from the node for a while, although it should have answered.
    Silent,
    /// The connection is gone.
    Ended,
}

/// Why an ask has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The node has certainly not received it, and never will.
    #[error("{0}")]
    NotSent(NotSentReason),
    /// It was sent, and the connection ended before the answer came.
    #[error("no answer came: {0}")]
    Lost(String),
    /// It was sent, and no answer came in time.
    #[error("no answer came in time")]
    TimedOut,
}

impl ChannelError {
    /// Whether the node has certainly not received the ask, and never will.
    pub fn is_not_sent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }
}

impl From<ConnectError> for ChannelError {
    fn from(error: ConnectError) -> Self {
        Self::NotSent(match error {
            ConnectError::Identity { .. } => NotSentReason::Identity(error.to_string()),
            _ => NotSentReason::Unreachable(error.to_string()),
        })
    }
}

/// As [`coffee_common::protocol::RequestFrame`], without owning what it sends.
#[derive(Serialize)]
struct RequestFrameRef<'a> {
    id: u64,
    timeout_ms: u32,
    on_behalf_of: Option<&'a Identity>,
    request: &'a Request,
}

impl Channel {
    /// Connects to the node at `address`, which must be whom `expect` says,
    /// and waits for its welcome.
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
            Err(_) => return Err(failed("the node did not say welcome in time")),
        };
        let streams = connection.open(Priority::Normal).await;
        let (sender, receiver) = streams.map_err(|error| failed(&error.to_string()))?;
        let ping = encode(request_table::PROBE_ID, &Request::Ping, None, PING_TIMEOUT)
            .map_err(ChannelError::NotSent)?;
        let shared = Arc::new(ChannelShared {
            connection,
            welcome,
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

    /// What the node said when the connection was new.
    pub fn welcome(&self) -> &Welcome {
        &self.shared().welcome
    }

    /// Who the node is, out of its verified certificate.
    pub fn peer(&self) -> &Identity {
        self.shared().connection.peer()
    }

    /// How the channel is, now and from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.shared().health.subscribe()
    }

    /// Whether the channel can be asked, and shows signs of life.
    pub fn is_well(&self) -> bool {
        *self.shared().health.borrow() == Health::Well
    }

    /// Whether the connection is gone.
    pub fn is_ended(&self) -> bool {
        *self.shared().health.borrow() == Health::Ended
    }

    /// Asks, and waits for the answer for at most `timeout`. Only a node may
    /// ask `on_behalf_of` somebody else.
    ///
    /// May be dropped at any time; the node may carry the request out all the same.
    pub async fn ask(
        &self,
        request: &Request,
        on_behalf_of: Option<&Identity>,
        timeout: Duration,
    ) -> Result<ResponseFrame, ChannelError> {
        let mut response_future = self.start(request, on_behalf_of, timeout)?;
        match tokio::time::timeout(timeout, &mut response_future).await {
            Ok(result) => result,
            Err(_) if response_future.withdraw() => {
                Err(ChannelError::NotSent(NotSentReason::Unreachable("the connection is too busy".into())))
            }
            Err(_) => Err(ChannelError::TimedOut),
        }
    }

    /// Queues an ask for sending at once. The node is told that the answer is
    /// of use for `timeout`; how long to wait for it is the caller's affair.
    pub(crate) fn start(
        &self,
        request: &Request,
        on_behalf_of: Option<&Identity>,
        timeout: Duration,
    ) -> Result<ResponseFuture, ChannelError> {
        let shared = self.shared();
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = encode(id, request, on_behalf_of, timeout).map_err(ChannelError::NotSent)?;
        if frame.len() > SHARED_FRAME_BYTES_MAX {
            return ResponseFuture::on_own_stream(shared, id, frame);
        }
        ResponseFuture::on_shared_stream(shared, id, frame)
    }

    /// How many answers have come, to anyone: a node that answers others is not stuck.
    pub(crate) fn answers(&self) -> u64 {
        self.shared().answers.load(Ordering::Relaxed)
    }

    /// An ask that has no answer after this long is to be looked at more closely.
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
    /// Ends the channel: whoever waits is told, and nobody can ask any more.
    /// Does nothing the second time.
    fn end(&self, reason: &str) {
        self.table.end(&self.lost(reason));
        self.connection.close(reason);
        self.health.send_if_modified(|health| std::mem::replace(health, Health::Ended) != Health::Ended);
        self.to_write.notify_one();
        self.to_watch.notify_one();
    }

    /// For how long the cluster believes in a leader that is not heard of.
    fn lease(&self) -> Duration {
        Duration::from_millis(self.welcome.lease_ms.into())
    }

    fn lost(&self, reason: &str) -> String {
        format!("the connection to {} was lost: {reason}", self.connection.peer().name)
    }
}

/// The node's first word.
async fn receive_welcome(connection: &Connection) -> Result<Welcome, String> {
    let mut receiver = connection.accept_uni().await.map_err(|error| error.to_string())?;
    let message = receiver.receive().await.map_err(|error| error.to_string())?;
    let message = message.ok_or("the node ended its welcome without a word")?;
    match frame::decode(&message) {
        Ok(ServerMessage::Welcome(welcome)) => Ok(welcome),
        Ok(ServerMessage::Response(_)) => Err("the node answered before it was asked".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn encode(
    id: u64,
    request: &Request,
    on_behalf_of: Option<&Identity>,
    timeout: Duration,
) -> Result<Bytes, NotSentReason> {
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    let timeout_ms = timeout_ms.clamp(*REQUEST_TIMEOUT_MS.start(), *REQUEST_TIMEOUT_MS.end());
    frame::encode(&RequestFrameRef { id, timeout_ms, on_behalf_of, request })
        .map_err(|error| NotSentReason::Unfit(error.to_string()))
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
        let identity = Identity { name: NodeName::new("ops").expect("legal"), role: Role::Admin };
        let request = Request::Transfer { to: None };
        let frame =
            encode(7, &request, Some(&identity), Duration::from_secs(3600)).expect("encodes").to_vec();
        let ask = RequestFrame { id: 7, timeout_ms: 600_000, on_behalf_of: Some(identity), request };
        assert_eq!(frame, frame::encode(&ask).expect("encodes").to_vec());
    }
}
