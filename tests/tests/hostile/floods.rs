//! Floods of connections, without and with certificates.

use std::time::Duration;

use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    protocol::{ALPN_CLIENT, ALPN_PEER, Role},
    quic::{Connection, Endpoint, Expect, Protocol},
};
use tokio::{task::JoinSet, time::timeout};

use crate::support::{environment::HostileEnvironment, raw_client::RawClient, tally::Tally};

/// Concurrent dialers. The attackers share the machine with the daemons: more would
/// measure its processors.
const LANES: usize = 8;

const PATIENCE: Duration = Duration::from_secs(30);

/// Dials `count` times without a certificate, concurrently.
pub(crate) async fn unauthenticated(environment: &HostileEnvironment, count: usize) -> Tally {
    let victims = environment.victims().await;
    let mut running = JoinSet::new();
    for lane in 0..LANES {
        let victim = victims[lane % victims.len()].clone();
        running.spawn(async move {
            let raw_client = RawClient::new(None, if lane % 2 == 0 { ALPN_CLIENT } else { ALPN_PEER });
            let mut tally = Tally::sent(count / LANES);
            for _ in 0..tally.sent {
                let end =
                    raw_client.dial(&victim).await.expect_err("a caller without a certificate is rejected");
                tally.note(end);
            }
            tally
        });
    }
    Tally::gather(running).await
}

/// Dials `count` times with a valid certificate, and closes at once.
pub(crate) async fn short_lived(environment: &HostileEnvironment, count: usize) -> Tally {
    let victims = environment.victims().await;
    let mut running = JoinSet::new();
    for lane in 0..LANES {
        let (credentials, victim) =
            (environment.cluster.credentials(Role::Reader), victims[lane % victims.len()].clone());
        running.spawn(async move {
            let endpoint = endpoint(&credentials);
            let mut tally = Tally::sent(count / LANES);
            for _ in 0..tally.sent {
                dial(&endpoint, &victim).await.close("no more than a visit");
                tally.note("accepted");
            }
            endpoint.close("done").await;
            tally
        });
    }
    Tally::gather(running).await
}

/// Opens `count` idle connections to the leader with valid certificates, and keeps them
/// until all are open.
pub(crate) async fn idle(environment: &HostileEnvironment, count: usize) -> Tally {
    let victim = environment.victims().await.remove(0);
    let credentials = environment.cluster.credentials(Role::Reader);
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

/// Dials until the connection is accepted.
async fn dial(endpoint: &Endpoint, victim: &Address) -> Connection {
    let in_the_end = async {
        loop {
            if let Ok(connection) = endpoint.connect(victim, &Expect::AnyNode, Protocol::Client).await {
                return connection;
            }
        }
    };
    timeout(PATIENCE, in_the_end).await.expect("a valid certificate is accepted")
}
