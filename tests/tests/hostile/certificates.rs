//! Certificates in the hands of callers that want more than their certificates permit. Each case has a
//! name and an expected outcome: in the handshake, on an open session, shown by a server to a client,
//! and in the requests of every role and scope of keys, at the leader and through a follower.

mod acts;
mod cases;
mod sessions;
mod shown;

use std::{collections::BTreeSet, fs::OpenOptions, io::Write, time::Duration};

use coffee_common::protocol::{ALPN_CLIENT, RaftStatus, Role};
use coffee_tests::cluster::Cluster;

use self::cases::{Case, Signers};
use crate::support::{cert_forger, door_caller::DoorCaller, raw_client::RawClient};

const PATIENCE: Duration = Duration::from_secs(20);

/// The least number of cases.
const CASES_MIN: usize = 60;

/// Expected of a case that is accepted, for comparison.
const ACCEPTED: &str = "";

/// The outcomes of all cases.
#[derive(Debug, Default)]
struct CaseTable {
    names: BTreeSet<String>,
    wrong: Vec<String>,
}

impl CaseTable {
    /// Records how a case ended: why it was rejected, or nothing if it was accepted. `expected` is a
    /// part of that.
    fn judge(&mut self, name: &str, end: &str, expected: &str) {
        row(name, end);
        assert!(self.names.insert(name.to_owned()), "two cases are called {name}");
        if (end == ACCEPTED) != (expected == ACCEPTED) || !end.contains(expected) {
            self.wrong.push(format!("{name}: {end:?} instead of {expected:?}"));
        }
    }

    fn conclude(self) {
        row("cases", &self.names.len().to_string());
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert!(self.names.len() >= CASES_MIN, "{} cases", self.names.len());
    }
}

pub(crate) async fn are_rejected() {
    let mut table = CaseTable::default();
    handshakes(&mut table).await;
    acts::are_judged(&mut table).await;
    table.conclude();
}

async fn handshakes(table: &mut CaseTable) {
    let elsewhere = Cluster::of(1).prepare();
    let mut cluster = Cluster::of(1).over_http().prepare();
    let certs = cluster.certs();
    let signers = Signers { ca: cert_forger::issuer(&certs), wide: cert_forger::wide_ca() };
    let mut believed = OpenOptions::new().append(true).open(certs.join("ca.crt")).expect("a CA");
    believed.write_all(signers.wide.pem().as_bytes()).expect("one CA more");
    cluster.found(1).await;

    let before = raft(&cluster).await;
    let (address, door) = (cluster.addresses().remove(0), cluster.node("ming").http());
    for Case { name, alpn, shown, expected } in cases::all(&certs, &elsewhere.certs(), &signers) {
        let end = RawClient::new(shown.as_ref(), alpn).dial(&address).await.err().unwrap_or_default();
        table.judge(name, &end, expected);
        if alpn == ALPN_CLIENT {
            let end = DoorCaller::new(shown.as_ref(), b"http/1.1", door).rejection().await;
            table.judge(&format!("{name}, over HTTP"), &end, expected);
        }
    }
    sessions::end_with_their_certificates(&address, &signers.ca, table).await;
    shown::are_not_taken_for_a_node(&cluster, &elsewhere.certs(), &signers.ca, table).await;
    let after = raft(&cluster).await;
    assert_eq!((after.term, after.last_log), (before.term, before.last_log), "nothing reaches Raft");
    sessions::end_once_revoked(&cluster, &address, table).await;
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
