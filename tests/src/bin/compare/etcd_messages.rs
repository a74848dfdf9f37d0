//! The messages of etcd that the comparison uses, with the fields that it reads.
//! Decoding skips all others.
//!
//! Source: etcd's `rpc.proto` and `kv.proto` (version 3).

use bytes::Bytes;
use prost::Message;

/// `etcdserverpb.PutRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// `etcdserverpb.PutResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct PutResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<ResponseHeader>,
}

/// `etcdserverpb.RangeRequest` for a single key. Linearizable, as `serializable`
/// is false by default.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
}

/// `etcdserverpb.RangeResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    pub(crate) kvs: Vec<KeyValue>,
}

/// `mvccpb.KeyValue`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    pub(crate) value: Bytes,
}

/// `etcdserverpb.StatusRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StatusRequest {}

/// `etcdserverpb.StatusResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<ResponseHeader>,
    /// The id of the leader; 0 if the member knows none.
    #[prost(uint64, tag = "4")]
    pub(crate) leader: u64,
}

/// `etcdserverpb.ResponseHeader`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    pub(crate) member_id: u64,
}

/// `etcdserverpb.MoveLeaderRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct MoveLeaderRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) target_id: u64,
}

/// `etcdserverpb.MoveLeaderResponse`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct MoveLeaderResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<ResponseHeader>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A put of `a` = `b` as etcd's own client encodes it.
    #[test]
    fn a_put_has_the_bytes_of_the_protocol() {
        let put = PutRequest { key: "a".into(), value: "b".into() };
        assert_eq!(put.encode_to_vec(), b"\x0a\x01a\x12\x01b");
    }

    /// Header (cluster 1, member 2), version "3", database size 4, leader 5.
    #[test]
    fn a_status_is_decoded_and_unknown_fields_are_skipped() {
        let bytes = b"\x0a\x04\x08\x01\x10\x02\x12\x013\x18\x04\x20\x05";
        let status = StatusResponse::decode(&bytes[..]).expect("a status");
        assert_eq!(status, StatusResponse { header: Some(ResponseHeader { member_id: 2 }), leader: 5 });
    }
}
