//! openraft's network traits over links.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use coffee_common::{
    frame,
    id::{ClusterId, NodeId},
    quic::{Connection, Endpoint, FrameReceiver, FrameSender, Priority},
};
use futures_util::Stream;
use openraft::{
    OptionalSend, RPCTypes,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::Serialize;

use super::{
    append,
    link::{Link, Links},
    snapshot,
    wire::{Ballot, Hello, Purpose, Question, Reply},
};
use crate::{
    storage::snapshot::{Snapshot, SnapshotData},
    types::{Member, TypeConfig, Vote},
};

pub(super) type Failure = RPCError<TypeConfig>;

/// Makes the connections that openraft asks for. Clones share them.
#[derive(Debug, Clone)]
pub struct PeerNetwork {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    cluster: ClusterId,
    own: NodeId,
    links: Links,
}

impl PeerNetwork {
    /// Dials from `endpoint`, as the node `own` of `cluster`.
    pub fn new(endpoint: Endpoint, cluster: ClusterId, own: NodeId) -> Self {
        Self { shared: Arc::new(Shared { endpoint, cluster, own, links: Links::default() }) }
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, member: &Member) -> Peer {
        let link = self.shared.links.to(&self.shared.endpoint, target, member);
        Peer { shared: Arc::clone(&self.shared), target, link }
    }
}

/// One of openraft's ways to one member.
#[derive(Debug, Clone)]
pub struct Peer {
    shared: Arc<Shared>,
    target: NodeId,
    pub(super) link: Arc<Link>,
}

impl Peer {
    /// Opens a stream, with its hello as the first frame to send.
    pub(super) async fn open(
        &self,
        purpose: Purpose,
        priority: Priority,
    ) -> Result<(Bytes, FrameSender, FrameReceiver), Failure> {
        let connection: Connection = self.link.connection().await.map_err(unreachable)?;
        let (sender, receiver) = connection.open(priority).await.map_err(lost)?;
        let Shared { cluster, own, .. } = &*self.shared;
        let hello = Hello { cluster: *cluster, from: *own, to: self.target, purpose };
        Ok((encode(&hello)?, sender, receiver))
    }

    /// Asks one question, and waits for its answer.
    async fn ask(&self, question: &Question, kind: RPCTypes, time: Duration) -> Result<Reply, Failure> {
        let exchange = async {
            let (hello, mut sender, mut receiver) = self.open(Purpose::Ask, Priority::Urgent).await?;
            sender.send_all(&mut [hello, encode(question)?]).await.map_err(lost)?;
            sender.finish();
            let reply = receiver.receive().await.map_err(lost)?.ok_or_else(|| lost("no answer"))?;
            self.link.heard();
            frame::decode(&reply).map_err(lost)
        };
        match tokio::time::timeout(time, exchange).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(kind, time)),
        }
    }

    async fn ballot(&self, question: &Question, time: Duration) -> Result<VoteResponse<TypeConfig>, Failure> {
        match self.ask(question, RPCTypes::Vote, time).await? {
            Reply::Ballot { vote, granted, last } => Ok(VoteResponse {
                vote: vote.into(),
                vote_granted: granted,
                last_log_id: last.map(Into::into),
            }),
            Reply::Transfer(_) => Err(lost("an answer to another question")),
        }
    }

    /// Notes, and says, that no answer came in time.
    pub(super) fn timed_out(&self, action: RPCTypes, timeout: Duration) -> Failure {
        self.link.timed_out();
        RPCError::Timeout(Timeout { action, id: self.shared.own, target: self.target, timeout })
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, Failure> {
        use futures_util::StreamExt;
        let one = Box::pin(futures_util::stream::once(async { request }));
        let answers = self.stream_append(one, option).await?;
        match { answers }.next().await {
            Some(answer) => answer.map(Into::into),
            None => Err(lost("no answer")),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, Failure>>, Failure>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(append::stream(self.clone(), requests, option))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ballot(&Question::Vote(Ballot::from(&request)), option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, Failure> {
        self.ballot(&Question::PreVote(Ballot::from(&request)), option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        snapshot::send(self, vote, snapshot, cancel).await
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        let question = Question::from(&request);
        match self.ask(&question, RPCTypes::TransferLeader, option.soft_ttl()).await? {
            Reply::Transfer(result) => Ok(result.map_err(Into::into)),
            Reply::Ballot { .. } => Err(lost("an answer to another question")),
        }
    }
}

/// The peer cannot be reached: openraft backs off before it tries again.
fn unreachable(why: impl ToString) -> Failure {
    RPCError::Unreachable(Unreachable::from_string(why))
}

/// The exchange broke off.
pub(super) fn lost(why: impl ToString) -> Failure {
    RPCError::Network(NetworkError::from_string(why))
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Failure> {
    frame::encode(message).map_err(lost)
}
