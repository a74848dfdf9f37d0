//! Clients that begin and stop, against a node in this process: minutes pass at once, as soon as the node
//! and the client wait for nothing else.

use std::time::Duration;

use coffee_client::{CredentialFiles, Credentials, EndpointOptions};
use coffee_common::{
    command::{Batch, Operation},
    frame,
    id::{ClientId, RequestId, Revision},
    key::{Key, Value},
    limits::{REQUEST_COMPLETE_WITHIN_S, VALUE_BYTES_MAX},
    protocol::{Consistency, Rejection, Request, RequestFrame, Response, Role, ServerMessage},
    quic::{Endpoint, Expect, FrameReceiver, Priority, Protocol},
};
use coffee_tests::cluster::Cluster;
use coffeed::{Config, Server};
use tokio::time::{pause, resume, sleep, timeout};

use crate::support::{cert_forger, raw_client::RawClient};

/// How long a node waits for the rest of a request, and for a client that does not read.
const PATIENCE: Duration = Duration::from_secs(REQUEST_COMPLETE_WITHIN_S);

const SOON: Duration = Duration::from_secs(10);

/// A node in this process.
struct PatientNode {
    server: Server,
    /// For its certificates.
    cluster: Cluster,
}

impl PatientNode {
    async fn start() -> Self {
        let cluster = Cluster::of(1).prepare();
        let file = |ending| cluster.certs().join(format!("node-ming.{ending}"));
        let files = CredentialFiles::new(cluster.certs().join("ca.crt"), file("crt"), file("key"));
        let name = "ming".parse().expect("legal");
        let config = Config::new(name, ([127, 0, 0, 1], 0).into(), cluster.folder().join("data"), files);
        let builder = Server::builder(config).endpoint_options(options());
        let server = builder.start().await.expect("it starts");
        server.found().await.expect("it is the first");
        Self { server, cluster }
    }

    fn credentials(&self, role: Role) -> Credentials {
        self.cluster.credentials(role)
    }
}

/// Connections survive the time that passes at once.
fn options() -> EndpointOptions {
    let (idle_timeout, keep_alive) = (Duration::from_secs(7_200), Duration::from_secs(3_600));
    EndpointOptions { idle_timeout, keep_alive, ..EndpointOptions::default() }
}

fn encode(id: u64, request: Request) -> bytes::Bytes {
    let ask =
        RequestFrame { id, timeout_ms: 600_000, on_behalf_of: None, sent_from: None, cluster: None, request };
    frame::encode(&ask).expect("a frame")
}

async fn reply(receiver: &mut FrameReceiver) -> (u64, Result<Response, Rejection>) {
    let message = receiver.receive().await.expect("the connection continues").expect("an answer");
    match frame::decode(&message).expect("well-formed") {
        ServerMessage::Response(reply) => (reply.id, reply.result),
        ServerMessage::Welcome(_) => panic!("one welcome is enough"),
    }
}

/// The request is rejected by its id, and the connection continues.
pub(crate) async fn ends_with_a_late_request() {
    let node = PatientNode::start().await;
    let endpoint = Endpoint::dial_only(&node.credentials(Role::Writer), &options()).expect("a socket");
    let address = node.server.advertised().clone();
    let connected = endpoint.connect(&address, &Expect::AnyNode, Protocol::Client).await;
    let connection = connected.expect("is accepted");
    let value = Value::new(vec![7; VALUE_BYTES_MAX]).expect("legal");
    let batch = Batch::of(Operation::Set(Key::new("k").expect("legal"), value));
    let request = RequestId { client: ClientId(7), sequence: 1, after: Revision(1) };
    let write = encode(7, Request::Write { request, batch: batch.into() });
    let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
    sender.send(write.slice(..write.len() / 2)).await.expect("is sent");
    pause();
    let answer = timeout(2 * PATIENCE, reply(&mut receiver)).await.expect("in time");
    resume();
    let (7, Err(rejection)) = answer else { panic!("{answer:?}") };
    assert!(rejection.is_not_applied(), "{rejection:?}");
    let (mut sender, mut receiver) = connection.open(Priority::Normal).await.expect("a stream");
    sender.send(encode(8, Request::Ping)).await.expect("is sent");
    let answer = timeout(SOON, reply(&mut receiver)).await.expect("in time");
    assert_eq!(answer, (8, Ok(Response::Done { changed: false })));
}

/// A client that does not even take the answer before its file gives its place back.
pub(crate) async fn ends_with_an_unread_backup() {
    let node = PatientNode::start().await;
    let address = node.server.advertised().clone();
    let client = RawClient::with_window(&cert_forger::load(&node.cluster.certs(), "backup-test"), 4);
    let connection = client.dial(&address).await.expect("connects");
    let mut welcome = connection.accept_uni().await.expect("a welcome");
    welcome.read_to_end(1 << 10).await.expect("is read");
    let streamed = connection.stats().frame_rx.stream;
    let (mut sender, mut unread) = connection.open_bi().await.expect("a stream");
    let request = Request::Backup { consistency: Consistency::Local };
    sender.write_all(&encode(1, request)).await.expect("is sent");
    let begun = async {
        while connection.stats().frame_rx.stream == streamed {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, begun).await.expect("the beginning of an answer");
    pause();
    let end = timeout(2 * PATIENCE, unread.received_reset()).await.expect("in time");
    assert!(end.expect("the connection continues").is_some(), "the node ends the stream");
}
