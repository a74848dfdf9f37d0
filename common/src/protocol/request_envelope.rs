//! The part of a request that is decoded first.

use serde::Deserialize;

use super::identity::{Identity, SentFrom};
use crate::id::ClusterId;

/// The envelope of a request. It comes first in its frame, so that it can be decoded and judged
/// before the rest, which is the encoded [`Request`](super::Request).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RequestEnvelope {
    /// As in [`RequestFrame`](super::RequestFrame).
    pub id: u64,
    /// As in [`RequestFrame`](super::RequestFrame).
    pub timeout_ms: u32,
    /// As in [`RequestFrame`](super::RequestFrame).
    pub on_behalf_of: Option<Identity>,
    /// As in [`RequestFrame`](super::RequestFrame).
    pub sent_from: Option<SentFrom>,
    /// As in [`RequestFrame`](super::RequestFrame).
    pub cluster: Option<ClusterId>,
}
