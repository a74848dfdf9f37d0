//! The layout of the messages between members: golden bytes, round trips, hostile bytes.

use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    frame,
    key::{Key, Value},
};
use proptest::prelude::*;

use super::*;
use crate::{
    raft_types::{LogId, Payload, Vote},
    storage::record::{LeaderRecord, PayloadRecord},
};
use openraft::entry::RaftEntry;

fn vote() -> VoteRecord {
    VoteRecord { leader: LeaderRecord { term: 5, node: NodeId(7) }, committed: true }
}

fn log_id(index: u64) -> LogIdRecord {
    LogIdRecord { term: 5, index }
}

fn append(indexes: &[u64]) -> AppendRequest<'static> {
    let blank = |&index: &u64| EntryRecord { log_id: log_id(index), payload: PayloadRecord::Blank };
    AppendRequest {
        vote: vote(),
        previous: Some(log_id(8)),
        committed: Some(log_id(6)),
        entries: indexes.iter().map(blank).collect(),
    }
}

fn hello(purpose: Purpose) -> Hello {
    let versions = ProtocolVersions { min: 1, max: 3 };
    Hello { cluster: ClusterId(9), from: NodeId(1), to: NodeId(7), purpose, versions }
}

fn append_responses() -> Vec<AppendResponse> {
    vec![
        AppendResponse::Upto(Some(log_id(10))),
        AppendResponse::Conflict(log_id(8)),
        AppendResponse::HigherVote(vote()),
    ]
}

fn rpc_requests() -> Vec<RpcRequest> {
    let request = VoteRequest { vote: vote(), last: None, transfer: true };
    vec![
        RpcRequest::Heartbeat { vote: vote(), previous: Some(log_id(8)), committed: Some(log_id(6)) },
        RpcRequest::Vote(request),
        RpcRequest::PreVote(request),
        RpcRequest::Transfer { from: vote(), to: NodeId(1), last: Some(log_id(10)) },
        RpcRequest::Follows { leader: vote() },
    ]
}

fn rpc_responses() -> Vec<RpcResponse> {
    vec![
        RpcResponse::Heartbeat(HeartbeatResponse::Follows),
        RpcResponse::Heartbeat(HeartbeatResponse::Conflict),
        RpcResponse::Heartbeat(HeartbeatResponse::HigherVote(vote())),
        RpcResponse::Vote { vote: vote(), granted: true, last: Some(log_id(3)) },
        RpcResponse::Transfer(Ok(())),
        RpcResponse::Transfer(Err(TransferError::VoteChanged { expected: vote(), actual: vote() })),
        RpcResponse::Transfer(Err(TransferError::LogNotFlushed { expected: Some(log_id(10)), actual: None })),
        RpcResponse::Follows(true),
        RpcResponse::Unsupported,
    ]
}

fn progress() -> Vec<SnapshotProgress> {
    vec![
        SnapshotProgress::Taken { rows: 300 },
        SnapshotProgress::Finishing,
        SnapshotProgress::Done(vote()),
        SnapshotProgress::Refused("no".to_owned()),
    ]
}

fn frames<T: Serialize>(messages: &[T]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame::encode(message).expect("encodes")).collect()
}

#[test]
fn golden_frames_between_members() {
    let hellos = [Purpose::Append, Purpose::Rpc, Purpose::Snapshot].map(hello);
    let all = [
        frames(&hellos),
        frames(&[append(&[9, 10])]),
        frames(&append_responses()),
        frames(&rpc_requests()),
        frames(&rpc_responses()),
        frames(&progress()),
    ];
    crate::golden_test::check("peer_frames", &all.concat());
}

/// Reads messages that end with fields of a newer version, and one of a kind that only that has.
fn read_from_newer<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(messages: &[T]) {
    for message in messages {
        let later = [encoded(message), vec![7, 0xff, 1]].concat();
        assert_eq!(&frame::decode::<T>(&later).expect("decodes"), message);
    }
    let unknown = frame::decode::<T>(&[0x7f, 1, 2]);
    assert!(matches!(unknown, Err(frame::FrameError::Unknown(_))), "{unknown:?}");
}

fn encoded<T: Serialize>(message: &T) -> Vec<u8> {
    frame::encode(message).expect("encodes")[frame::HEADER_BYTES..].to_vec()
}

