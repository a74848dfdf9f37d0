//! Clients that violate the protocol, and clients that ask for too much.

use std::{net::UdpSocket, time::Duration};

use bytes::Bytes;
use coffee_client::Error;
use coffee_common::{
    command::{Batch, Operation},
    envelope, frame,
    id::{ClientId, RequestId, Revision},
    key::{Key, Value},
    limits::{BATCH_OPERATIONS_MAX, FRAME_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, VALUE_BYTES_MAX},
    protocol::{Consistency, Rejection, Request, RequestFrame, Response, ResponseFrame, Role, ServerMessage},
    quic::{Connection, Endpoint, EndpointOptions, Expect, FrameReceiver, Priority, Protocol},
};
use tokio::time::timeout;

use crate::support::{EmbeddedCluster, address};

const SOON: Duration = Duration::from_secs(10);

async fn connect(cluster: &EmbeddedCluster, ming: &coffeed::Server) -> (Endpoint, Connection) {
    connect_as(Role::Writer, cluster, ming).await
}

async fn connect_as(role: Role, cluster: &EmbeddedCluster, ming: &coffeed::Server) -> (Endpoint, Connection) {
    let credentials = cluster.credentials(role, "stranger");
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
    let connection = endpoint.connect(&address(ming), &Expect::AnyNode, Protocol::Client).await;
    (endpoint, connection.expect("is accepted"))
}

async fn reply(receiver: &mut FrameReceiver) -> ResponseFrame {
    let message =
        timeout(SOON, receiver.receive()).await.expect("in time").expect("a frame").expect("an answer");
    match frame::decode(&message).expect("well-formed") {
        ServerMessage::Response(reply) => reply,
        ServerMessage::Welcome(_) => panic!("one welcome is enough"),
    }
}

fn get(id: u64, timeout_ms: u32) -> RequestFrame {
    let request = Request::Get { key: "k".parse().expect("legal"), consistency: Consistency::Linearizable };
    RequestFrame { id, timeout_ms, on_behalf_of: None, sent_from: None, cluster: None, request }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_breaks_the_protocol_is_told_and_loses_the_connection() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let too_long = [&(FRAME_BYTES_MAX as u32 + 1).to_le_bytes()[..], &[frame::FRAME_VERSION]].concat();
    let hostile: [Vec<u8>; 4] = [
        // Not a message of this protocol.
        vec![3, 0, 0, 0, frame::FRAME_VERSION, 0xff, 0xff, 0xff],
        // A version from the future.
        vec![1, 0, 0, 0, 9, 0],
        too_long,
        // A request that is longer than its frame.
        {
            let mut bytes = frame::encode(&get(1, 1000)).expect("encodes").to_vec();
            bytes[0] -= 1;
            bytes.pop();
            bytes
        },
    ];
    for bytes in hostile {
        let (_endpoint, connection) = connect(&cluster, &ming).await;
        let (mut sender, _receiver) = connection.open(Priority::Normal).await.expect("a stream");
        sender.send(Bytes::from(bytes.clone())).await.expect("is sent");
        let end = timeout(SOON, connection.closed()).await.expect("is closed");
        assert!(format!("{end:?}").contains("protocol error"), "{bytes:?}: {end:?}");
    }
    cluster.client(&[&ming]).set("order/1", "latte").await.expect("ming keeps serving");
}

