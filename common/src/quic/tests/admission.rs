//! Many connections at once, hostile bytes, and a node that stops accepting.

use std::time::Duration;

use tokio::net::UdpSocket;

use super::*;
use crate::frame::{decode, encode};

/// Echoes every frame of the connection's first stream.
async fn echo(connection: Connection) {
    let Ok((mut sender, mut receiver)) = connection.accept().await else { return };
    while let Ok(Some(message)) = receiver.receive().await {
        let number: u32 = decode(&message).expect("a number");
        sender.send(encode(&number).expect("encodes")).await.expect("sends");
    }
}

/// Random datagrams, some of which look like the start of a QUIC connection.
fn random_datagram(seed: &mut u64) -> Vec<u8> {
    let mut next = || {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    };
    let length = (next() % 1_400) as usize;
    let mut bytes: Vec<u8> = (0..length).map(|_| next() as u8).collect();
    if next() % 2 == 0 && length > 20 {
        bytes[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
    }
    bytes
}

#[tokio::test]
async fn hostile_bytes_do_not_stop_a_good_client() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    let answering = tokio::spawn(echo(accepted));
    let attacker = UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    let (mut sender, mut receiver) = dialled.open(Priority::Normal).await.expect("opens");
    let mut seed = 0x0123_4567_89ab_cdef;
    for round in 0..300u32 {
        for _ in 0..10 {
            attacker.send_to(&random_datagram(&mut seed), hong.local_address()).await.expect("sends");
        }
        sender.send(encode(&round).expect("encodes")).await.expect("sends");
        let message = receiver.receive().await.expect("receives").expect("a message");
        assert_eq!(decode(&message), Ok(round));
    }
    let again = client(&ca, "reader");
    meet_past_unauthenticated(&again, &hong).await.expect("a new client gets in as well");
    drop((sender, receiver));
    answering.await.expect("no panic");
}

/// Dials while the acceptor also handles unauthenticated attempts.
async fn meet_past_unauthenticated(
    dialler: &Endpoint,
    acceptor: &Endpoint,
) -> Result<Connection, ConnectError> {
    let accepting = acceptor.clone();
    let task = tokio::spawn(async move {
        let mut admitted = Vec::new();
        while let Some(handshake) = accepting.accept().await {
            if let Ok(connection) = handshake.complete().await {
                admitted.push(connection);
            }
        }
    });
    let dialled = dialler.connect(&address(acceptor), &Expect::AnyNode, Protocol::Client).await;
    task.abort();
    dialled
}

#[tokio::test]
async fn while_many_knock_a_newcomer_proves_its_address_and_gets_in() {
    let ca = TestCa::new();
    let options = EndpointOptions { handshakes_max: 4, ..EndpointOptions::default() };
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let hong = Endpoint::serve(listen, &ca.credentials("node", "hong"), &options).expect("binds");
    let mut begun = Vec::new();
    let mut knocking = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (ops, to) = (client(&ca, "reader"), address(&hong));
        knocking.spawn(async move { ops.connect(&to, &Expect::AnyNode, Protocol::Client).await });
        begun.push(hong.accept().await.expect("a dialler"));
    }
    let (dialled, accepted) = meet(&client(&ca, "admin"), &hong, Expect::AnyNode, Protocol::Client).await;
    dialled.expect("dials");
    accepted.expect("accepts");
    for handshake in begun {
        handshake.complete().await.expect("those that came before get in too");
    }
}

#[tokio::test]
async fn handshakes_wait_for_room() {
    let ca = TestCa::new();
    let options = EndpointOptions { handshakes_max: 1, ..EndpointOptions::default() };
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let hong = Endpoint::serve(listen, &ca.credentials("node", "hong"), &options).expect("binds");
    let to = address(&hong);
    let (first, second) = (client(&ca, "reader"), client(&ca, "reader"));
    let (first_to, second_to) = (to.clone(), to);
    let first =
        tokio::spawn(async move { first.connect(&first_to, &Expect::AnyNode, Protocol::Client).await });
    let begun = hong.accept().await.expect("a dialler");
    let second =
        tokio::spawn(async move { second.connect(&second_to, &Expect::AnyNode, Protocol::Client).await });
    let waiting = tokio::time::timeout(Duration::from_millis(200), hong.accept()).await;
    assert!(waiting.is_err(), "no second one while the first is under way");
    let _first = begun.complete().await.expect("accepts");
    let _second = hong.accept().await.expect("a slot is free now").complete().await.expect("accepts");
    first.await.expect("no panic").expect("dials");
    second.await.expect("no panic").expect("dials");
}

