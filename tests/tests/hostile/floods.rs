//! More connections than anybody needs, without certificates and with.

use std::time::Duration;

use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    protocol::{ALPN_CLIENT, ALPN_PEER, Role},
    quic::{Connection, Endpoint, Expect, Protocol},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{scene::Scene, stranger::Stranger, tally::Tally};

/// How many dial at once: the attackers share the machine with the daemons, and
/// more would measure what the processors leave over.
const LANES: usize = 8;

const PATIENCE: Duration = Duration::from_secs(30);

/// Dials so often without a certificate, from many sides at once.
pub(crate) async fn strangers(scene: &Scene, count: usize) -> Tally {
    let victims = scene.victims().await;
    let mut running = JoinSet::new();
    for lane in 0..LANES {
        let victim = victims[lane % victims.len()].clone();
        running.spawn(async move {
            let stranger = Stranger::new(None, if lane % 2 == 0 { ALPN_CLIENT } else { ALPN_PEER });
            let mut tally = Tally::sent(count / LANES);
            for _ in 0..tally.sent {
                let end = stranger.dial(&victim).await.expect_err("nobody is let in without a certificate");
                tally.note(end);
            }
            tally
        });
    }
    Tally::gather(running).await
}

/// Dials so often with a good certificate, and goes at once.
pub(crate) async fn visitors(scene: &Scene, count: usize) -> Tally {
    let victims = scene.victims().await;
    let mut running = JoinSet::new();
    for lane in 0..LANES {
        let (credentials, victim) =
            (scene.cluster.credentials(Role::Reader), victims[lane % victims.len()].clone());
        running.spawn(async move {
            let endpoint = endpoint(&credentials);
            let mut tally = Tally::sent(count / LANES);
            for _ in 0..tally.sent {
                dial(&endpoint, &victim).await.close("no more than a visit");
                tally.note("let in");
            }
            endpoint.close("done").await;
            tally
        });
    }
    Tally::gather(running).await
}

/// Opens so many connections to the leader with good certificates, and keeps
/// all of them, silent, until there are as many as there should be.
pub(crate) async fn guests(scene: &Scene, count: usize) -> Tally {
    let victim = scene.victims().await.remove(0);
    let credentials = scene.cluster.credentials(Role::Reader);
    let mut running = JoinSet::new();
    for _ in 0..LANES {
        let (credentials, victim) = (credentials.clone(), victim.clone());
        running.spawn(async move {
            let endpoint = endpoint(&credentials);
            let mut kept = Vec::new();
            for _ in 0..count / LANES {
                kept.push(dial(&endpoint, &victim).await);
            }
            (endpoint, kept)
        });
    }
    let mut tally = Tally::default();
    for (_endpoint, kept) in running.join_all().await {
        tally.add(Tally::sent(kept.len()));
        for connection in kept {
            tally.note(if connection.is_closed() { "closed" } else { "kept" });
        }
    }
    tally
}

fn endpoint(credentials: &Credentials) -> Endpoint {
    Endpoint::dial_only(credentials, &EndpointOptions::default()).expect("a socket")
}

/// Dials until there is room.
async fn dial(endpoint: &Endpoint, victim: &Address) -> Connection {
    let in_the_end = async {
        loop {
            if let Ok(connection) = endpoint.connect(victim, &Expect::AnyNode, Protocol::Client).await {
                return connection;
            }
        }
    };
    timeout(PATIENCE, in_the_end).await.expect("a good certificate is let in")
}
