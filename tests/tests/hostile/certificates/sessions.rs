//! Open connections whose certificates expire.

use std::time::Duration;

use coffee_client::Address;
use coffee_common::protocol::ALPN_CLIENT;
use rcgen::{Issuer, KeyPair};
use tokio::time::timeout;

use crate::support::{
    cert_forger::{self, leaf},
    raw_client::{RawClient, ending},
};

/// How long the certificates are valid, in seconds.
const VALID_SECONDS: i64 = 4;

/// After a certificate has expired, a client's session is closed within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The session of a client ends with its certificate; that of a node and of other clients continue.
pub(super) async fn end_with_their_certificates(node: &Address, ca: &Issuer<'_, KeyPair>) {
    let dial = async |owner: &str, seconds: i64| {
        let mut params = leaf(&[format!("coffee://shops/{owner}").as_bytes()]);
        cert_forger::valid_seconds(&mut params, -10, seconds);
        let client = RawClient::new(Some(&cert_forger::signed(&params, ca, &[])), ALPN_CLIENT);
        let connection = client.dial(node).await.expect("a valid certificate");
        (client, connection)
    };
    let lasting = dial("writer/lasting", 3_600).await;
    let member = dial("node/ming", VALID_SECONDS).await;
    for owner in ["reader/till", "writer/till", "admin/ops"] {
        let (_client, connection) = dial(owner, VALID_SECONDS).await;
        let ended = timeout(PATIENCE, connection.closed()).await.expect("its certificate has expired");
        let owner = owner.replace('/', " ");
        assert_eq!(ending(&ended), format!("the certificate of {owner}: it has expired"));
    }
    for (_client, connection) in [lasting, member] {
        assert_eq!(connection.close_reason(), None);
    }
}
