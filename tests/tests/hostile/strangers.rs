//! Nodes that are not members, with valid certificates of the cluster's CA: one that was removed,
//! and one that was never admitted. And a member that speaks of terms that no election reached.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    frame,
    id::{ClusterId, NodeId},
    protocol::{RaftStatus, Role},
    protocol_versions::ProtocolVersions,
    quic::{Connection, Endpoint, Expect, Priority, Protocol},
};
use coffee_tests::cluster::Cluster;
use coffeed::{
    api::peer::wire::{AppendRequest, Hello, Purpose, RpcRequest, VoteRequest},
    storage::record::{LeaderRecord, LogIdRecord, VoteRecord},
};
use serde::Serialize;
use tokio::time::timeout;

use crate::peers;

/// A daemon that has not reacted within this time waits for more input.
const PATIENCE: Duration = Duration::from_secs(20);

/// The nodes that are attacked.
pub(crate) const NAMES: [&str; 3] = ["ming", "hong", "peng"];

/// The id that a node without one claims.
const NO_ID: NodeId = NodeId(999_999);

/// Sends messages in the name of a node to one of the daemons.
struct Stranger {
    connection: Connection,
    cluster: ClusterId,
    to: NodeId,
}

impl Stranger {
    /// Connects, unless the daemon accepts no connection.
    async fn connect(credentials: &Credentials, victim: &Address, raft: &RaftStatus) -> Option<Self> {
        let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
        let connection = endpoint.connect(victim, &Expect::AnyNode, Protocol::Peer).await.ok()?;
        Some(Self { connection, cluster: raft.cluster, to: raft.id })
    }

    /// Sends a message of each kind under a vote for this term. Returns the kinds that are answered.
    async fn tell(&self, from: NodeId, term: u64) -> Vec<&'static str> {
        self.tell_some(from, term, |_| true).await
    }

    /// Sends a message of each of these kinds.
    async fn tell_some(&self, from: NodeId, term: u64, is_sent: fn(&str) -> bool) -> Vec<&'static str> {
        let vote = |committed| VoteRecord { leader: LeaderRecord { term, node: from }, committed };
        let last = Some(LogIdRecord { term, index: 1_000_000 });
        let append = AppendRequest { vote: vote(true), previous: None, committed: None, entries: Vec::new() };
        let request = VoteRequest { vote: vote(false), last, transfer: true };
        let beat = RpcRequest::Heartbeat { vote: vote(true), previous: None, committed: None };
        let transfer = RpcRequest::Transfer { from: vote(true), to: self.to, last: None };
        let mut answered = Vec::new();
        for (kind, purpose, message) in [
            ("pre-vote", Purpose::Rpc, encode(&RpcRequest::PreVote(request))),
            ("transfer", Purpose::Rpc, encode(&transfer)),
            ("snapshot", Purpose::Snapshot, encode(&vote(true))),
            ("vote", Purpose::Rpc, encode(&RpcRequest::Vote(request))),
            ("heartbeat", Purpose::Rpc, encode(&beat)),
            ("append", Purpose::Append, encode(&append)),
        ]
        .into_iter()
        .filter(|(kind, ..)| is_sent(kind))
        {
            let hello =
                Hello { cluster: self.cluster, from, to: self.to, purpose, versions: ProtocolVersions::OWN };
            if self.is_answered([encode(&hello), message]).await {
                answered.push(kind);
            }
        }
        answered
    }

    async fn is_answered(&self, mut frames: [Bytes; 2]) -> bool {
        let Ok((mut sender, mut receiver)) = self.connection.open(Priority::Normal).await else {
            return false;
        };
        if sender.send_all(&mut frames).await.is_err() {
            return false;
        }
        sender.finish();
        let answer = timeout(PATIENCE, receiver.receive()).await.expect("the daemon does not wait for more");
        matches!(answer, Ok(Some(_)))
    }
}

