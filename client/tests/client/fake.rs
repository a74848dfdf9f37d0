//! A scripted node: answers as a test tells it to.
//!
//! Each node has its own thread and runtime, so it can be killed or frozen like a
//! process, without notice to its clients.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use coffee_client::{
    Address, Client, ClientBuilder, ClusterName, NodeName, RequestId, Response, Revision, cert::Ca,
};
use coffee_common::{
    command::{Effect, Outcome},
    entry::Entry,
    frame,
    key::Value,
    limits::SHARED_FRAME_BYTES_MAX,
    protocol::{Leader, Rejection, Request, RequestFrame, ResponseFrame, Role, ServerMessage, Welcome},
    protocol_versions::ProtocolVersions,
    quic::{Connection, Endpoint, EndpointOptions, FrameReceiver, FrameSender, Priority},
};
use tokio::sync::{oneshot, watch};

/// Upper bound for anything that should happen, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A node's reaction to one request.
pub(crate) enum Act {
    /// Answers.
    Say(Result<Response, Rejection>),
    /// Answers after a delay.
    SayAfter(Duration, Result<Response, Rejection>),
    /// Never answers.
    Ignore,
    /// Closes the connection.
    Cut,
    /// Blocks the whole node until the test drops it.
    Freeze,
}

/// Decides about each request except [`Request::Ping`], given the number of
/// requests before it.
pub(crate) type NodeScript = Box<dyn Fn(usize, &Request) -> Act + Send + Sync>;

/// A certificate authority for the nodes of a test.
pub(crate) struct Lab {
    ca: Ca,
}

/// A scripted node.
pub(crate) struct FakeNode {
    pub(crate) name: NodeName,
    pub(crate) address: Address,
    state: Arc<FakeState>,
    /// Dropping it unblocks a frozen node.
    _thaw: mpsc::Sender<()>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct FakeState {
    name: NodeName,
    script: NodeScript,
    asks: Mutex<Vec<RequestFrame>>,
    leader: Mutex<Option<Leader>>,
    versions: Mutex<ProtocolVersions>,
    connections: watch::Sender<usize>,
    frozen: Mutex<mpsc::Receiver<()>>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { ca: Ca::create(&ClusterName::default()).expect("a CA") }
    }

    /// The CA of all certificates.
    pub(crate) fn ca(&self) -> &Ca {
        &self.ca
    }

