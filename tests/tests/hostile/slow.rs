//! Callers that begin, and never come to an end.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    frame::{FRAME_VERSION, HEADER_BYTES},
    limits::{CONNECTION_STREAMS_MAX, FRAME_BYTES_MAX},
    protocol::Role,
    quic::{Connection, Endpoint, Expect, FrameReceiver, FrameSender, Priority, Protocol},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::{peers, relay, scene::Scene, tally::Tally};

/// A byte so often.
const PACE: Duration = Duration::from_secs(1);

/// A stream of a peer has to say within five seconds what it is for.
const LASTS: Duration = Duration::from_secs(6);

/// Where those are who begin handshakes: another address of this machine.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// So many newcomers want in while others hold the door.
pub(crate) const NEWCOMERS: u64 = 20;

/// How it ends for a newcomer who is let in.
pub(crate) const LET_IN: &str = "newcomers let in";

/// Opens as many streams as it may on each of so many connections, of clients
/// and of a peer, and sends a large frame on each, a byte at a time.
pub(crate) async fn streams(scene: &Scene, connections: usize) -> Tally {
    let (leader, _) = scene.leader().await;
    let victim = scene.address(&leader);
    let node = scene.cluster.watched().iter().find(|node| node.name() != leader).expect("a follower");
    let mut running = JoinSet::new();
    for n in 0..connections {
        let (credentials, protocol) = match n % 2 {
            0 => (scene.cluster.credentials(Role::Reader), Protocol::Client),
            _ => (peers::credentials(scene, node.name()), Protocol::Peer),
        };
        running.spawn(trickle(credentials, victim.clone(), protocol));
    }
    Tally::gather(running).await
}

async fn trickle(credentials: Credentials, victim: Address, protocol: Protocol) -> Tally {
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
    let connection = endpoint.connect(&victim, &Expect::AnyNode, protocol).await.expect("is let in");
    let mut streams = open_all(&connection).await;
    let mut tally = Tally::sent(streams.len());
    let length = u32::try_from(FRAME_BYTES_MAX).expect("in range").to_le_bytes();
    let header: [u8; HEADER_BYTES] = [length[0], length[1], length[2], length[3], FRAME_VERSION];
    let (began, mut pace) = (Instant::now(), interval(PACE));
    let mut byte = header.into_iter().chain(std::iter::repeat(7));
    while began.elapsed() < LASTS {
        pace.tick().await;
        let next = Bytes::from(byte.next().into_iter().collect::<Vec<u8>>());
        for (sender, _) in &mut streams {
            // One that the node has given up is looked at below.
            let _ = sender.send(next.clone()).await;
        }
    }
    for (_, receiver) in &mut streams {
        let end = timeout(Duration::from_millis(1), receiver.receive()).await;
        tally.note(if end.is_ok() { peers::GIVEN_UP } else { "held" });
    }
    endpoint.close("done").await;
    tally
}

async fn open_all(connection: &Connection) -> Vec<(FrameSender, FrameReceiver)> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTION_STREAMS_MAX {
        streams.push(connection.open(Priority::Normal).await.expect("a stream"));
    }
    streams
}

/// Has so many handshakes under way all the time, from an address that is real,
/// and never reads what the node answers to them. Meanwhile newcomers with good
/// certificates want in, one after the other.
pub(crate) async fn handshakes(scene: &Scene, count: usize) -> Tally {
    let victim = scene.victims().await.remove(0);
    let credentials = scene.cluster.credentials(Role::Reader);
    let stop = watch::Sender::new(false);
    let mut running = JoinSet::new();
    for _ in 0..count {
        running.spawn(begin(credentials.clone(), victim.clone(), stop.subscribe()));
    }
    let newcomers = newcomers(&credentials, &victim).await;
    stop.send_replace(true);
    let mut tally = Tally::gather(running).await;
    tally.add(newcomers);
    tally
}

async fn begin(credentials: Credentials, victim: Address, mut stopped: watch::Receiver<bool>) -> Tally {
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
    let (front, back) = (relay::socket().await, relay::socket_at(ELSEWHERE).await);
    back.connect(victim.as_str()).await.expect("an address");
    let address = front.local_addr().expect("it is bound").into();
    let dial = async {
        let mut tally = Tally::default();
        while !*stopped.borrow_and_update() {
            tally.add(Tally::sent(1));
            tokio::select! {
                connected = endpoint.connect(&address, &Expect::AnyNode, Protocol::Client) => {
                    assert!(connected.is_err(), "it hears no answer");
                    tally.note("came to nothing");
                }
                _ = stopped.changed() => tally.note("left alone"),
            }
        }
        tally
    };
    tokio::select! {
        tally = dial => tally,
        () = relay::carry_there(&front, &back) => unreachable!("it goes on for ever"),
    }
}

async fn newcomers(credentials: &Credentials, victim: &Address) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..NEWCOMERS {
        let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
        let connected = endpoint.connect(victim, &Expect::AnyNode, Protocol::Client).await;
        tally.note(if connected.is_ok() { LET_IN } else { "newcomers kept out" });
        endpoint.close("done").await;
    }
    tally
}
