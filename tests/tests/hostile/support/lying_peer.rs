//! Streams of a lying peer: well-formed, and false.
//!
//! Raft trusts its members: a member that lies in its own name about the present is
//! beyond what Raft tolerates. These lies are different: in another node's name, about
//! the past, or contradictory.

use std::borrow::Cow;

use bytes::Bytes;
use coffee_common::{
    command::{Batch, Command, Operation, Proposal},
    envelope,
    frame::{self, HEADER_BYTES},
    id::{ClusterId, NodeId},
    key::{Key, Value},
    protocol_versions::ProtocolVersions,
};
use coffeed::{
    api::peer::wire::{AppendRequest, Hello, Purpose, RpcRequest, VoteRequest},
    storage::record::{EntryRecord, LeaderRecord, LogIdRecord, PayloadRecord, VoteRecord},
};
use fastrand::Rng;
use serde::Serialize;

/// A liar and its victim.
#[derive(Clone, Copy)]
pub(crate) struct LyingPeer {
    pub(crate) cluster: ClusterId,
    /// The node whose certificate it has.
    pub(crate) own: NodeId,
    pub(crate) to: NodeId,
    /// The leader and its term.
    pub(crate) leader: LeaderRecord,
    /// The last log index.
    pub(crate) last: u64,
}

impl LyingPeer {
    /// Frames of a stream; the first one opens it.
    pub(crate) fn stream(&self, rng: &mut Rng) -> Vec<Bytes> {
        let (purpose, lies) = match rng.u8(0..20) {
            0..8 => (Purpose::Append, vec![encode(&self.append(rng))]),
            8..16 => (Purpose::Rpc, vec![encode(&self.question(rng))]),
            _ => (Purpose::Snapshot, self.snapshot(rng)),
        };
        let Self { cluster, own: from, to, .. } = *self;
        let mut frames = vec![encode(&Hello { cluster, from, to, purpose, versions: ProtocolVersions::OWN })];
        frames.extend(lies);
        frames
    }

    fn leads(&self) -> bool {
        self.own == self.leader.node
    }

    /// A vote of the past, or of another node.
    fn stale(&self, rng: &mut Rng, committed: bool) -> VoteRecord {
        let leader = if self.leads() || rng.bool() {
            LeaderRecord { term: self.leader.term - 1, node: self.own }
        } else {
            LeaderRecord { term: self.leader.term + rng.u64(0..3), node: self.leader.node }
        };
        VoteRecord { leader, committed }
    }

    fn append(&self, rng: &mut Rng) -> AppendRequest<'static> {
        let vote = self.stale(rng, true);
        let leader = if self.leads() || rng.bool() { self.leader } else { vote.leader };
        let at = |index| LogIdRecord { term: leader.term, index };
        let mut append = AppendRequest {
            vote,
            previous: Some(at(self.last)),
            committed: Some(at(self.last + rng.u64(0..9))),
            entries: (1..rng.u64(2..6)).map(|n| entry(at(self.last + n))).collect(),
        };
        if self.leads() {
            // The leader itself, with entries missing, repeated or ahead of time.
            append.vote = VoteRecord { leader: self.leader, committed: true };
            let at = rng.usize(..append.entries.len());
            let entry = &mut append.entries[at].log_id;
            match rng.u8(0..3) {
                0 => entry.index += rng.u64(1..9),
                1 => entry.term += rng.u64(1..9),
                _ => entry.term -= 1,
            }
        }
        append
    }

    fn question(&self, rng: &mut Rng) -> RpcRequest {
        let term = self.leader.term + rng.u64(1..9);
        let vote = match rng.u8(0..3) {
            0 => self.stale(rng, false),
            // Elected in a future term.
            1 => VoteRecord { leader: LeaderRecord { term, node: self.own }, committed: true },
            _ => {
                VoteRecord { leader: LeaderRecord { term, node: NodeId(self.own.0 + 77) }, committed: false }
            }
        };
        let last = Some(LogIdRecord { term: vote.leader.term, index: self.last + 1_000 });
        let request = VoteRequest { vote, last, transfer: rng.bool() };
        match rng.u8(0..4) {
            0 => RpcRequest::Vote(request),
            1 => RpcRequest::PreVote(request),
            2 => {
                let previous = last.filter(|_| rng.bool());
                RpcRequest::Heartbeat { vote: self.stale(rng, true), previous, committed: last }
            }
            _ => RpcRequest::Transfer { from: self.stale(rng, true), to: self.to, last },
        }
    }

    /// A vote, and chunks that are not a snapshot.
    fn snapshot(&self, rng: &mut Rng) -> Vec<Bytes> {
        let leader = if self.leads() { self.leader } else { self.stale(rng, true).leader };
        let mut frames = vec![encode(&VoteRecord { leader, committed: true })];
        for _ in 0..rng.u8(0..3) {
            let count = rng.usize(..400);
            frames
                .push(frame::encode_raw(&crate::support::mutated_frames::bytes(rng, count)).expect("short"));
        }
        frames
    }

    /// Whether a mutated frame has become something that this member may truthfully say
    /// about the present.
    pub(crate) fn might_say(&self, frame: &[u8]) -> bool {
        let message = frame.get(HEADER_BYTES..).unwrap_or_default();
        let own = |vote: &VoteRecord| vote.leader.node == self.own && vote.leader.term >= self.leader.term;
        let append = take::<AppendRequest<'_>>(message).is_some_and(|append| own(&append.vote));
        let asks = take::<RpcRequest>(message).is_some_and(|request| match request {
            RpcRequest::Vote(request) | RpcRequest::PreVote(request) => own(&request.vote),
            RpcRequest::Heartbeat { vote: from, .. } | RpcRequest::Transfer { from, .. } => own(&from),
            // It changes nothing.
            RpcRequest::Follows { .. } => true,
        });
        append || asks
    }
}

fn entry(log_id: LogIdRecord) -> EntryRecord<'static> {
    let key = Key::new("bad/entry").expect("legal");
    let set = Operation::Set(key, Value::new(vec![7; 40]).expect("legal"));
    let batch = Batch { conditions: Vec::new(), operations: vec![set] };
    let proposal = Proposal {
        request: None,
        proposed_at_ms: 1,
        command: Command::Batch(batch.into()),
        author: String::new(),
    };
    EntryRecord { log_id, payload: PayloadRecord::Normal(Cow::Owned(proposal)) }
}

fn take<'a, T: serde::Deserialize<'a>>(message: &'a [u8]) -> Option<T> {
    envelope::decode_body(message).ok()
}

fn encode<T: Serialize>(message: &T) -> Bytes {
    frame::encode(message).expect("short")
}
