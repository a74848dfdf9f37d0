//! The layout of a request: what is decoded first, and then the request itself.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Request,
    identity::{Identity, SentFrom},
};
use crate::{envelope::Enveloped, id::ClusterId};

/// A request of a client with its envelope, which is decoded and judged first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFrame {
    /// Matches the response to the request; unique among the requests in flight on a connection.
    pub id: u64,
    /// How long the client waits for the response, in milliseconds.
    pub timeout_ms: u32,
    /// The client for which a node forwards the request. Only a node may set it; access is then
    /// checked for this identity instead of the node's own.
    pub on_behalf_of: Option<Identity>,
    /// The connection of that client, for the audit log. `None` for writes and reads.
    pub sent_from: Option<SentFrom>,
    /// The cluster that the request is meant for; `None` for the one that the node belongs to. A
    /// node of another cluster answers [`Rejection::OtherCluster`](super::Rejection::OtherCluster).
    pub cluster: Option<ClusterId>,
    /// The request itself.
    pub request: Request,
}

/// The envelope of a request. It comes first in its frame, so that it can be decoded and judged
/// before the rest, which is the encoded [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RequestEnvelope {
    /// As in [`RequestFrame`].
    pub id: u64,
    /// As in [`RequestFrame`].
    pub timeout_ms: u32,
    /// As in [`RequestFrame`].
    pub on_behalf_of: Option<Identity>,
    /// As in [`RequestFrame`].
    pub sent_from: Option<SentFrom>,
    /// As in [`RequestFrame`].
    pub cluster: Option<ClusterId>,
}

/// The fields of a [`RequestEnvelope`] that are known whatever version wrote it: enough to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EnvelopeStart {
    /// As in [`RequestFrame`].
    pub id: u64,
    /// As in [`RequestFrame`].
    pub timeout_ms: u32,
}

crate::enveloped!(RequestEnvelope, EnvelopeStart);

/// A borrowed [`RequestFrame`].
#[derive(Debug, Clone, Copy)]
pub struct RequestFrameRef<'a> {
    /// As in [`RequestFrame`].
    pub id: u64,
    /// As in [`RequestFrame`].
    pub timeout_ms: u32,
    /// As in [`RequestFrame`].
    pub on_behalf_of: Option<&'a Identity>,
    /// As in [`RequestFrame`].
    pub sent_from: Option<&'a SentFrom>,
    /// As in [`RequestFrame`].
    pub cluster: Option<ClusterId>,
    /// As in [`RequestFrame`].
    pub request: &'a Request,
}

impl Serialize for RequestFrameRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, timeout_ms, on_behalf_of, sent_from, cluster, request } = self;
        // The fields of a `RequestEnvelope`.
        let envelope = (id, timeout_ms, on_behalf_of, sent_from, cluster);
        (Enveloped(&envelope), request).serialize(serializer)
    }
}

impl Serialize for RequestFrame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, timeout_ms, on_behalf_of, sent_from, cluster, request } = self;
        let borrowed = RequestFrameRef {
            id: *id,
            timeout_ms: *timeout_ms,
            on_behalf_of: on_behalf_of.as_ref(),
            sent_from: sent_from.as_ref(),
            cluster: *cluster,
            request,
        };
        borrowed.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RequestFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (envelope, request) = <(RequestEnvelope, Request)>::deserialize(deserializer)?;
        let RequestEnvelope { id, timeout_ms, on_behalf_of, sent_from, cluster } = envelope;
        Ok(Self { id, timeout_ms, on_behalf_of, sent_from, cluster, request })
    }
}
