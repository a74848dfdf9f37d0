//! Which address a link dials, and how many lines it logs.

use coffee_client::cert::Ca;
use coffee_common::{id::ClusterName, protocol::Role, quic::EndpointOptions};

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
    PeerLink::new(endpoint, Member { name: hong, address: address(1) })
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

/// hong accepts each connection and closes it as if it stopped.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_again_and_again_does_not_fill_the_log() {
    let link = to_hong();
    let lines = (0..1_000).filter(|_| link.admit_line().is_some()).count();
    assert_eq!(lines, LINES as usize);
    tokio::time::advance(LINE_INTERVAL).await;
    assert_eq!((link.admit_line(), link.admit_line()), (Some(990), None));
}
