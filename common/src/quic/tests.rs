//! Two endpoints on loopback: what is accepted and what is rejected.

mod admission;
mod identity;
mod lifetime;
mod reload;
mod strangers;
mod streams;
mod traffic;

use super::*;
use crate::{
    id::Address,
    tls::{Credentials, testing::TestCa},
};

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn serve_as(credentials: &Credentials) -> Endpoint {
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    Endpoint::serve(listen, credentials, &EndpointOptions::default()).expect("binds")
}

fn serve(ca: &TestCa, node: &str) -> Endpoint {
    serve_as(&ca.credentials("node", node))
}

fn dialler_as(credentials: &Credentials) -> Endpoint {
    Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("binds")
}

fn client(ca: &TestCa, role: &str) -> Endpoint {
    dialler_as(&ca.credentials(role, "ops"))
}

fn address(endpoint: &Endpoint) -> Address {
    endpoint.local_address().into()
}

/// The outcome of an attempt, for the dialler and for the acceptor.
type Meeting = (Result<Connection, ConnectError>, Result<Connection, ConnectError>);

/// Dials and accepts at once.
async fn meet(dialler: &Endpoint, acceptor: &Endpoint, expect: Expect, protocol: Protocol) -> Meeting {
    let to = address(acceptor);
    let accept = async { acceptor.accept().await.expect("a dialler").complete().await };
    tokio::join!(dialler.connect(&to, &expect, protocol), accept)
}

/// Connects a client to a node.
async fn pair(dialler: &Endpoint, acceptor: &Endpoint) -> (Connection, Connection) {
    let (dialled, accepted) = meet(dialler, acceptor, Expect::AnyNode, Protocol::Client).await;
    (dialled.expect("dials"), accepted.expect("accepts"))
}
