//! Nodes that do not belong to the cluster, and the places of those that do.

use super::*;
use crate::{
    limits::{NODE_CONNECTIONS_MAX, STRANGER_CONNECTIONS_MAX},
    quic::options::NODE_HANDSHAKES_MAX,
};

/// Enough to fill the places of nodes.
const STRANGERS: usize = NODE_HANDSHAKES_MAX / STRANGER_CONNECTIONS_MAX;

/// A node that takes `hu-0`, `hu-1` and so on for strangers.
struct Acceptor {
    ca: TestCa,
    hong: Endpoint,
}

type Ends = (Connection, Connection);

impl Acceptor {
    fn new() -> Self {
        let ca = TestCa::new();
        let hong = serve(&ca, "hong");
        Self { ca, hong }
    }

    fn stranger(&self, n: usize) -> Endpoint {
        serve(&self.ca, &format!("hu-{n}"))
    }

    async fn accept(&self, dialler: &Endpoint) -> Result<Ends, ConnectError> {
        let to = address(&self.hong);
        let is_stranger = |node: &NodeName| node.as_str().starts_with("hu-");
        let accept =
            async { self.hong.accept().await.expect("a dialler").complete_judging(&is_stranger).await };
        let dial = dialler.connect(&to, &Expect::AnyNode, Protocol::Client);
        let (dialled, accepted) = tokio::join!(dial, accept);
        Ok((dialled?, accepted?))
    }

    /// Accepts as many connections of the strangers as they may have.
    async fn fill(&self) -> Vec<Ends> {
        let mut strangers = Vec::new();
        for n in 0..STRANGERS {
            let stranger = self.stranger(n);
            for _ in 0..STRANGER_CONNECTIONS_MAX {
                strangers.push(self.accept(&stranger).await.expect("there is room"));
            }
        }
        strangers
    }
}

fn open(connections: &[Ends]) -> usize {
    connections.iter().filter(|(_, accepted)| !accepted.is_closed()).count()
}

#[tokio::test]
async fn a_stranger_has_few_connections_and_none_of_the_last_places() {
    let acceptor = Acceptor::new();
    let (hu, ming) = (acceptor.stranger(0), serve(&acceptor.ca, "ming"));
    acceptor.hong.set_connections_max(16);
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(acceptor.accept(&hu).await.expect("it may be a member, since this node may lag"));
    }
    let error = acceptor.accept(&hu).await.expect_err("sixteen places are kept");
    assert!(matches!(error, ConnectError::Busy { .. }), "{error:?}");
    kept.push(acceptor.accept(&ming).await.expect("a member"));
    acceptor.hong.set_connections_max(1_000);
    for _ in 2..STRANGER_CONNECTIONS_MAX {
        kept.push(acceptor.accept(&hu).await.expect("it shares the places of clients"));
    }
    let error = acceptor.accept(&hu).await.expect_err("it has enough");
    assert!(
        error.to_string().contains(&format!("hu-0 has {STRANGER_CONNECTIONS_MAX} connections")),
        "{error}"
    );
}

#[tokio::test]
async fn a_member_takes_the_place_of_a_stranger() {
    let acceptor = Acceptor::new();
    let (Acceptor { ca, hong }, ming) = (&acceptor, serve(&acceptor.ca, "ming"));
    let (first, accepted) = meet(&ming, hong, Expect::AnyNode, Protocol::Peer).await;
    let (first, accepted) = (first.expect("dials"), accepted.expect("accepts"));
    accepted.widen();
    first.close("it stops");
    accepted.closed().await;
    drop(accepted);
    let strangers = acceptor.fill().await;
    hong.set_connections_max(0);
    let mut members = vec![acceptor.accept(&ming).await.expect("from an address that is known already")];
    assert_eq!((open(&strangers), open(&members)), (NODE_HANDSHAKES_MAX - 1, 1));
    let refused = acceptor.accept(&client(ca, "writer")).await.expect_err("clients take no place");
    assert!(matches!(refused, ConnectError::Busy { .. }), "{refused:?}");
    members.push(acceptor.accept(&client(ca, "admin")).await.expect("an admin is needed"));
    members.push(acceptor.accept(&serve(ca, "peng")).await.expect("from an address that is not known"));
    assert_eq!((open(&strangers), open(&members)), (NODE_HANDSHAKES_MAX - 3, 3));
}

#[tokio::test]
async fn a_member_takes_no_place_of_a_member() {
    let acceptor = Acceptor::new();
    let mut members = Vec::new();
    for name in ["ming", "long"] {
        let member = serve(&acceptor.ca, name);
        for _ in 0..NODE_CONNECTIONS_MAX {
            members.push(acceptor.accept(&member).await.expect("there is room"));
        }
    }
    acceptor.hong.set_connections_max(members.len() - NODE_HANDSHAKES_MAX);
    let refused = acceptor.accept(&serve(&acceptor.ca, "peng")).await.expect_err("all are members");
    assert!(matches!(refused, ConnectError::Busy { .. }), "{refused:?}");
    assert_eq!(open(&members), members.len());
}
