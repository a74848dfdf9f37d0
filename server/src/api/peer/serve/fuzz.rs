//! Messages of a hostile member, for fuzzing.

use std::sync::Arc;

use coffee_common::{
    frame,
    id::{NodeId, NodeName},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{PeerContext, ServeError, StreamPeer, rpc, validate};
use crate::{
    api::peer::wire::{
        AppendRequest, AppendResponse, Hello, RaftAppendRequest, RpcRequest, RpcResponse, SnapshotProgress,
    },
    storage::record::VoteRecord,
};

/// Decodes the bytes as each message of the protocol. Checks that a message which is decoded is
/// encoded again as another one that means the same.
pub fn decode(bytes: &[u8]) {
    decode_as::<Hello>(bytes);
    decode_as::<AppendRequest<'static>>(bytes);
    decode_as::<AppendResponse>(bytes);
    decode_as::<RpcRequest>(bytes);
    decode_as::<RpcResponse>(bytes);
    decode_as::<SnapshotProgress>(bytes);
    decode_as::<VoteRecord>(bytes);
    if let Ok(append) = frame::decode::<AppendRequest<'static>>(bytes) {
        let _ = RaftAppendRequest::try_from(append);
    }
}

fn decode_as<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(message) = frame::decode::<T>(bytes) else { return };
    let encoded = frame::encode(&message).expect("a message that was decoded is encoded");
    let again = frame::decode::<T>(&encoded[frame::HEADER_BYTES..]).expect("and decoded again");
    assert_eq!(again, message);
}

/// Passes messages of the member `from` to Raft, as they are served. Returns how many of them Raft
/// has seen.
///
/// Each message is a byte for its kind, two for the length of its body (little endian), and the
/// body.
///
/// # Panics
/// Raft has stopped.
pub async fn serve(context: PeerContext, from: NodeId, name: NodeName, mut bytes: &[u8]) -> usize {
    let peer = Arc::new(StreamPeer { context, id: from, name, version: frame::FRAME_VERSION });
    let mut served = 0;
    while let [kind, low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (body, next) = rest.split_at(length);
        bytes = next;
        let done = if kind % 2 == 0 { call(&peer, body).await } else { append(&peer, body).await };
        match done {
            Ok(()) => served += 1,
            Err(ServeError::Stopped(why)) => panic!("Raft has stopped: {why}"),
            Err(_) => {}
        }
    }
    served
}

async fn call(peer: &StreamPeer, body: &[u8]) -> Result<(), ServeError> {
    rpc::answer(peer, frame::decode(body)?).await.map(drop)
}

async fn append(peer: &StreamPeer, body: &[u8]) -> Result<(), ServeError> {
    let request = frame::decode::<AppendRequest<'_>>(body)?.try_into()?;
    validate::append(&request, peer.sender())?;
    let PeerContext { raft, leader_log, .. } = &peer.context;
    let (request, _admission) = leader_log.admit(raft, request).await?;
    raft.append_entries(request).await.map(drop).map_err(ServeError::stopped)
}

#[test]
fn golden_messages_are_decoded() {
    let mut frames = frame::Deframer::default();
    frames.push(&crate::golden_test::bytes("peer_frames"));
    let mut number = 0;
    while let Some(message) = frames.next_message().expect("frames") {
        decode(&message);
        number += 1;
    }
    assert!(number > 3, "{number} messages");
}