fn encode<T: Serialize>(message: &T) -> Bytes {
    frame::encode(message).expect("short")
}

/// The address and status of each of these daemons.
pub(crate) async fn victims(cluster: &Cluster, names: &[&str]) -> Vec<(Address, RaftStatus)> {
    let client = cluster.client(Role::Admin);
    let mut victims = Vec::new();
    for node in cluster.watched().iter().filter(|node| names.contains(&node.name())) {
        let status = client.at(node.address()).expect("a client").status().await.expect("it answers");
        victims.push((node.address(), status.raft.expect("it takes part")));
    }
    victims
}

/// Checks that the daemons answer their leader's harmless messages: only then does it mean something
/// that they answer none of a stranger's.
async fn answer_their_leader(cluster: &Cluster, names: &[&str], victims: &[(Address, RaftStatus)]) {
    let leads = |(_, (_, raft)): &(&&str, &(Address, RaftStatus))| raft.leader == Some(raft.id);
    let (name, (_, led)) = names.iter().zip(victims).find(leads).expect("one of them leads");
    let credentials = peers::credentials(cluster, name);
    for (victim, raft) in victims.iter().filter(|(_, raft)| raft.id != led.id) {
        let caller = Stranger::connect(&credentials, victim, raft).await.expect("a member connects");
        let answered = caller.tell_some(led.id, led.term, |kind| ["pre-vote", "heartbeat"].contains(&kind));
        assert_eq!(answered.await, ["pre-vote", "heartbeat"], "{victim}");
    }
}

/// Checks that leader and term are the same as before, and that the cluster works.
pub(crate) async fn is_unharmed(cluster: &Cluster, names: &[&str], before: &[(Address, RaftStatus)]) {
    cluster.coffeectl(["set", "order/2", "mocha", "--timeout", "10s"]).ok().await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    let after = victims(cluster, names).await;
    for ((address, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!((after.term, after.leader), (before.term, before.leader), "{address}");
    }
}

pub(crate) async fn change_nothing() {
    let cluster = Cluster::of(4).start().await;
    let removed = victims(&cluster, &["long"]).await[0].1.id;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["down", "long", "--yes"]).ok().await;
    cluster.leader().await;
    let before = victims(&cluster, &NAMES).await;
    for (stranger, ids) in [("long", [removed, NO_ID]), ("hu", [removed, NO_ID])] {
        let credentials = peers::credentials(&cluster, stranger);
        let mut connections = 0;
        for (victim, raft) in &before {
            let Some(caller) = Stranger::connect(&credentials, victim, raft).await else { continue };
            connections += 1;
            for from in ids {
                for term in [raft.term, raft.term + 5, 1_000_000, u64::MAX] {
                    let answered = caller.tell(from, term).await;
                    assert!(answered.is_empty(), "{stranger} as {from} in term {term}: {answered:?}");
                }
            }
        }
        assert!(connections > 0, "no daemon was asked by {stranger}");
    }
    answer_their_leader(&cluster, &NAMES, &before).await;
    is_unharmed(&cluster, &NAMES, &before).await;
}

pub(crate) async fn members_cannot_exhaust_the_terms() {
    let cluster = Cluster::of(3).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced"]).ok().await;
    let before = victims(&cluster, &NAMES).await;
    for (name, (_, own)) in NAMES.iter().zip(&before) {
        let credentials = peers::credentials(&cluster, name);
        for (victim, raft) in before.iter().filter(|(_, raft)| raft.id != own.id) {
            let caller = Stranger::connect(&credentials, victim, raft).await.expect("a member connects");
            for term in [1 << 40, u64::MAX - 1, u64::MAX] {
                let answered = caller.tell(own.id, term).await;
                assert!(answered.is_empty(), "{name} in term {term}: {answered:?}");
            }
        }
    }
    answer_their_leader(&cluster, &NAMES, &before).await;
    is_unharmed(&cluster, &NAMES, &before).await;
}
