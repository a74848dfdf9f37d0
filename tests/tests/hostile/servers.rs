//! A hostile server with the certificate of a node: its text must not control the terminal of the
//! operator who asks it.

use coffee_client::{Address, EndpointOptions};
use coffee_common::{
    frame,
    id::Revision,
    protocol::{
        ClusterView, NodeState, NodeView, Rejection, Request, RequestFrame, Response, ResponseFrame,
        ServerMessage, Welcome,
    },
    quic::{Connection, Endpoint, FrameReceiver, FrameSender, Priority},
};
use coffee_tests::{cluster::Cluster, coffeectl::Coffeectl};
use serde::Serialize;

use crate::peers;

/// Sets the title of a terminal, clears it, and forges a line.
const HOSTILE: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\r\nerror: forged";

pub(crate) async fn control_no_terminal() {
    let cluster = Cluster::of(1).prepare();
    let credentials = peers::credentials(&cluster, "hu");
    let endpoint = Endpoint::serve(([127, 0, 0, 1], 0).into(), &credentials, &EndpointOptions::default());
    let endpoint = endpoint.expect("a socket");
    let address: Address = endpoint.local_address().into();
    let serving = tokio::spawn(serve(endpoint.clone(), address.clone()));
    for words in [
        &["get", "order/1"][..],
        &["set", "order/1", "latte"],
        &["list"],
        &["list", "-o", "plain"],
        &["status"],
        &["can-stop", "hu"],
        &["log-level"],
        &["transfer"],
    ] {
        let command = Coffeectl::new()
            .env("COFFEECTL_ENDPOINTS", address.as_str())
            .env("COFFEECTL_CERTS", cluster.certs())
            .env("COFFEECTL_AS", "admin-test")
            .args(words)
            .args(["--timeout", "3s"]);
        let ended = command.run().await;
        let shown = format!("{}{}", String::from_utf8_lossy(&ended.stdout), ended.stderr);
        assert!(shown.contains("31m"), "{words:?}: the server was asked: {shown:?}");
        let controls = shown.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(controls, None, "{words:?}: {shown:?}");
        assert!(!shown.lines().any(|line| line == "error: forged"), "{words:?}: {shown:?}");
    }
    serving.abort();
    endpoint.close("done").await;
}

async fn serve(endpoint: Endpoint, address: Address) {
    while let Some(handshake) = endpoint.accept().await {
        let address = address.clone();
        tokio::spawn(async move {
            let Ok(connection) = handshake.complete().await else { return };
            welcome(&connection).await;
            while let Ok((sender, receiver)) = connection.accept().await {
                tokio::spawn(answer(sender, receiver, address.clone()));
            }
        });
    }
}

async fn welcome(connection: &Connection) {
    let welcome = Welcome {
        node: "hu".parse().expect("legal"),
        version: HOSTILE.to_owned(),
        cluster: None,
        applied: Revision(1),
        leader: None,
        lease_ms: 450,
        versions: coffee_common::protocol_versions::ProtocolVersions::OWN,
    };
    if let Ok(mut sender) = connection.open_uni(Priority::Normal).await {
        // Fails if the caller is gone.
        let _ = sender.send(encode(&ServerMessage::Welcome(welcome))).await;
        sender.finish();
    }
}

async fn answer(mut sender: FrameSender, mut receiver: FrameReceiver, address: Address) {
    while let Ok(Some(message)) = receiver.receive().await {
        let request: RequestFrame = frame::decode(&message).expect("a request");
        let response =
            ResponseFrame { id: request.id, leader: None, result: lie(&request.request, &address) };
        if sender.send(encode(&ServerMessage::Response(response))).await.is_err() {
            return;
        }
    }
    sender.finish();
}

fn lie(request: &Request, address: &Address) -> Result<Response, Rejection> {
    let text = || HOSTILE.to_owned();
    match request {
        Request::List => Ok(Response::Cluster(Box::new(view(address)))),
        Request::CanStop { .. } => Ok(Response::CanStop { yes: false, reason: text() }),
        Request::Get { .. } => Err(Rejection::Refused { reason: text(), hint: text() }),
        Request::Write { .. } => Err(Rejection::Invalid(text())),
        Request::LogLevel { .. } => Err(Rejection::NotFound(text())),
        _ => Err(Rejection::Denied(text())),
    }
}

fn view(address: &Address) -> ClusterView {
    let name = || "hu".parse().expect("legal");
    let node = NodeView {
        name: name(),
        id: None,
        address: address.clone(),
        role: None,
        state: NodeState::Up,
        lag: None,
        applied: None,
        version: Some(HOSTILE.to_owned()),
        certificate_until_s: None,
        disk_free_bytes: None,
        revocation_lists: Vec::new(),
        other_cluster: None,
        pace: None,
        level: None,
    };
    ClusterView {
        cluster: None,
        asked: name(),
        leader: Some(name()),
        term: 1,
        joint: false,
        voters: 1,
        voters_in_reach: 1,
        may_lose: 0,
        writes_refused: Some(HOSTILE.to_owned()),
        disk_free_bytes_min: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        nodes: vec![node],
        level: None,
    }
}

fn encode<T: Serialize>(message: &T) -> bytes::Bytes {
    frame::encode(message).expect("short")
}
