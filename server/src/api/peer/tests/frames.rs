//! Frames of a member that do not end.

use coffee_common::{
    protocol_versions::ProtocolVersions,
    quic::{Expect, Protocol},
};

use super::{
    super::{
        serve::FRAME_TIMEOUT,
        wire::{AppendRequest, AppendResponse, Hello},
    },
    *,
};

/// Otherwise a member that stops in the middle of a frame makes this node hold it for ever.
#[tokio::test]
async fn a_frame_of_a_member_has_to_end() {
    let (ca, dir) =
        (Ca::create(&ClusterName::default()).expect("makes"), tempfile::tempdir().expect("a folder"));
    let ming = TestMember::start(&ca, dir.path(), 0, ([127, 0, 0, 1], 0).into()).await;
    // Its connection survives the time that passes at once below.
    let (idle_timeout, keep_alive) = (Duration::from_secs(3_600), Duration::from_secs(1_200));
    let patient = EndpointOptions { idle_timeout, keep_alive, ..EndpointOptions::default() };
    let [acceptor, dialler] = ["ming", "hong"].map(|name| {
        let credentials = ca.credentials(Role::Node, &NodeName::new(name).expect("legal")).expect("issued");
        Endpoint::serve(([127, 0, 0, 1], 0).into(), &credentials, &patient).expect("binds")
    });
    let to = acceptor.local_address().into();
    let accept = async { acceptor.accept().await.expect("a dialler").complete().await };
    let (dialled, accepted) = tokio::join!(dialler.connect(&to, &Expect::AnyNode, Protocol::Peer), accept);
    let (dialled, accepted) = (dialled.expect("dials"), accepted.expect("accepts"));
    tokio::spawn(serve(accepted, ming.context.clone()));
    let (mut sender, mut receiver) = dialled.open(Priority::Normal).await.expect("opens");
    let versions = ProtocolVersions::OWN;
    let hello = Hello { cluster: CLUSTER, from: NodeId(2), to: ming.id, purpose: Purpose::Append, versions };
    let leader = LeaderRecord { term: 1, node: NodeId(2) };
    let append = AppendRequest {
        vote: VoteRecord { leader, committed: true },
        previous: None,
        committed: None,
        entries: Vec::new(),
    };
    let append = frame::encode(&append).expect("encodes");
    sender.send(frame::encode(&hello).expect("encodes")).await.expect("sends");
    sender.send(append.clone()).await.expect("sends");
    let answer = receiver.receive().await.expect("is answered").expect("is answered");
    frame::decode::<AppendResponse>(&answer).expect("it follows");
    sender.send(append.slice(..append.len() - 1)).await.expect("sends");
    tokio::time::pause();
    let end = tokio::time::timeout(2 * FRAME_TIMEOUT, receiver.receive()).await;
    assert_eq!(end.expect("the stream ends"), Ok(None));
    assert!(!dialled.is_closed(), "other streams go on");
    tokio::time::resume();
    ming.stop().await;
}
