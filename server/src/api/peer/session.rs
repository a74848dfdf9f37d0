//! A member as openraft's client sees it: streams to the member, and the errors of an exchange.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame,
    id::{ClusterId, NodeId},
    protocol::NodeEventKind,
    protocol_versions::ProtocolVersions,
    quic::{Endpoint, FrameReceiver, FrameSender, Priority},
};
use openraft::{
    RPCTypes,
    errors::{NetworkError, RPCError, Timeout, Unreachable},
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{
    link::PeerLink,
    versions::PeerVersions,
    wire::{Hello, Purpose, RpcRequest, RpcResponse},
};
use crate::raft_types::TypeConfig;

pub(super) type RpcFailure = RPCError<TypeConfig>;

/// The error for a stream that the peer ended early. The peer logs the reason.
pub(super) const STREAM_ENDED: &str = "the peer ended the stream; see its log";

/// The error for a response that does not fit the request.
pub(super) const WRONG_RESPONSE: &str = "the response is for another kind of request";

/// The error for a request that the peer does not know.
const UNSUPPORTED: &str = "the peer runs an older version, which does not know this request";

/// This node, as it introduces itself to its peers.
#[derive(Debug)]
pub(super) struct LocalNode {
    pub(super) endpoint: Endpoint,
    pub(super) cluster: ClusterId,
    pub(super) id: NodeId,
    /// The versions that other members speak.
    pub(super) versions: PeerVersions,
}

/// A client of one member.
#[derive(Debug, Clone)]
pub struct Peer {
    local: Arc<LocalNode>,
    target: NodeId,
    link: Arc<PeerLink>,
    /// Whether openraft sends snapshots with it.
    pub(super) for_snapshots: bool,
    /// Whether openraft sends heartbeats with it.
    pub(super) for_heartbeats: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.link.name(), self.target)
    }
}

impl Peer {
    /// Adds an event about the member.
    pub(super) fn record(&self, kind: NodeEventKind, text: &str) {
        self.link.record(kind, text);
    }

    pub(super) fn new(local: Arc<LocalNode>, target: NodeId, link: Arc<PeerLink>) -> Self {
        Self { local, target, link, for_snapshots: false, for_heartbeats: false }
    }

    /// Opens a stream. Returns its hello as the first frame to send. If it takes longer than until
    /// `deadline`, the peer counts as unreachable; the dial continues for the next caller.
    pub(super) async fn open(
        &self,
        purpose: Purpose,
        priority: Priority,
        deadline: Instant,
    ) -> Result<(Bytes, FrameSender, FrameReceiver), RpcFailure> {
        let opening = async {
            let connection = self.link.connection().await.map_err(unreachable)?;
            connection.open(priority).await.map_err(failed)
        };
        let opened = timeout_at(deadline, opening).await;
        let (sender, receiver) = opened.unwrap_or_else(|_| Err(unreachable("no connection in time")))?;
        let LocalNode { cluster, id, .. } = &*self.local;
        let versions = ProtocolVersions::OWN;
        let hello = Hello { cluster: *cluster, from: *id, to: self.target, purpose, versions };
        Ok((frame::encode(&hello).map_err(failed)?, sender, receiver))
    }

    /// Returns the version in which to write to the peer.
    pub(super) fn version(&self) -> Result<u8, RpcFailure> {
        self.local.versions.to_speak(self.target).map_err(unreachable)
    }

    /// Sends a request on its own stream and waits for the response. `timeout` is openraft's hard
    /// limit: it is the longest round trip with which a cluster works.
    pub(super) async fn call(
        &self,
        request: &RpcRequest,
        action: RPCTypes,
        timeout: Duration,
    ) -> Result<RpcResponse, RpcFailure> {
        let deadline = Instant::now() + timeout;
        let (hello, mut sender, mut receiver) = self.open(Purpose::Rpc, Priority::Urgent, deadline).await?;
        let request = encode(self.version()?, request)?;
        let exchange = async {
            sender.send_all(&mut [hello, request]).await.map_err(failed)?;
            sender.finish();
            let response = receiver.receive().await.map_err(failed)?;
            match frame::decode(&response.ok_or_else(|| failed(STREAM_ENDED))?).map_err(failed)? {
                RpcResponse::Unsupported => Err(failed(UNSUPPORTED)),
                response => Ok(response),
            }
        };
        let answered = timeout_at(deadline, exchange).await;
        answered.unwrap_or_else(|_| Err(self.timed_out(action, timeout)))
    }

    /// Returns the error for a response that did not arrive in time.
    pub(super) fn timed_out(&self, action: RPCTypes, timeout: Duration) -> RpcFailure {
        RPCError::Timeout(Timeout { action, id: self.local.id, target: self.target, timeout })
    }
}

/// Returns the error for an unreachable peer. openraft backs off before it retries.
pub(super) fn unreachable(cause: impl ToString) -> RpcFailure {
    RPCError::Unreachable(Unreachable::from_string(cause))
}

/// Returns the error for an exchange that failed midway.
pub(super) fn failed(cause: impl ToString) -> RpcFailure {
    RPCError::Network(NetworkError::from_string(cause))
}

pub(super) fn encode<T: Serialize>(version: u8, message: &T) -> Result<Bytes, RpcFailure> {
    frame::encode_as(version, message).map_err(failed)
}
