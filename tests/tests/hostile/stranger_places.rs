//! Certificates of nodes that are not members: whatever connections they open, again and again, members,
//! admins and clients get theirs.

use std::time::Duration;

use coffee_client::{Address, Credentials, EndpointOptions, cert};
use coffee_common::{
    id::NodeName,
    limits::{CONNECTIONS_RANGE, NODE_CONNECTIONS_MAX, STRANGER_CONNECTIONS_MAX},
    protocol::Role,
    quic::{ConnectError, Connection, Endpoint, Expect, Protocol},
};
use coffee_tests::cluster::Cluster;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{budgets::Stop, peers};

/// Enough, with as many connections as a member may have, to use up all places of a node.
const STRANGERS: usize = 2 * *CONNECTIONS_RANGE.start() / NODE_CONNECTIONS_MAX;

/// After a refused connection.
const PAUSE: Duration = Duration::from_millis(20);

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn are_given_to_members() {
    let settings = format!("[limits]\nconnections_max = {}\n", CONNECTIONS_RANGE.start());
    let mut cluster = Cluster::of(3).with(&settings).start().await;
    let leader = cluster.leader().await;
    let follower = cluster.watched().iter().find(|node| node.name() != leader).expect("a follower");
    let follower = follower.name().to_owned();
    let (stop, stopped) = watch::channel(false);
    let full = watch::Sender::new(0);
    let mut strangers = JoinSet::new();
    for n in 0..STRANGERS {
        let credentials = certificate(&cluster, &format!("hu-{n}"));
        for victim in cluster.addresses() {
            let stranger = StrangerFlood { credentials: credentials.clone(), victim, full: full.clone() };
            strangers.spawn(stranger.connects(stopped.clone()));
        }
    }
    let all = strangers.len();
    let mut refused = full.subscribe();
    let refused = tokio::time::timeout(PATIENCE, refused.wait_for(|full| *full == all));
    refused.await.expect("in time").expect("the sender is there");
    cluster.coffeectl_via(&leader, ["set", "order/1", "latte"]).ok().await;
    let address = cluster.node(&leader).address();
    let writer = cluster.client(Role::Writer).at(address).expect("a client").with_timeout(PATIENCE);
    writer.set("order/2", "mocha").await.expect("it gets a connection");
    writer.close().await;
    // A member that returns dials again, while the strangers want the places that it had.
    cluster.node(&follower).kill().await;
    cluster.node(&follower).start().await;
    cluster.coffeectl_via(&follower, ["set", "order/3", "flat white", "--timeout", "20s"]).ok().await;
    cluster.coffeectl(["wait", "--for", "synced", "--timeout", "20s"]).ok().await;
    stop.send_replace(true);
    let returned = cluster.node(&follower).address();
    while let Some(ended) = strangers.join_next().await {
        let (victim, held) = ended.expect("it runs to the end");
        // While a node starts it does not know the members.
        let most = if victim == returned { NODE_CONNECTIONS_MAX } else { STRANGER_CONNECTIONS_MAX };
        assert!((1..=most).contains(&held), "a stranger has {held} connections with {victim}");
    }
}

struct StrangerFlood {
    credentials: Credentials,
    victim: Address,
    /// How many of the strangers were refused by a node that is full.
    full: watch::Sender<usize>,
}

impl StrangerFlood {
    /// Opens as many connections as it gets until it is stopped, and returns how many were open then.
    async fn connects(self, mut stop: Stop) -> (Address, usize) {
        let endpoint = Endpoint::dial_only(&self.credentials, &EndpointOptions::default()).expect("a socket");
        let (mut held, mut is_full) = (Vec::<Connection>::new(), false);
        let dial = async {
            for protocol in [Protocol::Client, Protocol::Peer].into_iter().cycle() {
                held.retain(|connection| !connection.is_closed());
                match endpoint.connect(&self.victim, &Expect::AnyNode, protocol).await {
                    Ok(connection) => held.push(connection),
                    Err(ConnectError::Busy { .. }) if !std::mem::replace(&mut is_full, true) => {
                        self.full.send_modify(|full| *full += 1);
                    }
                    Err(_) => sleep(PAUSE).await,
                }
            }
        };
        tokio::select! {
            () = dial => {}
            // Fails only if the test has ended.
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let held = held.iter().filter(|connection| !connection.is_closed()).count();
        (self.victim, held)
    }
}

fn certificate(cluster: &Cluster, name: &str) -> Credentials {
    let node: NodeName = name.parse().expect("legal");
    cert::issue_node(&cluster.certs(), &node, &[], cert::LEAF_DAYS, cert::Existing::Keep)
        .expect("a certificate");
    peers::credentials(cluster, name)
}