/// Clients use up the slots for handshakes, and the places, and more of them knock. A node gets in
/// from the address where it was before, and an admin gets one of the last places.
#[tokio::test]
async fn nodes_do_not_wait_with_clients() {
    let ca = TestCa::new();
    let options = EndpointOptions { handshakes_max: 1, ..EndpointOptions::default() };
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let hong = Endpoint::serve(listen, &ca.credentials("node", "hong"), &options).expect("binds");
    let ming = serve(&ca, "ming");
    let (first, accepted) = meet(&ming, &hong, Expect::AnyNode, Protocol::Peer).await;
    let (first, accepted) = (first.expect("dials"), accepted.expect("accepts"));
    accepted.widen();
    first.close("it stops");
    first.closed().await;
    let knock = || {
        let (endpoint, to) = (client(&ca, "reader"), address(&hong));
        tokio::spawn(async move { endpoint.connect(&to, &Expect::AnyNode, Protocol::Client).await })
    };
    let slow = knock();
    let begun = hong.accept().await.expect("a dialler");
    let others: Vec<_> = (0..8).map(|_| knock()).collect();
    let waiting = tokio::time::timeout(Duration::from_millis(200), hong.accept()).await;
    assert!(waiting.is_err(), "the only slot is in use");
    hong.set_connections_max(1);
    let dialling = meet(&ming, &hong, Expect::AnyNode, Protocol::Peer);
    let (dialled, accepted) = tokio::time::timeout(Duration::from_secs(1), dialling).await.expect("at once");
    dialled.expect("a node dials");
    accepted.expect("a node is accepted");
    // The others end as they would without the node.
    drop(begun);
    others.into_iter().for_each(|other| other.abort());
    slow.abort();
}

#[tokio::test]
async fn those_that_wait_for_a_slot_are_refused_when_a_node_stops_accepting() {
    let ca = TestCa::new();
    let options = EndpointOptions { handshakes_max: 1, ..EndpointOptions::default() };
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let hong = Endpoint::serve(listen, &ca.credentials("node", "hong"), &options).expect("binds");
    let knock = || {
        let (endpoint, to) = (client(&ca, "reader"), address(&hong));
        tokio::spawn(async move { endpoint.connect(&to, &Expect::AnyNode, Protocol::Client).await })
    };
    let _slow = knock();
    let _begun = hong.accept().await.expect("a dialler");
    let second = knock();
    let waiting = tokio::time::timeout(Duration::from_millis(200), hong.accept()).await;
    assert!(waiting.is_err(), "the only slot is in use");
    hong.stop_accepting();
    let refused = tokio::time::timeout(Duration::from_secs(1), second).await.expect("at once");
    let error = refused.expect("no panic").expect_err("it stops");
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
}

#[tokio::test]
async fn the_last_places_are_for_admins_and_nodes() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    hong.set_connections_max(16);
    let (refused, _) = meet(&client(&ca, "writer"), &hong, Expect::AnyNode, Protocol::Client).await;
    let error = refused.expect_err("sixteen places are kept");
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
    let (admitted, _) = meet(&client(&ca, "admin"), &hong, Expect::AnyNode, Protocol::Client).await;
    admitted.expect("an admin gets one");
}

#[tokio::test]
async fn a_client_has_its_share_of_the_places_and_no_more() {
    let ca = TestCa::new();
    let (hong, till) = (serve(&ca, "hong"), client(&ca, "reader"));
    hong.set_connections_per_client_max(2);
    let (first, accepted) = pair(&till, &hong).await;
    let _second = pair(&client(&ca, "reader"), &hong).await;
    let (refused, _) = meet(&client(&ca, "reader"), &hong, Expect::AnyNode, Protocol::Client).await;
    let error = refused.expect_err("it has two");
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("ops has 2 connections") && said.contains("connections_per_client_max"), "{said}");
    assert_eq!(hong.refused_connections().client_full, 1);
    let _other = pair(&client(&ca, "writer"), &hong).await;
    first.close("done");
    accepted.closed().await;
    drop(accepted);
    let _again = pair(&till, &hong).await;
}

#[tokio::test]
async fn a_node_that_stops_accepting_says_so() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, _accepted) = pair(&ops, &hong).await;
    let accepting = tokio::spawn({
        let hong = hong.clone();
        async move { hong.accept().await.is_none() }
    });
    tokio::task::yield_now().await;
    hong.stop_accepting();
    assert!(accepting.await.expect("no panic"), "a waiting accept ends");
    let error = ops.connect(&address(&hong), &Expect::AnyNode, Protocol::Client).await.expect_err("too late");
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
    assert!(!dialled.is_closed(), "what exists goes on");
}

#[tokio::test]
async fn a_handshake_can_be_turned_away() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let to = address(&hong);
    let refuse = async { hong.accept().await.expect("a dialler").refuse() };
    let (dialled, ()) = tokio::join!(ops.connect(&to, &Expect::AnyNode, Protocol::Client), refuse);
    assert!(matches!(dialled, Err(ConnectError::Busy { .. })), "{dialled:?}");
}
