//! Open sessions whose certificates expire or are revoked.

use std::time::Duration;

use coffee_client::Address;
use coffee_common::protocol::ALPN_CLIENT;
use coffee_tests::cluster::Cluster;
use rcgen::{Issuer, KeyPair};

use super::{ACCEPTED, CaseTable, PATIENCE};
use crate::support::{
    cert_forger::{self, leaf},
    raw_client::{ClientIdentity, RawClient, ended, ending},
};

/// How long the certificates are valid, in seconds.
const VALID_SECONDS: i64 = 4;

/// After a certificate has expired, a client's session is closed within this time.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

/// The TLS alert for a revoked certificate (RFC 8446, section 6).
const REVOKED: &str = "alert 44";

/// The session of a client ends with its certificate; that of a node and of other clients continue.
pub(super) async fn end_with_their_certificates(
    node: &Address,
    ca: &Issuer<'_, KeyPair>,
    table: &mut CaseTable,
) {
    let dial = async |owner: &str, seconds: i64| {
        let mut params = leaf(&[format!("coffee://shops/{owner}").as_bytes()]);
        cert_forger::valid_seconds(&mut params, -10, seconds);
        let client = RawClient::new(Some(&cert_forger::signed(&params, ca, &[])), ALPN_CLIENT);
        let connection = client.dial(node).await.expect("a valid certificate");
        (client, connection)
    };
    let lasting = dial("writer/lasting", 3_600).await;
    let member = dial("node/ming", VALID_SECONDS).await;
    for owner in ["reader/till", "writer/till", "admin/ops", "backup/nightly"] {
        let (_client, connection) = dial(owner, VALID_SECONDS).await;
        let expected = format!("the certificate of {}: it has expired", owner.replace('/', " "));
        let end = ended(&connection, CLOSED_WITHIN).await;
        table.judge(&format!("a session of {owner} whose certificate expires"), &end, &expected);
    }
    for (name, (_client, connection)) in [
        ("a session of a node whose certificate expires", member),
        ("a session whose certificate does not expire", lasting),
    ] {
        let end = connection.close_reason().map(|error| ending(&error)).unwrap_or_default();
        table.judge(name, &end, ACCEPTED);
    }
}

/// A revoked certificate ends the sessions of its holder, and opens none. A new one does.
pub(super) async fn end_once_revoked(cluster: &Cluster, node: &Address, table: &mut CaseTable) {
    let certs = cluster.certs();
    let dial = async |shown: &ClientIdentity| {
        let client = RawClient::new(Some(shown), ALPN_CLIENT);
        client.dial(node).await.map(|connection| (client, connection))
    };
    cluster.coffeectl(["cert", "client", "admin", "second"]).ok().await;
    let revoke = |name| cluster.coffeectl(["revoke", name, "--yes"]).env("COFFEECTL_AS", "admin-second").ok();
    for (name, owner) in [
        ("reader-test", "reader test"),
        ("writer-test", "writer test"),
        ("backup-test", "backup test"),
        ("admin-test", "admin test"),
        ("node-hong", "node hong"),
    ] {
        let shown = cert_forger::load(&certs, name);
        let (_client, connection) = dial(&shown).await.expect("it is not revoked yet");
        revoke(name).await;
        let expected = format!("the certificate of {owner}: it was revoked");
        let end = ended(&connection, PATIENCE).await;
        table.judge(&format!("a session of {owner} whose certificate is revoked"), &end, &expected);
        let end = dial(&shown).await.err().unwrap_or_default();
        table.judge(&format!("a revoked certificate of {owner}"), &end, REVOKED);
    }
    let replace = ["cert", "client", "reader", "test", "--replace"];
    cluster.coffeectl(replace).ok().await;
    let end = dial(&cert_forger::load(&certs, "reader-test")).await.err().unwrap_or_default();
    table.judge("a new certificate after a revoked one", &end, ACCEPTED);
}