#[test]
fn messages_of_a_newer_version_are_read_or_known_as_such() {
    read_from_newer(&append_responses());
    read_from_newer(&rpc_requests());
    read_from_newer(&rpc_responses());
    read_from_newer(&progress());
    let later = [encoded(&hello(Purpose::Rpc)), vec![9, 9]].concat();
    assert_eq!(frame::decode(&later), Ok(hello(Purpose::Rpc)));
    let purpose = frame::decode::<Hello>(&[9, 1, 7, 0x7f]).expect_err("is not known");
    assert_eq!(purpose.to_string(), "a message with an unknown Purpose (127)");
    let later = [encoded(&append(&[9, 10])), vec![9, 9]].concat();
    assert_eq!(frame::decode::<AppendRequest<'_>>(&later), Ok(append(&[9, 10])));
}

#[test]
fn messages_of_an_older_version_lack_fields() {
    let older = [encoded(&vote()), vec![0]].concat();
    let append = AppendRequest { vote: vote(), previous: None, committed: None, entries: Vec::new() };
    assert_eq!(frame::decode::<AppendRequest<'_>>(&older), Ok(append));
    let request = VoteRequest { vote: vote(), last: None, transfer: false };
    let of_second_kind = [vec![1], older].concat();
    assert_eq!(frame::decode(&of_second_kind), Ok(RpcRequest::Vote(request)));
    let response = RpcResponse::Vote { vote: vote(), granted: false, last: None };
    assert_eq!(frame::decode(&of_second_kind), Ok(response));
    assert_eq!(frame::decode(&[0]), Ok(AppendResponse::Upto(None)));
    assert_eq!(frame::decode(&[0]), Ok(SnapshotProgress::Taken { rows: 0 }));
}

#[test]
fn entries_with_holes_are_refused() {
    assert!(AppendEntriesRequest::try_from(append(&[9, 10])).is_ok());
    for holes in [&[10][..], &[9, 11], &[9, 9], &[9, 8]] {
        let refused = AppendEntriesRequest::try_from(append(holes));
        assert!(matches!(refused, Err(RecordError::OutOfPlace { .. })), "{holes:?}");
    }
}

fn any_vote() -> impl Strategy<Value = Vote> {
    (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| {
        VoteRecord { leader: LeaderRecord { term, node: NodeId(node) }, committed }.into()
    })
}

fn any_log_id() -> impl Strategy<Value = LogId> {
    (any::<u64>(), 0..u64::MAX / 2).prop_map(|(term, index)| LogIdRecord { term, index }.into())
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let set = ("[a-z/]{1,20}", prop::collection::vec(any::<u8>(), 0..64)).prop_map(|(key, value)| {
        let (key, value) = (Key::new(key).expect("legal"), Value::new(value).expect("legal"));
        let command = Command::Batch(Batch::of(Operation::Set(key, value)).into());
        Payload::Normal(Proposal { request: None, proposed_at_ms: 7, command, author: String::new() })
    });
    prop_oneof![Just(Payload::Blank), set]
}

fn over_the_wire<T: Serialize + serde::de::DeserializeOwned>(message: &T) -> T {
    let frame = frame::encode(message).expect("encodes");
    frame::decode(&frame[frame::HEADER_BYTES..]).expect("decodes")
}

proptest! {
    #[test]
    fn requests_survive(
        vote in any_vote(),
        previous in prop::option::of(any_log_id()),
        committed in prop::option::of(any_log_id()),
        payloads in prop::collection::vec(any_payload(), 0..8),
    ) {
        let next = previous.map_or(0, |previous| previous.index + 1);
        let entries = (next..).zip(payloads).map(|(index, payload)| {
            LogEntry::new(LogIdRecord { term: vote.leader_id().term, index }.into(), payload)
        });
        let request = AppendEntriesRequest::<TypeConfig> {
            vote,
            prev_log_id: previous,
            leader_commit: committed,
            entries: entries.collect(),
        };
        let frame = frame::encode(&AppendRequest::from(&request)).expect("encodes");
        let there = frame::decode::<AppendRequest<'_>>(&frame[frame::HEADER_BYTES..]).expect("decodes");
        let there = AppendEntriesRequest::try_from(there).expect("without holes");
        prop_assert_eq!((there.vote, there.prev_log_id, there.leader_commit), (vote, previous, committed));
        prop_assert_eq!(there.entries, request.entries);
    }

    #[test]
    fn answers_survive(vote in any_vote(), at in any_log_id(), which in 0..4) {
        let result: StreamAppendResult<TypeConfig> = match which {
            0 => Ok(None),
            1 => Ok(Some(at)),
            2 => Err(StreamAppendError::Conflict(at)),
            _ => Err(StreamAppendError::HigherVote(vote)),
        };
        let there = over_the_wire(&AppendResponse::from(result.clone()));
        prop_assert_eq!(there, AppendResponse::from(result));
    }

    #[test]
    fn ballots_survive(vote in any_vote(), last in prop::option::of(any_log_id()), transfer: bool) {
        let mut request = raft::VoteRequest::<TypeConfig>::new(vote, last);
        request.leadership_transfer = transfer;
        prop_assert_eq!(raft::VoteRequest::from(over_the_wire(&VoteRequest::from(&request))), request);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(append) = frame::decode::<AppendRequest<'_>>(&bytes) {
            let _ = AppendEntriesRequest::try_from(append);
        }
        let _ = frame::decode::<Hello>(&bytes);
        let _ = frame::decode::<RpcRequest>(&bytes);
        let _ = frame::decode::<RpcResponse>(&bytes);
        let _ = frame::decode::<SnapshotProgress>(&bytes);
    }

    #[test]
    fn a_damaged_append_never_panics(at in 0usize..1000, bit in 0u8..8) {
        let mut bytes = frame::encode(&append(&[9, 10])).expect("encodes")[frame::HEADER_BYTES..].to_vec();
        let at = at % bytes.len();
        let _ = frame::decode::<AppendRequest<'_>>(&bytes[..at]);
        bytes[at] ^= 1 << bit;
        if let Ok(append) = frame::decode::<AppendRequest<'_>>(&bytes) {
            let _ = AppendEntriesRequest::try_from(append);
        }
    }
}
