//! The certificate of a node that is not a member: whatever it begins and does not end, a node holds no
//! more for it than for a client.

use std::time::Duration;

use bytes::Bytes;
use coffee_client::{Address, Credentials, EndpointOptions};
use coffee_common::{
    frame::{FRAME_VERSION, HEADER_BYTES},
    limits::{CONNECTION_STREAMS_MAX, FRAME_BYTES_MAX},
    quic::{Endpoint, Expect, Priority, Protocol},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    budgets::{self, GreedyClient, Stop},
    peers,
    support::{
        environment::{AttackBounds, HostileEnvironment},
        tally::Tally,
    },
};

/// Connections with four incomplete requests of 2 MiB each: more than the node may grow by.
const CONNECTIONS: usize = 10;

const LASTS: Duration = Duration::from_secs(8);

/// How long a stream may take to be opened, and its frame to be sent.
const SOON: Duration = Duration::from_secs(3);

pub(crate) async fn are_bounded() {
    let environment = HostileEnvironment::set().await;
    let bounds =
        AttackBounds { quick: Duration::from_millis(100), retries_max: 8, ..AttackBounds::default() };
    let tally = environment.within(bounds, "half frames of a stranger", attack(&environment)).await;
    assert!(tally.of("half a request") > 0 && tally.of("half a hello") > 0, "{tally}");
}

async fn attack(environment: &HostileEnvironment) -> Tally {
    let credentials = peers::credentials(&environment.cluster, "hu");
    let victim = environment.victims().await.remove(0);
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    running.spawn(half_hellos(credentials.clone(), victim.clone(), stopped.clone()));
    running.spawn(budgets::half_frames(GreedyClient {
        credentials,
        victim,
        stop: stopped,
        scale: CONNECTIONS,
    }));
    sleep(LASTS).await;
    stop.send_replace(true);
    Tally::gather(running).await
}

/// Begins the largest frame on each stream to a peer.
async fn half_hellos(credentials: Credentials, victim: Address, mut stopped: Stop) -> Tally {
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
    let connected = endpoint.connect(&victim, &Expect::AnyNode, Protocol::Peer).await;
    let connection = connected.expect("a good certificate");
    let length = u32::try_from(FRAME_BYTES_MAX).expect("in range").to_le_bytes();
    let mut most = vec![0; HEADER_BYTES + FRAME_BYTES_MAX - 1];
    most[..HEADER_BYTES].copy_from_slice(&[length[0], length[1], length[2], length[3], FRAME_VERSION]);
    let most = Bytes::from(most);
    let mut begun = JoinSet::new();
    for _ in 0..CONNECTION_STREAMS_MAX {
        let (connection, most) = (connection.clone(), most.clone());
        begun.spawn(async move {
            let Ok(Ok((mut sender, receiver))) = timeout(SOON, connection.open(Priority::Normal)).await
            else {
                return None;
            };
            // Fails once the node has had enough.
            let _ = timeout(SOON, sender.send(most)).await;
            Some((sender, receiver))
        });
    }
    let mut tally = Tally::default();
    let mut held = Vec::new();
    while let Some(stream) = begun.join_next().await {
        tally.sent += 1;
        let stream = stream.expect("it runs to the end");
        tally.note(if stream.is_some() { "half a hello" } else { "no stream" });
        held.extend(stream);
    }
    // Fails only if the test has ended.
    let _ = stopped.wait_for(|stop| *stop).await;
    tally
}
