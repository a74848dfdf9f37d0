//! Invalid frames and well-formed lies, over peer connections with valid certificates.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, CredentialFiles, Credentials, EndpointOptions};
use coffee_common::{
    frame::{self, HEADER_BYTES},
    id::NodeId,
    protocol::RaftStatus,
    quic::{Connection, Endpoint, Expect, FrameReceiver, Priority, Protocol},
};
use coffee_tests::cluster::{Cluster, SHOPS};
use coffeed::{
    api::peer::wire::{AppendResponse, HeartbeatResponse, Hello, Purpose, RpcResponse, SnapshotProgress},
    storage::record::LeaderRecord,
};
use fastrand::Rng;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::timeout};

use crate::support::{environment::HostileEnvironment, lying_peer::LyingPeer, mutated_frames, tally::Tally};

/// Concurrent streams.
const VOLLEY: usize = 16;

/// A daemon that has not reacted within this time waits for more input.
const PATIENCE: Duration = Duration::from_secs(20);

/// Classification of a stream without an answer.
pub(crate) const GIVEN_UP: &str = "given up";

/// Sends `pieces` streams: from a follower to the leader and to another follower, from
/// the leader to a follower, and from a follower in the leader's name.
pub(crate) async fn attack(environment: &HostileEnvironment, pieces: u64) -> Tally {
    let (leader, led) = environment.leader().await;
    let mut followers = SHOPS.iter().take(3).filter(|name| **name != leader);
    let (Some(one), Some(other)) = (followers.next(), followers.next()) else { panic!("three nodes") };
    let leader = leader.as_str();
    // Name in the certificate, claimed name, and victim.
    let callers =
        [(*one, *one, leader), (*one, *one, *other), (leader, leader, *other), (*one, leader, *other)];
    let mut running = JoinSet::new();
    for (n, (name, claimed, victim)) in (10..).zip(callers) {
        let lane = PeerLane {
            credentials: credentials(&environment.cluster, name),
            victim: environment.address(victim),
            liar: liar(&led, environment.raft(claimed).await.id, environment.raft(victim).await.id),
            honest: name == claimed,
            rng: mutated_frames::rng(n),
        };
        running.spawn(lane.run(pieces / callers.len() as u64));
    }
    Tally::gather(running).await
}

/// A node's stolen certificate.
pub(crate) fn credentials(cluster: &Cluster, node: &str) -> Credentials {
    let certs = cluster.certs();
    let file = |ending| certs.join(format!("node-{node}.{ending}"));
    let files = CredentialFiles::new(certs.join("ca.crt"), file("crt"), file("key"));
    Credentials::load(&files).expect("a good certificate")
}

fn liar(led: &RaftStatus, own: NodeId, to: NodeId) -> LyingPeer {
    let node = led.leader.expect("it leads");
    let leader = LeaderRecord { term: led.term, node };
    LyingPeer { cluster: led.cluster, own, to, leader, last: led.last_log.0 }
}

struct PeerLane {
    credentials: Credentials,
    victim: Address,
    liar: LyingPeer,
    /// Whether its claimed name matches its certificate.
    honest: bool,
    rng: Rng,
}

impl PeerLane {
    async fn run(mut self, pieces: u64) -> Tally {
        let endpoint = Endpoint::dial_only(&self.credentials, &EndpointOptions::default()).expect("a socket");
        let mut tally = Tally::default();
        while tally.sent < pieces {
            let connected = endpoint.connect(&self.victim, &Expect::AnyNode, Protocol::Peer).await;
            let connection = connected.expect("a valid certificate is accepted");
            while tally.sent < pieces && !connection.is_closed() {
                self.volley(&connection, &mut tally).await;
            }
            if connection.is_closed() {
                tally.note("connections closed");
            }
        }
        endpoint.close("done").await;
        tally
    }

    async fn volley(&mut self, connection: &Connection, tally: &mut Tally) {
        let mut open = Vec::new();
        for _ in 0..VOLLEY {
            let mut frames = self.frames();
            let purpose = purpose(&frames[0]);
            let Ok((mut sender, receiver)) = connection.open(Priority::Normal).await else { break };
            if sender.send_all(&mut frames).await.is_err() {
                break;
            }
            tally.sent += 1;
            // A stream that is reset gets no answer.
            if self.rng.u8(0..16) == 0 {
                sender.reset()
            } else {
                sender.finish()
            }
            open.push((receiver, purpose));
        }
        for (mut receiver, purpose) in open {
            let end = timeout(PATIENCE, how_it_ends(&mut receiver, purpose)).await;
            let end = end.expect("the daemon does not wait for more");
            assert!(self.honest || end == GIVEN_UP, "in another's name: {end}");
            tally.note(end);
        }
    }

    fn frames(&mut self) -> Vec<Bytes> {
        loop {
            let mut frames = self.liar.stream(&mut self.rng);
            if self.rng.bool() {
                let at = self.rng.usize(..frames.len());
                frames[at] = mutated_frames::spoil(&mut self.rng, &frames[at]);
                // After another hello the same frames mean something else.
                let changed = if at == 0 { &frames[..] } else { &frames[at..=at] };
                if changed.iter().any(|frame| self.liar.might_say(frame)) {
                    continue;
                }
            }
            return frames;
        }
    }
}

/// The purpose that the first frame of a stream announces, if it is valid.
fn purpose(first: &[u8]) -> Option<Purpose> {
    Some(frame::decode::<Hello>(first.get(HEADER_BYTES..)?).ok()?.purpose)
}

/// Reads a stream to its end, and classifies its contents.
async fn how_it_ends(receiver: &mut FrameReceiver, purpose: Option<Purpose>) -> &'static str {
    let mut seen = GIVEN_UP;
    while let Ok(Some(message)) = receiver.receive().await {
        seen = match purpose.expect("a stream without a purpose gets no answer") {
            Purpose::Append => match decode(&message) {
                AppendResponse::HigherVote(_) => "out of date",
                other => panic!("{other:?}"),
            },
            Purpose::Rpc => match decode(&message) {
                RpcResponse::Heartbeat(HeartbeatResponse::HigherVote(_)) => "out of date",
                RpcResponse::Vote { granted: false, .. } => "vote denied",
                RpcResponse::Transfer(Err(_)) => "transfer rejected",
                // A transfer to a third node is acknowledged without effect.
                RpcResponse::Transfer(Ok(())) => "not affected",
                // Altered, it may look like a request of a newer version.
                RpcResponse::Unsupported => "not supported",
                other => panic!("{other:?}"),
            },
            Purpose::Snapshot => match decode(&message) {
                SnapshotProgress::Refused(_) => "snapshot refused",
                SnapshotProgress::Done(_) => "out of date",
                SnapshotProgress::Taken { .. } | SnapshotProgress::Finishing => continue,
            },
        };
    }
    seen
}

fn decode<T: DeserializeOwned>(message: &[u8]) -> T {
    frame::decode(message).expect("an answer")
}
