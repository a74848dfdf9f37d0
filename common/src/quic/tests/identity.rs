//! Which peers are accepted and rejected, and what either side is told.

use rcgen::ExtendedKeyUsagePurpose as Eku;

use super::*;
use crate::{
    protocol::Identity,
    tls::{
        RefusalReason,
        testing::{Leaf, TestClock},
    },
};

#[tokio::test]
async fn both_sides_know_who_the_other_one_is() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let (dialled, accepted) = meet(&ops, &hong, Expect::Node(name("hong")), Protocol::Client).await;
    let (dialled, accepted) = (dialled.expect("dials"), accepted.expect("accepts"));
    assert_eq!(*dialled.peer(), Identity::new(Role::Node, name("hong")));
    assert_eq!(*accepted.peer(), Identity::new(Role::Admin, name("ops")));
    assert_eq!((dialled.protocol(), accepted.protocol()), (Protocol::Client, Protocol::Client));
    assert_eq!(dialled.remote_address(), hong.local_address());
    assert!(accepted.remote_address().is_ipv4());
}

#[tokio::test]
async fn nodes_of_any_legal_name_meet() {
    let ca = TestCa::new();
    for node in ["7", "1-2", "a", &"n".repeat(63)] {
        let (acceptor, dialler) = (serve(&ca, node), serve(&ca, "ming"));
        let (dialled, _) = meet(&dialler, &acceptor, Expect::Node(name(node)), Protocol::Peer).await;
        assert_eq!(dialled.expect("dials").peer().name, name(node));
    }
}

#[tokio::test]
async fn a_node_with_another_name_is_refused() {
    let ca = TestCa::new();
    let (hong, ming) = (serve(&ca, "hong"), serve(&ca, "ming"));
    let (dialled, accepted) = meet(&ming, &hong, Expect::Node(name("peng")), Protocol::Peer).await;
    let error = dialled.expect_err("another name");
    assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
    assert!(error.to_string().contains("it belongs to node hong; node peng was expected"), "{error}");
    assert!(matches!(accepted, Err(ConnectError::Identity { by_us: false, .. })), "{accepted:?}");
}

#[tokio::test]
async fn another_ca_is_refused() {
    let (ours, theirs) = (TestCa::new(), TestCa::new());
    let (hong, other) = (serve(&ours, "hong"), client(&theirs, "admin"));
    let (dialled, accepted) = meet(&other, &hong, Expect::AnyNode, Protocol::Client).await;
    let error = dialled.expect_err("another CA");
    assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
    assert!(error.to_string().contains("not signed by the CA"), "{error}");
    let error = accepted.expect_err("another CA");
    assert!(
        error.to_string().contains("rejected our certificate: the certificate was signed by another CA"),
        "{error}"
    );
}

#[tokio::test]
async fn only_a_node_speaks_the_peer_protocol() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    for role in ["admin", "writer", "reader"] {
        let (dialled, accepted) = meet(&client(&ca, role), &hong, Expect::AnyNode, Protocol::Peer).await;
        let error = dialled.expect_err("no node");
        assert!(matches!(error, ConnectError::Identity { by_us: false, .. }), "{error:?}");
        let sentence = format!("the peer protocol is for nodes; this is {role} ops");
        assert!(error.to_string().contains(&sentence), "{error}");
        assert!(matches!(accepted, Err(ConnectError::Identity { by_us: true, .. })), "{accepted:?}");
    }
}

#[tokio::test]
async fn a_node_refuses_callers_with_bad_certificates() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    let ops = Identity::new(Role::Admin, name("ops"));
    let good = || Leaf::of("admin", "ops");
    let uris = |uris: &[&str]| Leaf { uris: uris.iter().map(|&uri| uri.into()).collect(), ..good() };
    let cases = [
        (uris(&[]), "does not have the expected contents"),
        (
            uris(&["coffee://shops/admin/ops", "coffee://shops/reader/ops"]),
            "does not have the expected contents",
        ),
        (uris(&["coffee://shops/boss/ops"]), "does not have the expected contents"),
        (uris(&["coffee://staging/admin/ops"]), "does not have the expected contents"),
        (uris(&["coffee://admin/ops"]), "does not have the expected contents"),
        (Leaf { valid: (-7_200, -3_600), ..good() }, "has expired, or is not yet valid"),
        (Leaf { valid: (3_600, 7_200), ..good() }, "has expired, or is not yet valid"),
        (Leaf { usages: vec![Eku::ServerAuth], ..good() }, "not valid for this purpose"),
    ];
    for (leaf, sentence) in cases {
        let caller = dialler_as(&ca.unchecked(&leaf, ops.clone()));
        let (dialled, accepted) = meet(&caller, &hong, Expect::AnyNode, Protocol::Client).await;
        let error = dialled.expect_err(sentence);
        assert!(matches!(error, ConnectError::Identity { by_us: false, .. }), "{error:?}");
        assert!(error.to_string().contains(sentence), "{error} / {sentence}");
        let error = accepted.expect_err(sentence);
        assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
        assert!(error.to_string().contains(sentence), "{error} / {sentence}");
    }
}

