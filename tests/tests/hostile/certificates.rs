//! Callers with every kind of invalid certificate: each is rejected during its handshake,
//! or once its certificate expires, and none reaches Raft.

mod cases;
mod sessions;

use std::{fs::OpenOptions, io::Write, time::Duration};

use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::cluster::Cluster;

use self::cases::{ACCEPTED, Case, Signers};
use crate::support::{cert_forger, raw_client::RawClient};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn are_rejected() {
    let elsewhere = Cluster::of(1).prepare();
    let mut cluster = Cluster::of(1).prepare();
    let certs = cluster.certs();
    let signers = Signers { ca: cert_forger::issuer(&certs), wide: cert_forger::wide_ca() };
    let mut believed = OpenOptions::new().append(true).open(certs.join("ca.crt")).expect("a CA");
    believed.write_all(signers.wide.pem().as_bytes()).expect("one CA more");
    cluster.found(1).await;

    let before = raft(&cluster).await;
    let address = cluster.addresses().remove(0);
    let mut wrong = Vec::new();
    for Case { name, alpn, shown, expected } in cases::all(&certs, &elsewhere.certs(), &signers) {
        let end = RawClient::new(shown.as_ref(), alpn).dial(&address).await.err().unwrap_or_default();
        row(name, &end);
        if (end == ACCEPTED) != (expected == ACCEPTED) || !end.contains(expected) {
            wrong.push(format!("{name}: {end:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    sessions::end_with_their_certificates(&address, &signers.ca).await;
    let after = raft(&cluster).await;
    assert_eq!((after.term, after.last_log), (before.term, before.last_log), "nothing reaches Raft");
    let ming = cluster.node("ming");
    // The audit log has them, in bounded number.
    assert!(ming.log().says(0, "none connect: denied: rejected the certificate of", PATIENCE).await);
    let denials = ming.log().tail(usize::MAX).matches("none connect: denied").count();
    assert!(denials <= 12, "{denials} lines about connections that were denied");
    assert!(!ming.log().tail(usize::MAX).contains("panicked"), "{}", ming.log().tail(40));
    assert!(ming.stop().await.success(), "it did not restart");
}

async fn raft(cluster: &Cluster) -> RaftStatus {
    cluster.client(Role::Reader).status().await.expect("it answers").raft.expect("it takes part")
}

#[expect(clippy::print_stdout, reason = "these tests exist for their figures")]
fn row(name: &str, end: &str) {
    println!("certificate: {name} | {}", if end == ACCEPTED { "accepted" } else { end });
}
