//! Callers that begin, and never finish.

use std::{net::Ipv4Addr, time::Duration};

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    frame::{FRAME_VERSION, HEADER_BYTES},
    limits::{CLIENT_STREAMS_MAX, FRAME_BYTES_MAX},
    protocol::Role,
    quic::{Connection, Endpoint, Expect, FrameReceiver, FrameSender, Priority, Protocol},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, interval, timeout},
};

use crate::{
    peers,
    support::{environment::HostileEnvironment, relay, tally::Tally},
};

/// Interval between bytes.
const PACE: Duration = Duration::from_secs(1);

/// A peer stream must announce its purpose within five seconds.
const LASTS: Duration = Duration::from_secs(6);

/// Address of the callers that begin handshakes: another loopback address.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Valid callers that connect during the attack.
pub(crate) const NEWCOMERS: u64 = 20;

/// Classification of an accepted newcomer.
pub(crate) const ACCEPTED: &str = "newcomers accepted";

/// Opens the maximum number of streams on each of `connections` connections, of clients
/// and of a peer, and sends a large frame on each, one byte at a time.
pub(crate) async fn streams(environment: &HostileEnvironment, connections: usize) -> Tally {
    let (leader, _) = environment.leader().await;
    let victim = environment.address(&leader);
    let node = environment.cluster.watched().iter().find(|node| node.name() != leader).expect("a follower");
    let mut running = JoinSet::new();
    for n in 0..connections {
        let (credentials, protocol) = match n % 2 {
            0 => (environment.cluster.credentials(Role::Reader), Protocol::Client),
            _ => (peers::credentials(&environment.cluster, node.name()), Protocol::Peer),
        };
        running.spawn(trickle(credentials, victim.clone(), protocol));
    }
    Tally::gather(running).await
}

async fn trickle(credentials: Credentials, victim: Address, protocol: Protocol) -> Tally {
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
    let connection = endpoint.connect(&victim, &Expect::AnyNode, protocol).await.expect("is accepted");
    // A peer gets more once it has announced itself.
    let mut streams = open_all(&connection, CLIENT_STREAMS_MAX).await;
    let mut tally = Tally::sent(streams.len());
    let length = u32::try_from(FRAME_BYTES_MAX).expect("in range").to_le_bytes();
    let header: [u8; HEADER_BYTES] = [length[0], length[1], length[2], length[3], FRAME_VERSION];
    let (began, mut pace) = (Instant::now(), interval(PACE));
    let mut byte = header.into_iter().chain(std::iter::repeat(7));
    while began.elapsed() < LASTS {
        pace.tick().await;
        let next = Bytes::from(byte.next().into_iter().collect::<Vec<u8>>());
        for (sender, _) in &mut streams {
            // Fails on a stream that the node has given up; checked below.
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

async fn open_all(connection: &Connection, count: u32) -> Vec<(FrameSender, FrameReceiver)> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(connection.open(Priority::Normal).await.expect("a stream"));
    }
    streams
}

/// Keeps `count` handshakes open from a real address, and never reads the node's answers.
/// Meanwhile newcomers with valid certificates connect one after the other.
pub(crate) async fn handshakes(environment: &HostileEnvironment, count: usize) -> Tally {
    let victim = environment.victims().await.remove(0);
    let credentials = environment.cluster.credentials(Role::Reader);
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
                    assert!(connected.is_err(), "it receives no answer");
                    tally.note("failed");
                }
                _ = stopped.changed() => tally.note("still open"),
            }
        }
        tally
    };
    tokio::select! {
        tally = dial => tally,
        () = relay::carry_there(&front, &back) => unreachable!("it never ends"),
    }
}

async fn newcomers(credentials: &Credentials, victim: &Address) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..NEWCOMERS {
        let endpoint = Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket");
        let connected = endpoint.connect(victim, &Expect::AnyNode, Protocol::Client).await;
        tally.note(if connected.is_ok() { ACCEPTED } else { "newcomers rejected" });
        endpoint.close("done").await;
    }
    tally
}
