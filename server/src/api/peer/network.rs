//! openraft's network traits over links.

use std::{fmt, future::Future, ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use coffee_common::{
    backoff, frame,
    id::{ClusterId, NodeId},
    quic::{Endpoint, FrameReceiver, FrameSender, Priority},
};
use futures_util::{Stream, StreamExt};
use openraft::{
    OptionalSend, RPCTypes,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable},
    network::{Backoff, RPCOption, RaftNetworkFactory, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::{
    append,
    link::{Link, Links},
    snapshot,
    wire::{Ballot, Hello, Purpose, Question, Reply},
};
use crate::{
    raft_types::{Member, TypeConfig, Vote},
    storage::snapshot::{Snapshot, SnapshotData},
};

pub(super) type Failure = RPCError<TypeConfig>;

/// What a peer does that refuses a stream: the reason is in its own log.
pub(super) const BROKE_OFF: &str = "the peer broke off; its log says why";

/// Bounds of the pause before openraft sends a snapshot again.
const SNAPSHOT_PAUSE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(2);

const BESIDE_THE_POINT: &str = "an answer to another question";

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

    /// Dials a member if it is not connected, and does not wait for it.
    pub fn warm(&self, target: NodeId, member: &Member) {
        self.shared.links.to(&self.shared.endpoint, target, member).warm();
    }
}

impl RaftNetworkFactory<TypeConfig> for PeerNetwork {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, member: &Member) -> Peer {
        let link = self.shared.links.to(&self.shared.endpoint, target, member);
        Peer { shared: Arc::clone(&self.shared), target, link, for_snapshots: false }
    }

    async fn new_snapshot_client(&mut self, target: NodeId, member: &Member) -> Peer {
        Peer { for_snapshots: true, ..self.new_client(target, member).await }
    }
}

/// One of openraft's ways to one member.
#[derive(Debug, Clone)]
pub struct Peer {
    shared: Arc<Shared>,
    target: NodeId,
    link: Arc<Link>,
    for_snapshots: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.link.member(), self.target)
    }
}

impl Peer {
    /// Opens a stream, with its hello as the first frame to send. Where that
    /// takes longer than until `deadline` the peer counts as out of reach; the
    /// dial goes on, for the next who asks.
    pub(super) async fn open(
        &self,
        purpose: Purpose,
        priority: Priority,
        deadline: Instant,
    ) -> Result<(Bytes, FrameSender, FrameReceiver), Failure> {
        let opening = async {
            let connection = self.link.connection().await.map_err(unreachable)?;
            connection.open(priority).await.map_err(lost)
        };
        let opened = timeout_at(deadline, opening).await;
        let (sender, receiver) = opened.unwrap_or_else(|_| Err(unreachable("no connection in time")))?;
        let Shared { cluster, own, .. } = &*self.shared;
        let hello = Hello { cluster: *cluster, from: *own, to: self.target, purpose };
        Ok((encode(&hello)?, sender, receiver))
    }

    /// Asks one question, and waits for its answer.
    async fn ask(&self, question: &Question, kind: RPCTypes, time: Duration) -> Result<Reply, Failure> {
        let deadline = Instant::now() + time;
        let (hello, mut sender, mut receiver) = self.open(Purpose::Ask, Priority::Urgent, deadline).await?;
        let exchange = async {
            sender.send_all(&mut [hello, encode(question)?]).await.map_err(lost)?;
            sender.finish();
            let reply = receiver.receive().await.map_err(lost)?;
            frame::decode(&reply.ok_or_else(|| lost(BROKE_OFF))?).map_err(lost)
        };
        let answered = timeout_at(deadline, exchange).await;
        answered.unwrap_or_else(|_| Err(self.timed_out(kind, time)))
    }

    async fn ballot(&self, question: &Question, time: Duration) -> Result<VoteResponse<TypeConfig>, Failure> {
        match self.ask(question, RPCTypes::Vote, time).await? {
            Reply::Ballot { vote, granted, last } => Ok(VoteResponse {
                vote: vote.into(),
                vote_granted: granted,
                last_log_id: last.map(Into::into),
            }),
            Reply::Transfer(_) => Err(lost(BESIDE_THE_POINT)),
        }
    }

    /// Says that no answer came in time.
    pub(super) fn timed_out(&self, action: RPCTypes, timeout: Duration) -> Failure {
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
        let one = Box::pin(futures_util::stream::once(async { request }));
        let answers = self.stream_append(one, option).await?;
        match { answers }.next().await {
            Some(answer) => answer.map(Into::into),
            None => Err(lost(BROKE_OFF)),
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
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        snapshot::send(self, vote, snapshot, cancel, option.soft_ttl()).await
    }

    /// A snapshot that is refused costs more to try again than the rest, whose
    /// pace is that of [`crate::node::raft`].
    fn backoff(&self) -> Option<Backoff> {
        let delays = (0..).map(|attempt| backoff::delay(&SNAPSHOT_PAUSE, attempt));
        self.for_snapshots.then(|| Backoff::new(delays))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, Failure> {
        let question = Question::from(&request);
        match self.ask(&question, RPCTypes::TransferLeader, option.soft_ttl()).await? {
            Reply::Transfer(result) => Ok(result.map_err(Into::into)),
            Reply::Ballot { .. } => Err(lost(BESIDE_THE_POINT)),
        }
    }
}

/// The peer cannot be reached: openraft backs off before it tries again.
pub(super) fn unreachable(why: impl ToString) -> Failure {
    RPCError::Unreachable(Unreachable::from_string(why))
}

/// The exchange broke off.
pub(super) fn lost(why: impl ToString) -> Failure {
    RPCError::Network(NetworkError::from_string(why))
}

pub(super) fn encode<T: Serialize>(message: &T) -> Result<Bytes, Failure> {
    frame::encode(message).map_err(lost)
}
