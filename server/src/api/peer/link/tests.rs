//! Which address a link dials, and how many lines it logs.

use std::sync::atomic::{AtomicUsize, Ordering};

use coffee_client::cert::Ca;
use coffee_common::{id::ClusterName, protocol::Role, quic::EndpointOptions};
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::*;

fn address(port: u16) -> Address {
    format!("127.0.0.1:{port}").parse().expect("legal")
}

/// A link from ming to hong, which the membership has at port 1.
fn to_hong() -> PeerLink {
    let (ming, hong) = ("ming".parse().expect("legal"), "hong".parse().expect("legal"));
    let credentials = Ca::create(&ClusterName::default())
        .expect("a CA")
        .credentials(Role::Node, &ming)
        .expect("credentials");
    let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("binds");
    PeerLink::new(endpoint, Member { name: hong, address: address(1) }, EventLog::default())
}

/// hong starts at another address, and then at its former one again.
#[tokio::test]
async fn an_address_that_the_member_says_no_longer_is_not_dialled() {
    let link = to_hong();
    let dials = |link: &PeerLink| [(); 3].map(|()| lock(&link.inner).next_address());
    assert_eq!(dials(&link), [1, 1, 1].map(address));
    link.hear(Some(&address(2)));
    assert_eq!(dials(&link), [2, 1, 2].map(address));
    link.hear(Some(&address(2)));
    assert_eq!(dials(&link), [1, 2, 1].map(address), "they take turns");
    link.hear(None);
    assert_eq!(dials(&link), [1, 1, 1].map(address));
}

/// Counts the lines at these levels.
#[derive(Clone)]
struct LineCount(Arc<AtomicUsize>, Level);

impl Subscriber for LineCount {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.1 && metadata.target() == module_path!().trim_end_matches("::tests")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The number of lines that this logs by default.
fn lines_of(log: impl FnOnce()) -> usize {
    lines_at(Level::INFO, log)
}

fn lines_at(level: Level, log: impl FnOnce()) -> usize {
    let count = LineCount(Arc::default(), level);
    tracing::subscriber::with_default(count.clone(), log);
    count.0.load(Ordering::Relaxed)
}

/// A connection to a node that accepts it.
async fn connection(ca: &Ca) -> (Endpoint, Connection) {
    let credentials = ca.credentials(Role::Node, &"hong".parse().expect("legal")).expect("credentials");
    let options = EndpointOptions::default();
    let endpoint = Endpoint::serve(([127, 0, 0, 1], 0).into(), &credentials, &options).expect("binds");
    let address = endpoint.local_address().into();
    let dial = endpoint.connect(&address, &Expect::AnyNode, Protocol::Peer);
    let accept = async { endpoint.accept().await.expect("is dialled").complete().await };
    let (dialled, accepted) = tokio::join!(dial, accept);
    accepted.expect("accepted");
    let connection = dialled.expect("connected");
    (endpoint, connection)
}

/// hong accepts each connection and closes it as if it stopped.
#[tokio::test]
async fn a_peer_that_stops_again_and_again_does_not_fill_the_log() {
    let (link, ca) = (to_hong(), Ca::create(&ClusterName::default()).expect("a CA"));
    let (_endpoint, connection) = connection(&ca).await;
    tokio::time::pause();
    let (at, connected) = (address(1), Ok(connection));
    let stop_and_return = || {
        link.stops();
        link.finish_dial(&at, &connected);
    };
    let lines = lines_of(|| (0..1_000).for_each(|_| stop_and_return()));
    // The first half of the lines says that it stops, the other one that it is back.
    assert_eq!(lines, LINES as usize, "at once");
    tokio::time::advance(LINE_INTERVAL).await;
    assert_eq!(lines_of(stop_and_return), 2, "it stops, and is back");
    assert_eq!(lines_of(stop_and_return), 0);
}

#[tokio::test]
async fn a_line_that_a_peer_failed_is_followed_by_one_that_it_is_back() {
    let (link, ca) = (to_hong(), Ca::create(&ClusterName::default()).expect("a CA"));
    let (_endpoint, connection) = connection(&ca).await;
    tokio::time::pause();
    let (at, connected) = (address(1), Ok(connection));
    let (to, cause) = (at.to_string(), "a test".to_owned());
    let unreachable = Err(ConnectError::Unreachable { address: to.clone(), cause: cause.clone() });
    let other = Err(ConnectError::Protocol { address: to, cause });
    let fail = || link.finish_dial(&at, &unreachable);
    // Each is another failure than the one before.
    let lines = lines_of(|| {
        (0..1_000).for_each(|_| {
            link.finish_dial(&at, &other);
            fail();
        });
    });
    assert_eq!(lines, LINES as usize);
    assert_eq!(lines_of(|| link.finish_dial(&at, &connected)), 1, "peer reachable again");
    assert_eq!(lines_of(fail), 0, "not shown");
    assert_eq!(lines_of(|| link.finish_dial(&at, &connected)), 0, "the last line says that it is back");
}

/// A node that has just become the leader may dial a peer for the first time while that one stops.
#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_no_connection_is_warned_of_once_it_lasts() {
    let (link, at) = (to_hong(), address(1));
    let (to, cause) = (at.to_string(), "a test".to_owned());
    let busy = Err(ConnectError::Busy { address: to.clone(), cause: cause.clone() });
    let unreachable = Err(ConnectError::Unreachable { address: to, cause });
    let fail = || {
        link.finish_dial(&at, &busy);
        link.finish_dial(&at, &unreachable);
    };
    assert_eq!(lines_of(|| link.finish_dial(&at, &busy)), 1, "it is said");
    assert_eq!(lines_of(fail), 0);
    tokio::time::advance(AWAY_MAX).await;
    assert_eq!(lines_at(Level::WARN, || link.finish_dial(&at, &busy)), 1);
    assert_eq!(lines_of(|| link.finish_dial(&at, &busy)), 0, "the same");
}
