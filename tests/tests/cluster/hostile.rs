//! Hostile or faulty callers get a clear error; nothing is lost, and the daemon stays up.

use std::{net::UdpSocket, time::Duration};

use bytes::Bytes;
use coffee_client::{Address, EndpointOptions};
use coffee_common::{
    frame,
    limits::{FRAME_BYTES_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::{Identity, Request, RequestFrame, Role},
    quic::{ConnectError, Connection, Endpoint, Expect, Priority, Protocol},
};
use coffee_tests::cluster::Cluster;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `attack` against a daemon, and asserts that the daemon is unharmed.
async fn survives<F: Future<Output = ()>>(attack: impl FnOnce(HostileCaller) -> F) {
    let mut cluster = Cluster::of(1).start().await;
    cluster.coffeectl(["set", "order/1", "latte"]).ok().await;
    let endpoint = |role| Endpoint::dial_only(&cluster.credentials(role), &EndpointOptions::default());
    let caller = HostileCaller {
        address: cluster.addresses().remove(0),
        reader: endpoint(Role::Reader).expect("an endpoint"),
        writer: endpoint(Role::Writer).expect("an endpoint"),
    };
    attack(caller).await;
    assert_eq!(cluster.coffeectl(["get", "order/1"]).ok().await, "latte");
    assert!(cluster.node("ming").stop().await.success(), "it has been up all the time");
}

/// The attacker.
struct HostileCaller {
    address: Address,
    reader: Endpoint,
    writer: Endpoint,
}

impl HostileCaller {
    async fn connect(&self) -> Connection {
        let connected = self.writer.connect(&self.address, &Expect::AnyNode, Protocol::Client).await;
        connected.expect("a writer is accepted")
    }

    /// Sends bytes on a new stream; the daemon must end the stream or the connection
    /// instead of waiting for more.
    async fn send(&self, bytes: impl Into<Bytes>) {
        let connection = self.connect().await;
        let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
        sender.send(bytes.into()).await.expect("sent");
        let answer = timeout(PATIENCE, receiver.receive()).await.expect("the daemon does not wait for more");
        assert!(!matches!(answer, Ok(Some(_))), "it is not answered");
        connection.close("done");
    }
}

#[tokio::test]
async fn noise_on_the_port() {
    survives(async |caller: HostileCaller| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // Deterministic noise (xorshift), in packets of every length; some resemble QUIC
        // Initial packets.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for length in 0..1500_usize {
            let noise = |_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[0]
            };
            let mut packet: Vec<u8> = (0..length).map(noise).collect();
            if length % 3 == 0 && length > 5 {
                packet[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
            }
            // A packet that the kernel rejects tests nothing.
            let _ = socket.send_to(&packet, caller.address.as_str());
        }
    })
    .await;
}

#[tokio::test]
async fn frames_that_are_none() {
    survives(async |caller: HostileCaller| {
        let long = u32::try_from(FRAME_BYTES_MAX + 1).expect("in range").to_le_bytes();
        caller.send([&long[..], &[frame::FRAME_VERSION]].concat()).await;
        caller.send([&u32::MAX.to_le_bytes()[..], &[frame::FRAME_VERSION]].concat()).await;
        caller.send([&4_u32.to_le_bytes()[..], &[frame::FRAME_VERSION + 1], b"abcd"].concat()).await;
        caller.send(frame::encode_raw(&[0xff; 300]).expect("a frame")).await;
        caller.send(frame::encode_raw(b"").expect("a frame")).await;
        // Envelopes that are longer than their frames.
        caller.send(frame::encode_raw(&[9, 1, 1]).expect("a frame")).await;
        caller.send(frame::encode_raw(&[2, 1, 1, 0xff, 0xff, 0x7f, 2]).expect("a frame")).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_speaks_as_a_peer() {
    survives(async |caller: HostileCaller| {
        let connected = caller.writer.connect(&caller.address, &Expect::AnyNode, Protocol::Peer).await;
        assert!(matches!(connected, Err(ConnectError::Identity { .. })), "{connected:?}");
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_pretends_to_ask_for_an_admin() {
    survives(async |caller: HostileCaller| {
        let connected = caller.reader.connect(&caller.address, &Expect::AnyNode, Protocol::Client).await;
        let connection = connected.expect("a reader is accepted");
        let admin = Identity::new(Role::Admin, "boss".parse().expect("legal"));
        for (on_behalf_of, request) in [
            (Some(admin), Request::Transfer { to: None }),
            (None, Request::Down { node: None, dry_run: false }),
            (None, Request::ShutDownRemoved { id: coffee_client::NodeId(1) }),
        ] {
            let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
            let ask = RequestFrame {
                id: 7,
                timeout_ms: 5000,
                on_behalf_of,
                sent_from: None,
                cluster: None,
                request,
            };
            sender.send(frame::encode(&ask).expect("a frame")).await.expect("sent");
            let answer = timeout(PATIENCE, receiver.receive()).await.expect("an answer");
            if let Ok(Some(answer)) = answer {
                let answer: coffee_common::protocol::ServerMessage =
                    frame::decode(&answer).expect("an answer");
                let coffee_common::protocol::ServerMessage::Response(reply) = answer else {
                    panic!("{answer:?}")
                };
                let denied = matches!(reply.result, Err(coffee_common::protocol::Rejection::Denied(_)));
                assert!(denied, "{reply:?}");
            }
        }
    })
    .await;
}

/// An oversized value is rejected before it is sent, with its limit.
#[tokio::test]
async fn a_key_and_a_value_that_are_too_large() {
    let mut cluster = Cluster::of(1).start().await;
    let key = "k".repeat(KEY_BYTES_MAX);
    cluster.coffeectl(["set", &key, "v"]).ok().await;
    cluster.coffeectl(["set", &format!("{key}k"), "v"]).fails(2, "1025 bytes").await;
    cluster.coffeectl(["set", "", "v"]).fails(2, "empty").await;
    let value = vec![7; VALUE_BYTES_MAX];
    cluster.coffeectl(["set", "k", "-"]).stdin(value.clone()).ok().await;
    assert_eq!(cluster.coffeectl(["get", "k"]).run().await.stdout, value);
    cluster
        .coffeectl(["set", "k", "-"])
        .stdin([&value[..], &[7]].concat())
        .fails(2, "more than the limit of 1572864")
        .await;
    assert_eq!(cluster.coffeectl(["get", "k"]).run().await.stdout, value, "nothing was changed");
    assert!(cluster.node("ming").stop().await.success());
}
