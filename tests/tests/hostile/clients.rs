//! Invalid frames and unauthorized requests, over client connections with valid
//! certificates.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    command::{Batch, Operation},
    feature_level::LEVEL_MAX,
    frame,
    id::{ClientId, ClusterId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{Consistency, Identity, Rejection, Request, RequestFrame, Role, ServerMessage},
    quic::{Connection, Endpoint, Expect, FrameReceiver, Priority, Protocol},
};
use fastrand::Rng;
use tokio::{task::JoinSet, time::timeout};

use crate::support::{environment::HostileEnvironment, mutated_frames, tally::Tally};

/// Concurrent streams per round. Their order of arrival is random, so each kind of
/// mutation is the first to be checked at times.
const VOLLEY: u64 = 6;

/// A daemon that has not reacted within this time waits for more input.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends `pieces` streams, some by readers and some by writers.
pub(crate) async fn attack(environment: &HostileEnvironment, pieces: u64) -> Tally {
    let victims = environment.victims().await;
    let lanes = [(Role::Reader, &victims[0]), (Role::Reader, &victims[1]), (Role::Writer, &victims[0])];
    let mut running = JoinSet::new();
    for (n, (role, victim)) in (0..).zip(lanes) {
        let lane = ClientLane {
            credentials: environment.cluster.credentials(role),
            victim: victim.clone(),
            asks: asks(role),
            rng: mutated_frames::rng(n),
        };
        running.spawn(lane.run(pieces / lanes.len() as u64));
    }
    Tally::gather(running).await
}

struct ClientLane {
    credentials: Credentials,
    victim: Address,
    asks: Vec<Request>,
    rng: Rng,
}

impl ClientLane {
    async fn run(mut self, pieces: u64) -> Tally {
        let endpoint = Endpoint::dial_only(&self.credentials, &EndpointOptions::default()).expect("a socket");
        let mut tally = Tally::default();
        while tally.sent < pieces {
            let connected = endpoint.connect(&self.victim, &Expect::AnyNode, Protocol::Client).await;
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
            let piece = self.piece();
            let Ok((mut sender, receiver)) = connection.open(Priority::Normal).await else { break };
            if sender.send(piece).await.is_err() {
                break;
            }
            tally.sent += 1;
            // A stream that is reset gets no answer.
            if self.rng.u8(0..16) == 0 {
                sender.reset()
            } else {
                sender.finish()
            }
            open.push(receiver);
        }
        for mut receiver in open {
            let end = timeout(PATIENCE, how_it_ends(&mut receiver)).await;
            tally.note(end.expect("the daemon does not wait for more"));
        }
    }

    /// A writer sends unauthorized requests in valid frames only: mutated, one might
    /// become a write that it is allowed to make.
    fn piece(&mut self) -> Bytes {
        let own = self.credentials.identity().role;
        let request = self.asks[self.rng.usize(..self.asks.len())].clone();
        let pretends = self.rng.bool().then(|| Identity::new(Role::Admin, name("boss")));
        let ask = RequestFrame {
            id: self.rng.u64(..),
            timeout_ms: 5_000,
            on_behalf_of: pretends,
            sent_from: None,
            cluster: None,
            request,
        };
        let frame = frame::encode(&ask).expect("a frame");
        if own == Role::Reader && self.rng.u8(0..4) > 0 {
            mutated_frames::spoil(&mut self.rng, &frame)
        } else {
            frame
        }
    }
}

/// Reads a stream to its end, and classifies its contents.
async fn how_it_ends(receiver: &mut FrameReceiver) -> &'static str {
    let mut seen = "not the protocol";
    while let Ok(Some(message)) = receiver.receive().await {
        let Ok(ServerMessage::Response(reply)) = frame::decode(&message) else {
            panic!("no answer: {message:?}")
        };
        seen = match reply.result {
            Ok(_) => "answered",
            Err(Rejection::Denied(_)) => "denied",
            Err(Rejection::Invalid(_)) => "invalid",
            Err(Rejection::OtherCluster { .. }) => "for another cluster",
            // Mutated: a reader may ask whether a node can stop, of any name.
            Err(Rejection::NotFound(_)) => "of another node",
            // Mutated, as if a newer client had sent it.
            Err(Rejection::Unsupported(_)) => "unsupported",
            Err(other) => panic!("{other:?}"),
        };
    }
    seen
}

fn name(name: &str) -> NodeName {
    name.parse().expect("legal")
}

/// Requests that this role may not make; for a reader also permitted ones, to be mutated.
fn asks(role: Role) -> Vec<Request> {
    let node = || name("hong");
    let address = || "127.0.0.1:1".parse::<Address>().expect("legal");
    let mut asks = vec![
        Request::Boot { node: node(), address: Some(address()) },
        Request::Transfer { to: Some(node()) },
        Request::Down { node: None, dry_run: false },
        Request::Remove { node: node(), dry_run: false },
        Request::ReadIndex,
        Request::Join { node: node(), address: address(), level: LEVEL_MAX },
        Request::Promote { id: NodeId(2) },
        Request::RemoveVoter { node: node(), id: NodeId(2), standing: None },
        Request::Invite { cluster: ClusterId(7), members: vec![address(); 3] },
        Request::ShutDownRemoved { id: NodeId(1) },
    ];
    if role == Role::Reader {
        let key = || Key::new("bad/1").expect("legal");
        let set = Operation::Set(key(), Value::new(vec![7; 40]).expect("legal"));
        let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(1) };
        let batch = Batch { conditions: Vec::new(), operations: vec![set] };
        let range = KeyRange::prefix("bad/");
        let consistency = Consistency::Linearizable;
        asks.extend([
            Request::Write { request, batch: batch.into() },
            Request::Get { key: key(), consistency },
            Request::Range { range, limit: 9, keys_only: true, consistency, empty_pages: true },
            Request::Status,
            Request::Ping,
        ]);
    }
    asks
}
