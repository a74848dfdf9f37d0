//! Tests of channels and pools: what they report about a request without a
//! response.

use std::time::Duration;

use coffee_client::{Channel, ChannelError, Envelope, Health, NodeName, NotSentReason, Pool, Response};
use coffee_common::{
    command::{Batch, Operation},
    frame,
    id::{ClientId, RequestId, Revision},
    key::{Key, Value},
    limits::VALUE_BYTES_MAX,
    protocol::{Identity, Request, ResponseFrame, Role, ServerMessage, Welcome},
    protocol_versions::ProtocolVersions,
    quic::{Endpoint, EndpointOptions, Expect, Priority},
};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::fake::{Act, FakeNode, Lab, SOON, always, unavailable, value};

const BRIEF: Duration = Duration::from_millis(300);

async fn channel(lab: &Lab, node: &FakeNode) -> Channel {
    let endpoint = lab.endpoint(Role::Node, "peng");
    Channel::connect(&endpoint, &node.address, &Expect::Node(node.name.clone())).await.expect("connects")
}

fn done() -> Result<Response, coffee_common::protocol::Rejection> {
    Ok(Response::Done { changed: true })
}

#[tokio::test]
async fn an_ask_is_answered_with_all_that_the_node_says() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(done()));
    ming.says_leader_is(&ming);
    let channel = channel(&lab, &ming).await;
    assert_eq!(channel.welcome().node, ming.name);
    let ops = Identity::new(Role::Admin, NodeName::new("ops").expect("legal"));
    let reply = channel
        .ask(&Request::List, Envelope { on_behalf_of: Some(&ops), ..Envelope::default() }, SOON)
        .await
        .expect("answers");
    assert_eq!(reply.result, done());
    assert_eq!(reply.leader.map(|leader| leader.address), Some(ming.address.clone()));
    let asked = ming.asks();
    assert_eq!(asked[0].on_behalf_of.as_ref(), Some(&ops));
    assert_eq!(asked[0].timeout_ms, 4_750, "less, so that its answer arrives in time");
}

#[tokio::test]
async fn an_ask_that_was_sent_is_lost_or_times_out() {
    let lab = Lab::new();
    let ming = lab.node("ming", |nth, _: &Request| if nth == 0 { Act::Ignore } else { Act::Cut });
    let channel = channel(&lab, &ming).await;
    let error = channel.ask(&Request::List, Envelope::default(), BRIEF).await.expect_err("no answer");
    assert_eq!(error, ChannelError::TimedOut);
    let error = channel.ask(&Request::List, Envelope::default(), SOON).await.expect_err("cut off");
    assert!(matches!(&error, ChannelError::Lost(why) if why.contains("ming")), "{error:?}");
    let error = channel.ask(&Request::List, Envelope::default(), SOON).await.expect_err("it is gone");
    assert!(error.is_not_sent(), "{error:?}");
    assert!(channel.is_ended());
}

