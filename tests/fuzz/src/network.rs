//! The network of a node that reaches no other.

use std::io;

use coffee_common::id::NodeId;
use coffeed::{
    raft_types::{Member, TypeConfig, Vote},
    storage::snapshot::{Snapshot, SnapshotData},
};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    errors::{RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};

/// Reaches no member.
#[derive(Debug, Clone, Copy)]
pub struct UnreachableMembers;

fn unreachable() -> Unreachable<TypeConfig> {
    Unreachable::new(&io::Error::other("no member is reached"))
}

impl RaftNetworkFactory<TypeConfig> for UnreachableMembers {
    type Network = Self;

    async fn new_client(&mut self, _target: NodeId, _member: &Member) -> Self {
        Self
    }
}

impl RaftNetworkV2<TypeConfig> for UnreachableMembers {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(unreachable()))
    }
}