/// Returns a request of a kind that this build does not know, with a body of some bytes.
fn unknown_request(id: u64, bytes: usize) -> Bytes {
    let known = frame::encode(&get(id, 5_000)).expect("encodes");
    let (envelope, _): (&[u8], _) = envelope::decode_first(&known[frame::HEADER_BYTES..]).expect("its own");
    let body = [vec![0x7f], vec![0xff; bytes]].concat();
    let message = [envelope, &body].map(|part| postcard::to_stdvec(part).expect("encodes"));
    frame::encode_raw(&message.concat()).expect("fits")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_newer_version_is_rejected_alone() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    for role in [Role::Reader, Role::Writer, Role::Admin, Role::Backup] {
        let (_endpoint, connection) = connect_as(role, &cluster, &ming).await;
        let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
        let ping = |id| {
            let ask = RequestFrame { request: Request::Ping, ..get(id, 5_000) };
            frame::encode(&ask).expect("encodes")
        };
        // A large one is not decoded either, and a part of a known one may be newer as well.
        let newer_part = {
            let envelope = frame::encode(&get(4, 5_000)).expect("encodes");
            let (envelope, _): (&[u8], _) =
                envelope::decode_first(&envelope[frame::HEADER_BYTES..]).expect("its own");
            let get_with_consistency_of_later = [3, 1, b'k', 0x7f];
            let message = [envelope, &get_with_consistency_of_later].map(postcard::to_stdvec);
            frame::encode_raw(&message.map(|part| part.expect("encodes")).concat()).expect("fits")
        };
        let mut frames = [ping(1), unknown_request(2, 10), unknown_request(3, 100_000), newer_part, ping(5)];
        sender.send_all(&mut frames).await.expect("is sent");
        let mut supported = [false; 6];
        for _ in 1..=5 {
            let ResponseFrame { id, result, .. } = reply(&mut receiver).await;
            supported[id as usize] = match result {
                Ok(_) => true,
                Err(Rejection::Unsupported(why)) => {
                    let version = concat!("ming runs coffeed ", env!("CARGO_PKG_VERSION"));
                    assert!(why.starts_with(version), "{why}");
                    false
                }
                Err(other) => panic!("{role:?} {id}: {other:?}"),
            };
        }
        assert_eq!(supported, [false, true, false, false, false, true], "{role:?}");
        assert!(!connection.is_closed(), "{role:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_on_the_port_does_not_disturb_clients() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for n in 0..2_000u32 {
        let noise: Vec<u8> =
            (0..n % 1_400).map(|i| (i.wrapping_mul(2_654_435_761) >> (n % 24)) as u8).collect();
        let _ = socket.send_to(&noise, ming.address());
    }
    cluster.client(&[&ming]).set("order/1", "latte").await.expect("ming keeps serving");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_on_one_stream_are_all_answered() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let (_endpoint, connection) = connect(&cluster, &ming).await;
    let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
    let count = 2 * REQUESTS_IN_FLIGHT_MAX as u64;
    let mut frames: Vec<Bytes> =
        (0..count).map(|id| frame::encode(&get(id, 5_000)).expect("encodes")).collect();
    sender.send_all(&mut frames).await.expect("is sent");
    sender.finish();
    let mut answered = vec![false; count as usize];
    for _ in 0..count {
        let reply = reply(&mut receiver).await;
        assert!(matches!(reply.result, Ok(_) | Err(Rejection::Overloaded)), "{:?}", reply.result);
        assert!(!std::mem::replace(&mut answered[reply.id as usize], true), "answered once");
    }
    assert!(timeout(SOON, receiver.receive()).await.expect("in time").expect("a clean end").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_enforces_the_limits_too() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let set = Operation::Set(Key::new("k").expect("legal"), Value::default());
    let operations = vec![set; BATCH_OPERATIONS_MAX + 1];
    let request = RequestId { client: ClientId(1), sequence: 1, after: Revision(0) };
    for (id, operations) in [(1, Vec::new()), (2, operations)] {
        let (_endpoint, connection) = connect(&cluster, &ming).await;
        let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
        let batch = Batch { conditions: Vec::new(), operations };
        let request = Request::Write { request, batch: batch.into() };
        let ask = RequestFrame { request, ..get(id, 5_000) };
        sender.send(frame::encode(&ask).expect("encodes")).await.expect("is sent");
        if id == 1 {
            let reply = reply(&mut receiver).await;
            assert!(matches!(reply.result, Err(Rejection::Invalid(_))), "{:?}", reply.result);
        } else {
            // It is not even decoded.
            let end = timeout(SOON, connection.closed()).await.expect("is closed");
            assert!(format!("{end:?}").contains("protocol error"), "{end:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_travel_both_ways() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let client = cluster.client(&[&ming]);
    let value: Vec<u8> = (0..VALUE_BYTES_MAX as u32).map(|i| i.wrapping_mul(2_654_435_761) as u8).collect();
    client.set("large", value.clone()).await.expect("is written");
    let entry = client.get("large").await.expect("is read").expect("is there");
    assert_eq!(entry.value.as_bytes().as_ref(), value);
    let too_large = client.set("large", vec![0; VALUE_BYTES_MAX + 1]).await;
    assert!(matches!(too_large, Err(Error::Invalid(_))), "{too_large:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_responses_holds_up_only_itself() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let client = cluster.client(&[&ming]);
    client.set("k", vec![7; 1 << 20]).await.expect("is written");
    let (_endpoint, connection) = connect(&cluster, &ming).await;
    let (mut sender, _receiver) = connection.open(Priority::Normal).await.expect("a stream");
    // A hundred large responses that the client does not read: more than the node buffers.
    let mut frames: Vec<Bytes> = (0..100).map(|id| frame::encode(&get(id, 500)).expect("encodes")).collect();
    sender.send_all(&mut frames).await.expect("is sent");
    for n in 0..20 {
        client.set(format!("order/{n}"), "latte").await.expect("others are served");
        assert!(client.get("k").await.expect("others are served").is_some());
    }
    assert!(!connection.is_closed());
}

/// Otherwise one certificate holds all places for backups by reading slowly.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_has_one_backup_at_a_time() {
    let cluster = EmbeddedCluster::new();
    let ming = cluster.founder("ming").await;
    let client = cluster.client(&[&ming]);
    // More than is sent before it is read.
    for n in 0..4 {
        client.set(format!("large/{n}"), vec![7; 1 << 20]).await.expect("is written");
    }
    let backup = |id| {
        let request = Request::Backup { consistency: Consistency::Local };
        let ask = RequestFrame { request, ..get(id, 5_000) };
        frame::encode(&ask).expect("encodes")
    };
    let ask = async |name: &str, id| {
        let credentials = cluster.credentials(Role::Backup, name);
        let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
        let connected = endpoint.connect(&address(&ming), &Expect::AnyNode, Protocol::Client).await;
        let connection = connected.expect("is accepted");
        let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
        sender.send(backup(id)).await.expect("is sent");
        let result = reply(&mut receiver).await.result;
        (result, (connection, sender, receiver))
    };
    let (first, held) = ask("nightly", 1).await;
    assert_eq!(first, Ok(Response::Backup));
    let (second, _) = ask("nightly", 2).await;
    assert_eq!(second, Err(Rejection::Overloaded));
    let (other, _) = ask("weekly", 3).await;
    assert_eq!(other, Ok(Response::Backup));
    drop(held);
    let again = async {
        while ask("nightly", 4).await.0.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, again).await.expect("the place is free again");
}
