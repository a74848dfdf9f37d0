//! openraft's network traits.

use std::{future::Future, ops::RangeInclusive, sync::Arc, time::Duration};

use coffee_common::{
    backoff,
    id::{Address, ClusterId, NodeId},
    quic::Endpoint,
};
use futures_util::{Stream, StreamExt};
use openraft::{
    OptionalSend, RPCTypes,
    base::{BoxFuture, BoxStream},
    errors::{ReplicationClosed, StreamingError},
    network::{Backoff, RPCOption, RaftNetworkFactory, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};

use super::{
    append,
    bounds::{is_far, vote_in_response},
    heartbeat,
    links::PeerLinks,
    session::{LocalNode, Peer, RpcFailure, STREAM_ENDED, WRONG_RESPONSE, failed},
    snapshot,
    versions::PeerVersions,
    wire::{RpcRequest, RpcResponse},
};
use crate::{
    node::event_log::EventLog,
    raft_types::{LogId, Member, TypeConfig, Vote},
    storage::snapshot::{Snapshot, SnapshotData},
};

/// Bounds of the pause before openraft sends a snapshot again.
const SNAPSHOT_PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(2);

/// Creates openraft's clients of the members. Clones share their connections.
#[derive(Debug, Clone)]
pub struct PeerNetwork {
    local: Arc<LocalNode>,
    links: Arc<PeerLinks>,
}

impl PeerNetwork {
    /// Creates the network of the node `id` of `cluster`, which dials from `endpoint`. Which members it
    /// loses is among `events`.
    pub fn new(endpoint: Endpoint, cluster: ClusterId, id: NodeId, events: EventLog) -> Self {
        let local = LocalNode { endpoint, cluster, id, versions: PeerVersions::default() };
        Self { local: Arc::new(local), links: Arc::new(PeerLinks::new(events)) }
    }

    /// Returns where the versions that members speak are noted.
    pub fn versions(&self) -> PeerVersions {
        self.local.versions.clone()
    }

    /// Asks a member whether it follows the leader with this vote. `false` if it does not, or has
    /// not answered in time.
    pub fn follows(
        &self,
        target: NodeId,
        member: &Member,
        leader: Vote,
        within: Duration,
    ) -> impl Future<Output = bool> + Send + 'static {
        let link = self.links.to(&self.local.endpoint, target, member);
        let peer = Peer::new(Arc::clone(&self.local), target, link);
        let request = RpcRequest::Follows { leader: (&leader).into() };
        async move {
            let response = peer.call(&request, RPCTypes::AppendEntries, within).await;
            matches!(response, Ok(RpcResponse::Follows(true)))
        }
    }

    /// Dials a member unless it is connected. Does not wait for the connection. `heard` is where
    /// the member itself says that it is.
    pub fn warm(&self, target: NodeId, member: &Member, heard: Option<&Address>) {
        let link = self.links.to(&self.local.endpoint, target, member);
        link.hear(heard);
        link.warm();
    }

    /// Forgets the connections to all nodes but these.
    pub fn keep(&self, keep: impl Fn(NodeId) -> bool) {
        self.local.versions.keep(&keep);
        self.links.keep(keep);
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, member: &Member) -> Peer {
        let link = self.links.to(&self.local.endpoint, target, member);
        Peer::new(Arc::clone(&self.local), target, link)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, member: &Member) -> Peer {
        let mut peer = self.new_client(target, member).await;
        peer.for_heartbeats = true;
        peer
    }

    async fn new_snapshot_client(&mut self, target: NodeId, member: &Member) -> Peer {
        let mut peer = self.new_client(target, member).await;
        peer.for_snapshots = true;
        peer
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcFailure> {
        let request = Box::pin(futures_util::stream::once(async { request }));
        let responses = self.stream_append(request, option).await?;
        match { responses }.next().await {
            Some(response) => response.map(Into::into),
            None => Err(failed(STREAM_ENDED)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcFailure>>, RpcFailure>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        if self.for_heartbeats {
            return Box::pin(heartbeat::send(self, requests, option));
        }
        Box::pin(append::stream(self.clone(), requests, option))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcFailure> {
        let (sent, request) = (request.vote.leader_id().term, RpcRequest::Vote((&request).into()));
        vote_response(self.call(&request, RPCTypes::Vote, option.hard_ttl()).await?, sent)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcFailure> {
        let (sent, request) = (request.vote.leader_id().term, RpcRequest::PreVote((&request).into()));
        vote_response(self.call(&request, RPCTypes::Vote, option.hard_ttl()).await?, sent)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        snapshot::send(self, vote, snapshot, cancel, option.soft_ttl()).await
    }

    /// Retries of a rejected snapshot cost more than other retries, whose pace is that of
    /// [`crate::node::raft`].
    fn backoff(&self) -> Option<Backoff> {
        let delays = (0..).map(|attempt| backoff::delay(&SNAPSHOT_PAUSE, attempt));
        self.for_snapshots.then(|| Backoff::new(delays))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcFailure> {
        let request = RpcRequest::from(&request);
        match self.call(&request, RPCTypes::TransferLeader, option.hard_ttl()).await? {
            RpcResponse::Transfer(result) => Ok(result.map_err(Into::into)),
            RpcResponse::Heartbeat(_)
            | RpcResponse::Vote { .. }
            | RpcResponse::Follows(_)
            | RpcResponse::Unsupported => Err(failed(WRONG_RESPONSE)),
        }
    }
}

/// Returns the response to a request for a vote in the term `sent`.
fn vote_response(response: RpcResponse, sent: u64) -> Result<VoteResponse<TypeConfig>, RpcFailure> {
    match response {
        RpcResponse::Vote { vote, granted, last } => {
            let last_log_id = last.map(LogId::from);
            if last_log_id.as_ref().is_some_and(is_far) {
                return Err(failed(WRONG_RESPONSE));
            }
            let vote = vote_in_response(vote, sent)?;
            Ok(VoteResponse { vote, vote_granted: granted, last_log_id })
        }
        RpcResponse::Heartbeat(_)
        | RpcResponse::Transfer(_)
        | RpcResponse::Follows(_)
        | RpcResponse::Unsupported => Err(failed(WRONG_RESPONSE)),
    }
}
