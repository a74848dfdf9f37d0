//! Streams of a member that do not end.

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::{
    protocol_versions::ProtocolVersions,
    quic::{Connection, Expect, FrameReceiver, FrameSender, Protocol},
};

use super::{
    super::{
        serve::FRAME_TIMEOUT,
        wire::{AppendRequest, AppendResponse, Hello},
    },
    *,
};

/// A member, ming, and a connection to it, which survives that time passes at once.
struct PatientPair {
    ming: TestMember,
    dialled: Connection,
    /// Whether ming is told that the other one is a member.
    confirms: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

impl PatientPair {
    async fn new() -> Self {
        let (ca, dir) =
            (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
        let ming = TestMember::start(&ca, dir.path(), 0, ([127, 0, 0, 1], 0).into()).await;
        let (idle_timeout, keep_alive) = (Duration::from_secs(3_600), Duration::from_secs(1_200));
        let patient = EndpointOptions { idle_timeout, keep_alive, ..EndpointOptions::default() };
        let [acceptor, dialler] = ["ming", "hong"].map(|name| {
            let name = NodeName::new(name).expect("legal");
            let credentials = ca.credentials(Role::Node, &name).expect("issued");
            Endpoint::serve(([127, 0, 0, 1], 0).into(), &credentials, &patient).expect("binds")
        });
        let to = acceptor.local_address().into();
        let accept = async { acceptor.accept().await.expect("a dialler").complete().await };
        let dial = dialler.connect(&to, &Expect::AnyNode, Protocol::Peer);
        let (dialled, accepted) = tokio::join!(dial, accept);
        let confirms = Arc::new(AtomicBool::new(true));
        let tell = Arc::clone(&confirms);
        let confirm: ConfirmMember = Arc::new(move |_, _| {
            let is_member = tell.load(Ordering::Relaxed);
            Box::pin(async move { if is_member { Confirmation::Member } else { Confirmation::NotMember } })
        });
        let context = PeerContext { confirm, ..ming.context.clone() };
        tokio::spawn(serve(accepted.expect("accepts"), context));
        Self { ming, dialled: dialled.expect("dials"), confirms, _dir: dir }
    }

    /// Opens a stream, and says what it is for.
    async fn open(&self, purpose: Purpose) -> (FrameSender, FrameReceiver) {
        let (mut sender, receiver) = self.dialled.open(Priority::Normal).await.expect("opens");
        let versions = ProtocolVersions::OWN;
        let hello = Hello { cluster: CLUSTER, from: NodeId(2), to: self.ming.id, purpose, versions };
        sender.send(frame::encode(&hello).expect("encodes")).await.expect("sends");
        (sender, receiver)
    }
}

fn append() -> bytes::Bytes {
    let leader = LeaderRecord { term: 1, node: NodeId(2) };
    let append = AppendRequest {
        vote: VoteRecord { leader, committed: true },
        previous: None,
        committed: None,
        entries: Vec::new(),
    };
    frame::encode(&append).expect("encodes")
}

async fn is_answered(receiver: &mut FrameReceiver) {
    let answer = receiver.receive().await.expect("is answered").expect("is answered");
    frame::decode::<AppendResponse>(&answer).expect("it follows");
}

/// Otherwise a member that stops in the middle of a frame makes this node hold it for ever.
#[tokio::test]
async fn a_frame_of_a_member_has_to_end() {
    let pair = PatientPair::new().await;
    let (mut sender, mut receiver) = pair.open(Purpose::Append).await;
    sender.send(append()).await.expect("sends");
    is_answered(&mut receiver).await;
    sender.send(append().slice(..append().len() - 1)).await.expect("sends");
    tokio::time::pause();
    let end = tokio::time::timeout(2 * FRAME_TIMEOUT, receiver.receive()).await;
    assert_eq!(end.expect("the stream ends"), Ok(None));
    assert!(!pair.dialled.is_closed(), "other streams go on");
    tokio::time::resume();
    pair.ming.stop().await;
}

/// A request follows its hello at once: a stream without one serves no purpose.
#[tokio::test]
async fn a_stream_without_its_request_has_to_end() {
    let pair = PatientPair::new().await;
    for purpose in [Purpose::Rpc, Purpose::Snapshot] {
        let (_sender, mut receiver) = pair.open(purpose).await;
        tokio::time::pause();
        let end = tokio::time::timeout(2 * FRAME_TIMEOUT, receiver.receive()).await;
        assert_eq!(end.expect("the stream ends"), Ok(None), "{purpose:?}");
        tokio::time::resume();
    }
    pair.ming.stop().await;
}

/// Appends pause while nothing is written. A node that is removed meanwhile keeps no stream.
#[tokio::test]
async fn an_idle_stream_ends_once_its_peer_is_not_a_member() {
    let pair = PatientPair::new().await;
    let (mut sender, mut receiver) = pair.open(Purpose::Append).await;
    sender.send(append()).await.expect("sends");
    is_answered(&mut receiver).await;
    tokio::time::pause();
    let idle = tokio::time::timeout(3 * FRAME_TIMEOUT, receiver.receive()).await;
    assert!(idle.is_err(), "a member keeps it: {idle:?}");
    pair.confirms.store(false, Ordering::Relaxed);
    let end = tokio::time::timeout(2 * FRAME_TIMEOUT, receiver.receive()).await;
    assert_eq!(end.expect("the stream ends"), Ok(None));
    tokio::time::resume();
    pair.ming.stop().await;
}
