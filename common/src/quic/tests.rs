//! Two endpoints on loopback: what gets through, and who does not.

use bytes::Bytes;

use super::*;
use crate::{
    frame::{decode, encode},
    id::Address,
    tls::testing::TestCa,
};

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn serve(ca: &TestCa, node: &str) -> Endpoint {
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    Endpoint::serve(listen, &ca.credentials("node", node), &EndpointOptions::default()).expect("binds")
}

fn client(ca: &TestCa, role: &str) -> Endpoint {
    Endpoint::dial_only(&ca.credentials(role, "ops"), &EndpointOptions::default()).expect("binds")
}

fn address(endpoint: &Endpoint) -> Address {
    endpoint.local_address().into()
}

/// Dials and accepts at once.
async fn meet(
    dialler: &Endpoint,
    acceptor: &Endpoint,
    expect: Expect,
    protocol: Protocol,
) -> (Result<Connection, ConnectError>, Result<Connection, ConnectError>) {
    let to = address(acceptor);
    let accept = async { acceptor.accept().await.expect("somebody comes").complete().await };
    tokio::join!(dialler.connect(&to, &expect, protocol), accept)
}

#[tokio::test]
async fn frames_go_both_ways() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = meet(&ops, &hong, Expect::Node(name("hong")), Protocol::Client).await;
    let (dialled, accepted) = (dialled.expect("dials"), accepted.expect("accepts"));
    assert_eq!(dialled.peer().name, name("hong"));
    assert_eq!(dialled.peer().role, Role::Node);
    assert_eq!((accepted.peer().name.as_str(), accepted.peer().role), ("ops", Role::Admin));
    assert_eq!(accepted.protocol(), Protocol::Client);

    let (mut to_node, mut from_node) = dialled.open(Priority::Normal).await.expect("opens");
    to_node.send(encode(&"ask").expect("encodes")).await.expect("sends");
    let (mut to_client, mut from_client) = accepted.accept().await.expect("a stream");
    let ask = from_client.receive().await.expect("receives").expect("a message");
    assert_eq!(decode::<String>(&ask).expect("decodes"), "ask");
    to_client
        .send_all(&mut [encode(&1u8).expect("encodes"), encode(&2u8).expect("encodes")])
        .await
        .expect("sends");
    to_client.finish();
    for expected in [1u8, 2] {
        let answer = from_node.receive().await.expect("receives").expect("a message");
        assert_eq!(decode::<u8>(&answer), Ok(expected));
    }
    assert_eq!(from_node.receive().await, Ok(None));
}

#[tokio::test]
async fn a_node_with_another_name_is_refused() {
    let ca = TestCa::new();
    let (hong, ming) = (serve(&ca, "hong"), serve(&ca, "ming"));
    let (dialled, accepted) = meet(&ming, &hong, Expect::Node(name("peng")), Protocol::Peer).await;
    let error = dialled.expect_err("another name");
    assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
    assert!(error.to_string().contains("it belongs to node hong; node peng was expected"), "{error}");
    let error = accepted.expect_err("refused");
    assert!(matches!(error, ConnectError::Identity { by_us: false, .. }), "{error:?}");
}

#[tokio::test]
async fn another_ca_is_refused_by_both_sides() {
    let (ours, theirs) = (TestCa::new(), TestCa::new());
    let (hong, stranger) = (serve(&ours, "hong"), client(&theirs, "admin"));
    let (dialled, accepted) = meet(&stranger, &hong, Expect::AnyNode, Protocol::Client).await;
    assert!(matches!(dialled, Err(ConnectError::Identity { by_us: true, .. })), "{dialled:?}");
    assert!(matches!(accepted, Err(ConnectError::Identity { by_us: false, .. })), "{accepted:?}");
}

#[tokio::test]
async fn only_a_node_speaks_the_peer_protocol() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = meet(&ops, &hong, Expect::AnyNode, Protocol::Peer).await;
    let error = dialled.expect_err("no node");
    assert!(matches!(error, ConnectError::Identity { by_us: false, .. }), "{error:?}");
    assert!(error.to_string().contains("the peer protocol is for nodes; this is admin ops"), "{error}");
    assert!(matches!(accepted, Err(ConnectError::Identity { by_us: true, .. })), "{accepted:?}");
}

#[tokio::test]
async fn two_nodes_speak_the_peer_protocol() {
    let ca = TestCa::new();
    let (hong, ming) = (serve(&ca, "hong"), serve(&ca, "ming"));
    let (dialled, accepted) = meet(&ming, &hong, Expect::Node(name("hong")), Protocol::Peer).await;
    let (dialled, accepted) = (dialled.expect("dials"), accepted.expect("accepts"));
    let mut sender = dialled.open_uni(Priority::Urgent).await.expect("opens");
    sender.send(encode(&7u8).expect("encodes")).await.expect("sends");
    let mut receiver = accepted.accept_uni().await.expect("a stream");
    assert_eq!(receiver.receive().await, Ok(Some(Bytes::from_static(&[7]))));
}
