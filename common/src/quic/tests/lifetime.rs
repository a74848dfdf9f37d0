//! How connections begin and end: names, silence, closing, crashes.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn closing_tells_the_other_side_why() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    dialled.close("done for today");
    assert_eq!(accepted.closed().await, Disconnect::ByPeer("done for today".to_owned()));
    assert_eq!(dialled.closed().await, Disconnect::ByUs);
    assert!(dialled.is_closed() && accepted.is_closed());
}

#[tokio::test]
async fn a_closed_endpoint_has_told_its_peers_and_does_no_more() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, _accepted) = pair(&ops, &hong).await;
    hong.close("the shop closes").await;
    assert_eq!(dialled.closed().await, Disconnect::ByPeer("the shop closes".to_owned()));
    assert!(hong.accept().await.is_none());
    let error = hong.connect(&address(&hong), &Expect::AnyNode, Protocol::Client).await.expect_err("closed");
    assert_eq!(error, ConnectError::EndpointClosed);
}

#[tokio::test]
async fn control_characters_in_a_reason_do_not_reach_a_terminal() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = pair(&ops, &hong).await;
    dialled.close(&format!("\u{1b}[2J{}", "x".repeat(1_000)));
    let Disconnect::ByPeer(reason) = accepted.closed().await else { panic!("closed by the other side") };
    assert!(reason.starts_with("\u{fffd}[2Jx"), "{reason}");
    assert_eq!(reason.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_wait_is_bounded() {
    let ca = TestCa::new();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let to = silent.local_addr().expect("bound").into();
    let begun = tokio::time::Instant::now();
    let error =
        client(&ca, "admin").connect(&to, &Expect::AnyNode, Protocol::Client).await.expect_err("silence");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot reach {to}: no answer in time"));
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_host_name_is_tried_at_each_of_its_addresses() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    // If localhost resolves to ::1 first, nothing answers there.
    let to = Address::new(format!("localhost:{}", hong.local_address().port())).expect("legal");
    let accept = async { hong.accept().await.expect("a dialler").complete().await };
    let (dialled, accepted) = tokio::join!(ops.connect(&to, &Expect::AnyNode, Protocol::Client), accept);
    dialled.expect("dials");
    accepted.expect("accepts");
}

#[tokio::test]
async fn an_address_of_another_kind_than_the_socket_is_said_to_be_out_of_reach() {
    let ca = TestCa::new();
    let to = Address::new("[::1]:7400").expect("legal");
    let error =
        serve(&ca, "hong").connect(&to, &Expect::AnyNode, Protocol::Peer).await.expect_err("IPv4 alone");
    assert!(error.to_string().contains("no address that this socket can reach"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named_with_a_hint() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    let error =
        Endpoint::serve(hong.local_address(), &ca.credentials("node", "ming"), &EndpointOptions::default())
            .expect_err("taken");
    assert!(error.to_string().contains(&hong.local_address().to_string()), "{error}");
    assert!(error.hint().contains("another process uses the port"), "{}", error.hint());
}

#[tokio::test]
async fn timers_that_cannot_work_together_are_refused() {
    let options = EndpointOptions { keep_alive: Duration::from_secs(2), ..EndpointOptions::default() };
    let error =
        Endpoint::dial_only(&TestCa::new().credentials("admin", "ops"), &options).expect_err("too slow");
    assert!(matches!(error, EndpointError::Setup(_)), "{error:?}");
}

/// A node that crashes sends no notice. After a restart it receives packets of connections that it
/// does not know. A secret from its key proves to the peers that these are gone, so no peer waits
/// for a timeout.
#[test]
fn a_node_that_crashed_and_came_back_is_noticed_at_once() {
    let ca = TestCa::new();
    let credentials = ca.credentials("node", "hong");
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (mine, theirs) = (runtime().expect("a runtime"), runtime().expect("a runtime"));
    let hong = theirs.block_on(async { serve_as(&credentials) });
    let listen = hong.local_address();
    let options = EndpointOptions {
        idle_timeout: Duration::from_secs(60),
        keep_alive: Duration::from_millis(100),
        ..EndpointOptions::default()
    };
    let ops = mine
        .block_on(async { Endpoint::dial_only(&ca.credentials("admin", "ops"), &options) })
        .expect("binds");
    let accepting = theirs.spawn(async move { hong.accept().await.expect("a dialler").complete().await });
    let to = listen.into();
    let dialled = mine.block_on(ops.connect(&to, &Expect::AnyNode, Protocol::Client)).expect("dials");
    let accepted = mine.block_on(accepting).expect("no panic").expect("accepts");

    // The crash: its tasks are gone before they can send a notice.
    theirs.shutdown_timeout(Duration::from_secs(1));
    drop(accepted);
    let _again = mine.block_on(async {
        Endpoint::serve(listen, &credentials, &EndpointOptions::default()).expect("the port is free")
    });
    let end = mine.block_on(async { timeout(Duration::from_secs(2), dialled.closed()).await });
    assert_eq!(end, Ok(Disconnect::Restarted));
}
