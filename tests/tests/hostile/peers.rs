//! Frames that are none, and lies that are well-formed, over connections of
//! peers with good certificates.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, CredentialFiles, Credentials, EndpointOptions};
use coffee_common::{
    frame::{self, HEADER_BYTES},
    id::NodeId,
    protocol::RaftStatus,
    quic::{Connection, Endpoint, Expect, FrameReceiver, Priority, Protocol},
};
use coffee_tests::cluster::SHOPS;
use coffeed::{
    api::peer::wire::{Appended, Hello, Purpose, Reply, SnapshotProgress},
    storage::record::LeaderRecord,
};
use fastrand::Rng;
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::timeout};

use crate::{forgery::Liar, noise, scene::Scene, tally::Tally};

/// Streams at once.
const VOLLEY: usize = 16;

/// A daemon that has not reacted by then waits for something that never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a stream ends on which nothing is answered.
pub(crate) const GIVEN_UP: &str = "given up";

/// Sends so many streams: a follower's to the leader and to another follower,
/// the leader's own to a follower, and a follower's in the leader's name.
pub(crate) async fn attack(scene: &Scene, pieces: u64) -> Tally {
    let (leader, led) = scene.leader().await;
    let mut followers = SHOPS.iter().take(3).filter(|name| **name != leader);
    let (Some(one), Some(other)) = (followers.next(), followers.next()) else { panic!("three nodes") };
    let leader = leader.as_str();
    // The certificate's name, the claimed one, and the victim.
    let callers =
        [(*one, *one, leader), (*one, *one, *other), (leader, leader, *other), (*one, leader, *other)];
    let mut running = JoinSet::new();
    for (n, (name, claimed, victim)) in (10..).zip(callers) {
        let lane = Lane {
            credentials: credentials(scene, name),
            victim: scene.address(victim),
            liar: liar(&led, scene.raft(claimed).await.id, scene.raft(victim).await.id),
            honest: name == claimed,
            rng: noise::rng(n),
        };
        running.spawn(lane.run(pieces / callers.len() as u64));
    }
    Tally::gather(running).await
}

/// A node's certificate, stolen.
pub(crate) fn credentials(scene: &Scene, node: &str) -> Credentials {
    let certs = scene.cluster.certs();
    let file = |ending| certs.join(format!("node-{node}.{ending}"));
    let files = CredentialFiles::new(certs.join("ca.crt"), file("crt"), file("key"));
    Credentials::load(&files).expect("a good certificate")
}

fn liar(led: &RaftStatus, own: NodeId, to: NodeId) -> Liar {
    let node = led.leader.expect("it leads");
    let leader = LeaderRecord { term: led.term, node };
    Liar { cluster: led.cluster, own, to, leader, last: led.last_log.0 }
}

struct Lane {
    credentials: Credentials,
    victim: Address,
    liar: Liar,
    /// Whether it calls itself what its certificate says.
    honest: bool,
    rng: Rng,
}

impl Lane {
    async fn run(mut self, pieces: u64) -> Tally {
        let endpoint = Endpoint::dial_only(&self.credentials, &EndpointOptions::default()).expect("a socket");
        let mut tally = Tally::default();
        while tally.sent < pieces {
            let connected = endpoint.connect(&self.victim, &Expect::AnyNode, Protocol::Peer).await;
            let connection = connected.expect("a good certificate is let in");
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
            // A stream that is broken off has no answer either.
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
                frames[at] = noise::spoil(&mut self.rng, &frames[at]);
                if self.liar.might_say(&frames[at]) {
                    continue;
                }
            }
            return frames;
        }
    }
}

/// What the first frame of a stream says that it is for, if it is whole.
fn purpose(first: &[u8]) -> Option<Purpose> {
    Some(frame::decode::<Hello>(first.get(HEADER_BYTES..)?).ok()?.purpose)
}

/// Reads to the end of a stream, and says what was on it.
async fn how_it_ends(receiver: &mut FrameReceiver, purpose: Option<Purpose>) -> &'static str {
    let mut seen = GIVEN_UP;
    while let Ok(Some(message)) = receiver.receive().await {
        seen = match purpose.expect("a stream that says nothing is told nothing") {
            Purpose::Append => match decode(&message) {
                Appended::HigherVote(_) => "out of date",
                other => panic!("{other:?}"),
            },
            Purpose::Ask => match decode(&message) {
                Reply::Ballot { granted: false, .. } => "vote denied",
                Reply::Transfer(Err(_)) => "not taken over",
                // One that means a third node is taken note of.
                Reply::Transfer(Ok(())) => "no concern",
                other => panic!("{other:?}"),
            },
            Purpose::Snapshot => match decode(&message) {
                SnapshotProgress::Refused(_) => "snapshot refused",
                SnapshotProgress::Done(_) => "out of date",
                SnapshotProgress::Taken { .. } => continue,
            },
        };
    }
    seen
}

fn decode<T: DeserializeOwned>(message: &[u8]) -> T {
    frame::decode(message).expect("an answer")
}
