//! New credentials while connections live: which ones continue, and which are closed.

use super::*;
use crate::{protocol::Identity, tls::testing::Leaf};

const NOW: (i64, i64) = (-60, 3_600);

fn credentials(bundle: &str, (cert, key): &(String, String)) -> Credentials {
    Credentials::from_pem(bundle.as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good credentials")
}

/// Returns whether a message still arrives at the other side.
async fn talks((other, one): &(Connection, Connection)) -> bool {
    let Ok(mut sender) = one.open_uni(Priority::Normal).await else { return false };
    if sender.send(crate::frame::encode(&7_u8).expect("encodes")).await.is_err() {
        return false;
    }
    let Ok(mut receiver) = other.accept_uni().await else { return false };
    matches!(receiver.receive().await, Ok(Some(_)))
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_from_the_next_connection_on() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    let before = pair(&ops, &hong).await;
    let new = ca.credentials("node", "hong");
    assert_eq!(hong.reload(&new).expect("reloads"), []);
    let after = pair(&ops, &hong).await;
    assert_ne!(before.0.peer_serial(), after.0.peer_serial());
    assert_eq!(after.0.peer_serial(), new.serial());
    assert!(talks(&before).await && talks(&after).await, "neither was disturbed");
    // A dialler presents its new certificate as well.
    let new = ca.credentials("admin", "ops");
    ops.reload(&new).expect("reloads");
    assert_eq!(pair(&ops, &hong).await.1.peer_serial(), new.serial());
}

#[tokio::test]
async fn a_revoked_peer_is_cut_off_and_not_accepted_again() {
    let ca = TestCa::new();
    let (lost, kept) = (ca.issue(&Leaf::of("writer", "till")), ca.issue(&Leaf::of("writer", "desk")));
    let hong = serve(&ca, "hong");
    let (till, desk) = (credentials(&ca.pem(), &lost), credentials(&ca.pem(), &kept));
    let (till, desk) = (dialler_as(&till), dialler_as(&desk));
    let (tills, desks) = (pair(&till, &hong).await, pair(&desk, &hong).await);
    // The first connection is only held by a stream.
    let (till_side, hong_side) = tills;
    let stream = hong_side.open_uni(Priority::Normal).await.expect("opens");
    drop(hong_side);

    let list = ca.revocations(&[&lost.0], NOW);
    let with_list = hong.credentials().with_revocations(list.as_bytes()).expect("a good list");
    let ended = hong.reload(&with_list).expect("reloads");
    assert_eq!(ended, [Identity::new(Role::Writer, name("till"))]);
    let Disconnect::Refused { by_us: false, cause } = till_side.closed().await else { panic!("cut off") };
    assert_eq!(cause, "the certificate of writer till: it was revoked");
    drop(stream);
    assert!(talks(&desks).await, "a peer that was not revoked continues");

    let (dialled, accepted) = meet(&till, &hong, Expect::AnyNode, Protocol::Client).await;
    let error = dialled.expect_err("revoked");
    assert!(error.to_string().contains("rejected our certificate: the certificate was revoked"), "{error}");
    assert!(matches!(accepted, Err(ConnectError::Identity { by_us: true, .. })), "{accepted:?}");
    pair(&desk, &hong).await;
}

#[tokio::test]
async fn a_node_that_was_revoked_is_not_dialled() {
    let ca = TestCa::new();
    let lost = ca.issue(&Leaf::of("node", "hong"));
    let hong = serve_as(&credentials(&ca.pem(), &lost));
    let ming = serve(&ca, "ming");
    let (connection, _other_side) = pair(&ming, &hong).await;
    let list = ca.revocations(&[&lost.0], NOW);
    let with_list = ming.credentials().with_revocations(list.as_bytes()).expect("a good list");
    assert_eq!(ming.reload(&with_list).expect("reloads").len(), 1);
    assert!(connection.is_closed());
    let (dialled, _) = meet(&ming, &hong, Expect::AnyNode, Protocol::Peer).await;
    let error = dialled.expect_err("revoked");
    assert!(matches!(error, ConnectError::Identity { by_us: true, .. }), "{error:?}");
    assert!(error.to_string().ends_with("it was revoked"), "{error}");
}

/// A CA is replaced in three steps, without disturbing peers that keep up with them.
#[tokio::test]
async fn one_ca_takes_the_place_of_another() {
    let (old, new) = (TestCa::new(), TestCa::new());
    let both = new.pem() + &old.pem();
    let leaf = Leaf::of("node", "hong");
    let (old_hong, old_ops) = (old.issue(&leaf), old.issue(&Leaf::of("admin", "ops")));
    let (new_hong, new_ops) = (new.issue(&leaf), new.issue(&Leaf::of("admin", "ops")));
    let hong = serve_as(&credentials(&old.pem(), &old_hong));
    let ops = dialler_as(&credentials(&old.pem(), &old_ops));
    let first = pair(&ops, &hong).await;
    for (bundle, hongs, opss) in
        [(&both, &old_hong, &old_ops), (&both, &new_hong, &old_ops), (&both, &new_hong, &new_ops)]
    {
        assert_eq!(hong.reload(&credentials(bundle, hongs)).expect("reloads"), []);
        assert_eq!(ops.reload(&credentials(bundle, opss)).expect("reloads"), []);
        let next = pair(&ops, &hong).await;
        assert!(talks(&next).await && talks(&first).await);
    }
    let last = pair(&ops, &hong).await;
    // A peer that was accepted because of the old CA is closed once that is not trusted.
    let only_new = credentials(&new.pem(), &new_hong);
    let ended = hong.reload(&only_new).expect("reloads");
    assert!(ended.iter().all(|who| who.name == name("ops")));
    assert!(first.1.is_closed() && !last.1.is_closed());
    assert!(talks(&last).await);
    let late = dialler_as(&credentials(&both, &old_ops));
    let (dialled, _) = meet(&late, &hong, Expect::AnyNode, Protocol::Client).await;
    assert!(dialled.expect_err("the old CA").to_string().contains("signed by another CA"));
}

/// A reload closes no connection because of expiry; a server ends the sessions of its clients itself.
#[tokio::test]
async fn a_reload_closes_no_connection_because_of_expiry() {
    let ca = TestCa::new();
    let soon = ca.issue(&Leaf { valid: (-300, 1), ..Leaf::of("writer", "till") });
    let till = credentials(&ca.pem(), &soon);
    let (hong, ops) = (serve(&ca, "hong"), dialler_as(&till));
    let met = pair(&ops, &hong).await;
    while till.now() < till.valid_until() + 1 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(hong.reload(&ca.credentials("node", "hong")).expect("reloads"), []);
    assert!(talks(&met).await);
}

/// Connections that have ended are forgotten.
#[tokio::test]
async fn the_registry_holds_live_connections() {
    let ca = TestCa::new();
    let (hong, ops) = (serve(&ca, "hong"), client(&ca, "admin"));
    for _ in 0..3 {
        let (dialled, accepted) = pair(&ops, &hong).await;
        assert_eq!((ops.0.registry.all().len(), hong.0.registry.all().len()), (1, 1));
        let (mut sender, receiver) = dialled.open(Priority::Normal).await.expect("opens");
        drop(dialled);
        assert_eq!(ops.0.registry.all().len(), 1, "a stream lives");
        sender.finish();
        drop((sender, receiver));
        assert_eq!(ops.0.registry.all().len(), 0);
        drop(accepted);
        assert_eq!(hong.0.registry.all().len(), 0);
    }
}