#[tokio::test]
async fn a_caller_refuses_nodes_with_bad_certificates() {
    let ca = TestCa::new();
    let ops = client(&ca, "admin");
    let hong = Identity::new(Role::Node, name("hong"));
    let good = || Leaf::of("node", "hong");
    let uris = |uris: &[&str]| Leaf { uris: uris.iter().map(|&uri| uri.into()).collect(), ..good() };
    let cases = [
        (uris(&[]), "it has no role"),
        (uris(&["coffee://shops/node/hong", "coffee://shops/admin/ops"]), "more than one coffee:// URI"),
        (uris(&["coffee://shops/admin/ops"]), "it belongs to admin ops, which is not a node"),
        (uris(&["coffee://staging/node/hong"]), "it was issued for cluster staging; this is cluster shops"),
        (uris(&["coffee://node/hong"]), "it names no cluster"),
        (Leaf { valid: (-864_000, -432_000), ..good() }, "it expired 5 days ago"),
        (Leaf { valid: (600, 3_600), ..good() }, "it becomes valid only in "),
        (Leaf { usages: vec![Eku::ClientAuth], ..good() }, "not valid for this purpose"),
    ];
    for (leaf, sentence) in cases {
        let node = serve_as(&ca.unchecked(&leaf, hong.clone()));
        let (dialled, accepted) = meet(&ops, &node, Expect::AnyNode, Protocol::Client).await;
        let error = dialled.expect_err(sentence);
        assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
        assert!(error.to_string().contains(sentence), "{error} / {sentence}");
        assert!(matches!(accepted, Err(ConnectError::Identity { by_us: false, .. })), "{accepted:?}");
    }
}

#[tokio::test]
async fn a_self_signed_node_is_refused() {
    let ca = TestCa::new();
    let (cert, key) = Leaf::of("node", "hong").self_signed();
    let identity = Identity::new(Role::Node, name("hong"));
    let forged = Credentials::unchecked(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes(), identity);
    let (dialled, _) =
        meet(&client(&ca, "admin"), &serve_as(&forged), Expect::AnyNode, Protocol::Client).await;
    let error = dialled.expect_err("self-signed");
    assert!(error.to_string().contains("not signed by the CA"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_does_not_listen() {
    let credentials = TestCa::new().credentials("admin", "ops");
    let listen = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let error = Endpoint::serve(listen, &credentials, &EndpointOptions::default()).expect_err("no node");
    assert!(matches!(error, EndpointError::NotANode(_)), "{error:?}");
}

#[tokio::test]
async fn a_certificate_that_expires_while_we_run_is_refused_from_then_on() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
    let (ca_pem, late) = (ca.pem(), TestClock::at(7_200));
    // Only the caller's clock says that an hour has passed.
    let ops = ca.issue(&Leaf { valid: (-300, 10_000), ..Leaf::of("admin", "ops") });
    let ops = Credentials::from_pem_with_clock(ca_pem.as_bytes(), ops.0.as_bytes(), ops.1.as_bytes(), late);
    let hong = Credentials::from_pem(ca_pem.as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good");
    let (dialled, _) =
        meet(&dialler_as(&ops.expect("good")), &serve_as(&hong), Expect::AnyNode, Protocol::Client).await;
    let error = dialled.expect_err("expired");
    assert!(error.to_string().contains("it expired 60 minutes ago"), "{error}");
}

/// A caller without a certificate.
#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<std::sync::Arc<rustls::sign::CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

/// Dials with TLS settings that no [`Endpoint`] would use, and returns why the connection ended.
async fn dial_raw(ca: &TestCa, to: &Endpoint, alpn: &[u8], show_certificate: bool) -> Disconnect {
    let credentials = ca.credentials("admin", "ops");
    let mut tls = crate::tls::client_config(&credentials, None, alpn, RefusalReason::default())
        .expect("a configuration");
    if !show_certificate {
        tls.client_auth_cert_resolver = std::sync::Arc::new(NoCertificate);
    }
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("TLS 1.3");
    let config = quinn::ClientConfig::new(std::sync::Arc::new(crypto));
    let raw = quinn::Endpoint::client("127.0.0.1:0".parse().expect("legal")).expect("binds");
    let connecting = raw.connect_with(config, to.local_address(), "any").expect("dials");
    let accept = async { to.accept().await.expect("a dialler").complete().await };
    let dial = async {
        match connecting.await {
            Ok(connection) => Disconnect::of(&connection.closed().await),
            Err(error) => Disconnect::of(&error),
        }
    };
    let (end, accepted) = tokio::join!(dial, accept);
    accepted.expect_err("not accepted");
    end
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_refused() {
    let ca = TestCa::new();
    let end = dial_raw(&ca, &serve(&ca, "hong"), b"coffee/1", false).await;
    let cause = "a certificate is required, and none was presented".to_owned();
    assert_eq!(end, Disconnect::Refused { by_us: false, cause });
}

#[tokio::test]
async fn a_caller_with_another_protocol_is_told_apart() {
    let ca = TestCa::new();
    let hong = serve(&ca, "hong");
    for alpn in [&b"coffee/9"[..], b"h3"] {
        let end = dial_raw(&ca, &hong, alpn, true).await;
        assert!(matches!(end, Disconnect::WrongProtocol(_)), "{end:?}");
    }
}
