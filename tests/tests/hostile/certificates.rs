//! Callers with every wrong certificate: each is turned away in its handshake,
//! and none of them reaches Raft.

use std::{fs::OpenOptions, io::Write};

use coffee_common::protocol::{RaftStatus, Role};
use coffee_tests::cluster::Cluster;

use crate::{
    cases::{self, Case, LET_IN, Signers},
    forge,
    stranger::Stranger,
};

pub(crate) async fn are_turned_away() {
    let elsewhere = Cluster::of(1).prepare();
    let mut cluster = Cluster::of(1).prepare();
    let certs = cluster.certs();
    let signers = Signers { ca: forge::issuer(&certs), wide: forge::wide_ca() };
    let mut believed = OpenOptions::new().append(true).open(certs.join("ca.crt")).expect("a CA");
    believed.write_all(signers.wide.pem().as_bytes()).expect("one CA more");
    cluster.node("ming").start().await;
    cluster.coffeectl(["wait", "--for", "leader"]).ok().await;

    let before = raft(&cluster).await;
    let address = cluster.addresses().remove(0);
    let mut wrong = Vec::new();
    for Case { name, alpn, shown, heard } in cases::all(&certs, &elsewhere.certs(), &signers) {
        let end = Stranger::new(shown.as_ref(), alpn).dial(&address).await.err().unwrap_or_default();
        row(name, &end);
        if (end == LET_IN) != (heard == LET_IN) || !end.contains(heard) {
            wrong.push(format!("{name}: {end:?} is heard, not {heard:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let after = raft(&cluster).await;
    assert_eq!((after.term, after.last_log), (before.term, before.last_log), "nothing reaches Raft");
    let ming = cluster.node("ming");
    assert!(!ming.log().tail(usize::MAX).contains("panicked"), "{}", ming.log().tail(40));
    assert!(ming.stop().await.success(), "it has been up all the time");
}

async fn raft(cluster: &Cluster) -> RaftStatus {
    cluster.client(Role::Reader).status().await.expect("it answers").raft.expect("it takes part")
}

#[expect(clippy::print_stdout, reason = "the figures are what these tests are for")]
fn row(name: &str, end: &str) {
    println!("certificate: {name} | {}", if end == LET_IN { "let in" } else { end });
}