    /// Starts a node on a free port.
    pub(crate) fn node(
        &self,
        name: &str,
        script: impl Fn(usize, &Request) -> Act + Send + Sync + 'static,
    ) -> FakeNode {
        let name = NodeName::new(name).expect("legal");
        let credentials = self.ca.credentials(Role::Node, &name).expect("credentials");
        let (thaw, frozen) = mpsc::channel();
        let state = Arc::new(FakeState {
            name: name.clone(),
            script: Box::new(script),
            asks: Mutex::default(),
            leader: Mutex::default(),
            versions: Mutex::new(ProtocolVersions::OWN),
            connections: watch::Sender::new(0),
            frozen: Mutex::new(frozen),
        });
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = mpsc::channel();
        let of_thread = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("builds");
            runtime.block_on(async {
                let listen = SocketAddr::from(([127, 0, 0, 1], 0));
                let endpoint = Endpoint::serve(listen, &credentials, &EndpointOptions::default());
                let endpoint = endpoint.expect("listens");
                ready.send(endpoint.local_address()).expect("the test waits");
                tokio::select! {
                    () = serve(endpoint, of_thread) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        let address = address.recv().expect("listens").into();
        FakeNode { name, address, state, _thaw: thaw, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns an endpoint that dials with new credentials.
    pub(crate) fn endpoint(&self, role: Role, name: &str) -> Endpoint {
        let name = NodeName::new(name).expect("legal");
        let credentials = self.ca.credentials(role, &name).expect("credentials");
        Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("binds")
    }

    /// Returns a builder for a client of these nodes.
    pub(crate) fn client_of(&self, nodes: &[&FakeNode]) -> ClientBuilder {
        let ops = NodeName::new("ops").expect("legal");
        Client::builder()
            .endpoints(nodes.iter().map(|node| node.address.clone()))
            .credentials(self.ca.credentials(Role::Admin, &ops).expect("credentials"))
    }
}

impl FakeNode {
    /// Makes the node speak these versions of the protocol from now on.
    pub(crate) fn speaks(&self, versions: ProtocolVersions) {
        *self.state.versions.lock().expect("sound") = versions;
    }

    /// Makes the node name this leader from now on.
    pub(crate) fn says_leader_is(&self, leader: &FakeNode) {
        let leader = Leader { name: leader.name.clone(), address: leader.address.clone() };
        *self.state.leader.lock().expect("sound") = Some(leader);
    }

    /// Returns the requests so far, except searches for the leader.
    pub(crate) fn asks(&self) -> Vec<RequestFrame> {
        self.state.asks.lock().expect("sound").clone()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asks().len()
    }

    /// Returns the ids of the writes it received.
    pub(crate) fn write_ids(&self) -> Vec<RequestId> {
        let id = |ask: RequestFrame| match ask.request {
            Request::Write { request, .. } => Some(request),
            _ => None,
        };
        self.asks().into_iter().filter_map(id).collect()
    }

    /// Returns the number of open connections, as a receiver.
    pub(crate) fn connections(&self) -> watch::Receiver<usize> {
        self.state.connections.subscribe()
    }

    /// Stops the node like `kill -9`.
    pub(crate) fn kill(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the node did not panic");
        }
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// A batch of one operation took effect at this revision.
pub(crate) fn applied(revision: u64) -> Result<Response, Rejection> {
    let effects = vec![Effect { previous: None }];
    Ok(Response::Written(Outcome::Applied { revision: Revision(revision), effects }))
}

/// The rejection of a node without a leader.
pub(crate) fn unavailable() -> Result<Response, Rejection> {
    Err(Rejection::Unavailable("no leader".into()))
}

/// The key has this value.
pub(crate) fn value(at: u64, bytes: Vec<u8>) -> Result<Response, Rejection> {
    let entry = Entry {
        value: Value::new(bytes).expect("legal"),
        created: Revision(1),
        modified: Revision(at),
        version: 1,
    };
    Ok(Response::Value { entry: Some(entry), at: Revision(at) })
}

/// A script that gives every request the same response.
pub(crate) fn always(say: Result<Response, Rejection>) -> impl Fn(usize, &Request) -> Act + Send + Sync {
    move |_, _| Act::Say(say.clone())
}

impl FakeState {
    fn decide(&self, ask: RequestFrame) -> Act {
        if ask.request == Request::Ping {
            return Act::Say(Err(Rejection::Unavailable("a fake answers no ping".into())));
        }
        let mut asks = self.asks.lock().expect("sound");
        let decision = (self.script)(asks.len(), &ask.request);
        asks.push(ask);
        decision
    }
}

async fn serve(endpoint: Endpoint, state: Arc<FakeState>) {
    while let Some(handshake) = endpoint.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            if let Ok(connection) = handshake.complete().await {
                state.connections.send_modify(|count| *count += 1);
                welcome(&connection, &state).await;
                streams(&connection, &state).await;
                state.connections.send_modify(|count| *count -= 1);
            }
        });
    }
}

async fn welcome(connection: &Connection, state: &FakeState) {
    let welcome = ServerMessage::Welcome(Welcome {
        node: state.name.clone(),
        version: "fake".into(),
        cluster: None,
        applied: Revision(100),
        leader: state.leader.lock().expect("sound").clone(),
        lease_ms: 300,
        versions: *state.versions.lock().expect("sound"),
    });
    let mut sender = connection.open_uni(Priority::Normal).await.expect("opens");
    sender.send(frame::encode(&welcome).expect("encodes")).await.expect("sends");
    sender.finish();
}

async fn streams(connection: &Connection, state: &Arc<FakeState>) {
    while let Ok((sender, receiver)) = connection.accept().await {
        tokio::spawn(stream(connection.clone(), sender, receiver, Arc::clone(state)));
    }
}

async fn stream(
    connection: Connection,
    mut sender: FrameSender,
    mut receiver: FrameReceiver,
    state: Arc<FakeState>,
) {
    let (answers, mut to_send) = tokio::sync::mpsc::unbounded_channel();
    let answering = async {
        while let Some(reply) = to_send.recv().await {
            let frame = frame::encode(&ServerMessage::Response(reply)).expect("encodes");
            let sent = if frame.len() > SHARED_FRAME_BYTES_MAX {
                let mut own = connection.open_uni(Priority::Bulk).await.expect("opens");
                let sent = own.send(frame).await;
                own.finish();
                sent
            } else {
                sender.send(frame).await
            };
            if sent.is_err() {
                return;
            }
        }
        sender.finish();
    };
    let asking = async {
        let answers = answers;
        while let Ok(Some(message)) = receiver.receive().await {
            let ask: RequestFrame = frame::decode(&message).expect("an ask");
            act(&connection, ask, &state, &answers);
        }
    };
    tokio::join!(asking, answering);
}

fn act(
    connection: &Connection,
    ask: RequestFrame,
    state: &Arc<FakeState>,
    answers: &tokio::sync::mpsc::UnboundedSender<ResponseFrame>,
) {
    let id = ask.id;
    let decision = state.decide(ask);
    let frozen = Arc::clone(state);
    let (state, answers) = (Arc::clone(state), answers.clone());
    let say = move |result| {
        let leader = state.leader.lock().expect("sound").clone();
        // Fails only if the client is gone.
        let _ = answers.send(ResponseFrame { id, leader, result });
    };
    match decision {
        Act::Say(result) => say(result),
        Act::SayAfter(delay, result) => {
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                say(result);
            });
        }
        Act::Ignore => {}
        Act::Cut => connection.close("the test wants it so"),
        // Returns when the node is dropped.
        Act::Freeze => drop(frozen.frozen.lock().expect("sound").recv()),
    }
}