#[tokio::test]
async fn a_node_that_dies_is_noticed_long_before_the_idle_timeout() {
    let lab = Lab::new();
    let ming = lab.node("ming", |_, _: &Request| Act::Freeze);
    let channel = channel(&lab, &ming).await;
    let mut health = channel.health();
    let begin = Instant::now();
    let asking = channel.ask(&Request::List, Envelope::default(), SOON);
    let watching = async {
        health.wait_for(|health| *health == Health::Silent).await.expect("watched");
        begin.elapsed()
    };
    let (answer, noticed) = tokio::join!(asking, watching);
    assert!(noticed < Duration::from_millis(800), "{noticed:?}");
    assert!(matches!(answer, Err(ChannelError::Lost(_))), "{answer:?}");
    assert!(begin.elapsed() < Duration::from_millis(2_900), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_large_answer_delays_no_small_one() {
    let lab = Lab::new();
    let ming = lab.node("ming", |nth, _: &Request| {
        Act::Say(if nth % 2 == 0 { value(1, vec![0; 1 << 20]) } else { done() })
    });
    let channel = channel(&lab, &ming).await;
    let asks = (0..40).map(|_| channel.ask(&Request::List, Envelope::default(), SOON));
    let replies = join_all(asks).await;
    let large = replies
        .iter()
        .filter(|reply| matches!(reply.as_ref().expect("answers").result, Ok(Response::Value { .. })));
    assert_eq!(large.count(), 20);
}

/// A node rejects what arrives too slowly. The caller then knows that it was not applied.
#[tokio::test]
async fn a_large_request_is_rejected_before_all_of_it_is_sent() {
    let lab = Lab::new();
    let ming = NodeName::new("ming").expect("legal");
    let credentials = lab.ca().credentials(Role::Node, &ming).expect("credentials");
    let listen = ([127, 0, 0, 1], 0).into();
    let node = Endpoint::serve(listen, &credentials, &EndpointOptions::default()).expect("listens");
    let welcome = ServerMessage::Welcome(Welcome {
        node: ming,
        version: "fake".into(),
        cluster: None,
        applied: Revision(100),
        leader: None,
        lease_ms: 300,
        versions: ProtocolVersions::OWN,
    });
    let reply = ServerMessage::Response(ResponseFrame { id: 1, leader: None, result: unavailable() });
    let [welcome, reply] = [welcome, reply].map(|message| frame::encode(&message).expect("encodes"));
    // It reads nothing, so the window of the stream holds the request up.
    let serve = async {
        let connection = node.accept().await.expect("a dialler").complete().await.expect("accepts");
        let mut first = connection.open_uni(Priority::Normal).await.expect("opens");
        first.send(welcome).await.expect("sends");
        let (mut sender, unread) = connection.accept().await.expect("a request");
        sender.send(reply).await.expect("sends");
        (connection, first, sender, unread)
    };
    let ask = async {
        let (endpoint, address) = (lab.endpoint(Role::Node, "peng"), node.local_address().into());
        let channel = Channel::connect(&endpoint, &address, &Expect::AnyNode).await.expect("connects");
        let set = |key: &str| {
            let value = Value::new(vec![0; VALUE_BYTES_MAX - 1000]).expect("legal");
            Operation::Set(Key::new(key).expect("legal"), value)
        };
        let batch = Batch { conditions: Vec::new(), operations: vec![set("a"), set("b")] };
        let request = RequestId { client: ClientId(7), sequence: 1, after: Revision(1) };
        let request = Request::Write { request, batch: batch.into() };
        channel.ask(&request, Envelope::default(), SOON).await.expect("is answered").result
    };
    let (answer, _node) = tokio::join!(ask, serve);
    assert_eq!(answer, unavailable());
}

#[tokio::test]
async fn those_who_want_the_same_channel_share_one_dial() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(done()));
    let pool = Pool::new(lab.endpoint(Role::Node, "peng"));
    let asks =
        (0..50).map(|_| pool.ask(&ming.address, &Expect::AnyNode, &Request::List, Envelope::default(), SOON));
    for reply in join_all(asks).await {
        assert_eq!(reply.expect("answers").result, done());
    }
    assert_eq!(*ming.connections().borrow(), 1);
}

#[tokio::test]
async fn a_pool_dials_again_when_a_channel_has_ended() {
    let lab = Lab::new();
    let ming = lab.node("ming", |nth, _: &Request| if nth == 0 { Act::Cut } else { Act::Say(done()) });
    let pool = Pool::new(lab.endpoint(Role::Node, "peng"));
    let ask = || pool.ask(&ming.address, &Expect::AnyNode, &Request::List, Envelope::default(), SOON);
    assert!(matches!(ask().await, Err(ChannelError::Lost(_))));
    ask().await.expect("answers");
}

#[tokio::test]
async fn an_address_that_belongs_to_another_node_is_told_as_such() {
    let lab = Lab::new();
    let ming = lab.node("ming", always(done()));
    let pool = Pool::new(lab.endpoint(Role::Node, "peng"));
    let hong = Expect::Node(NodeName::new("hong").expect("legal"));
    for expect in [&hong, &Expect::AnyNode, &hong] {
        let result = pool.ask(&ming.address, expect, &Request::List, Envelope::default(), SOON).await;
        match expect {
            Expect::AnyNode => drop(result.expect("answers")),
            Expect::Node(_) => {
                let error = result.expect_err("another node");
                assert!(matches!(error, ChannelError::NotSent(NotSentReason::Identity(_))), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_dial_that_takes_too_long_was_not_sent() {
    let lab = Lab::new();
    let mut ming = lab.node("ming", always(done()));
    ming.kill();
    let pool = Pool::new(lab.endpoint(Role::Node, "peng"));
    let ask = pool.ask(&ming.address, &Expect::AnyNode, &Request::List, Envelope::default(), BRIEF);
    let error = timeout(SOON, ask).await.expect("in time").expect_err("the node is gone");
    assert!(error.is_not_sent(), "{error:?}");
}
