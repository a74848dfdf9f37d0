//! Certificates that servers show: the client takes none of them for the node that it dials.

use std::path::Path;

use coffee_client::EndpointOptions;
use coffee_common::{
    protocol::Role,
    quic::{Endpoint, Expect, Protocol},
};
use coffee_tests::cluster::Cluster;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose as Eku, Issuer, KeyPair};
use tokio::time::timeout;

use super::{ACCEPTED, CaseTable, PATIENCE};
use crate::support::{
    cert_forger::{self, leaf},
    raw_client::{ClientIdentity, RawServer},
};

pub(super) async fn are_not_taken_for_a_node(
    cluster: &Cluster,
    elsewhere: &Path,
    ca: &Issuer<'_, KeyPair>,
    table: &mut CaseTable,
) {
    let credentials = cluster.credentials(Role::Reader);
    let ming = Expect::Node("ming".parse().expect("legal"));
    for (name, shown, expected) in shown(&cluster.certs(), elsewhere, ca) {
        let server = RawServer::new(shown);
        let endpoint = Endpoint::dial_only(&credentials, &EndpointOptions::default()).expect("a socket");
        let end = tokio::select! {
            () = server.serve() => unreachable!("it is not closed"),
            end = timeout(PATIENCE, endpoint.connect(&server.address, &ming, Protocol::Client)) => end,
        };
        let end = end.expect("it ends").err().map(|error| error.to_string()).unwrap_or_default();
        table.judge(&format!("a server that shows {name}"), &end, expected);
    }
}

fn shown(
    certs: &Path,
    elsewhere: &Path,
    ca: &Issuer<'_, KeyPair>,
) -> Vec<(&'static str, ClientIdentity, &'static str)> {
    const PURPOSE: &str = "it is not valid for this purpose";
    const FOREIGN: &str = "was not signed by the CA";
    let load = |stem| cert_forger::load(certs, stem);
    let signed = |params: &CertificateParams| cert_forger::signed(params, ca, &[]);
    let of = |uris: &[&[u8]]| signed(&leaf(uris));
    let ming = leaf(&[b"coffee://shops/node/ming"]);
    let at = |from, to| {
        let mut params = ming.clone();
        cert_forger::valid(&mut params, from, to);
        signed(&params)
    };
    let mut dials_alone = ming.clone();
    dials_alone.extended_key_usages = vec![Eku::ClientAuth];
    vec![
        ("the node's", load("node-ming"), ACCEPTED),
        ("one for the node that was forged like those below", signed(&ming), ACCEPTED),
        ("another node's", load("node-hong"), "it belongs to node hong; node ming was expected"),
        ("a reader's", load("reader-test"), PURPOSE),
        ("a writer's", load("writer-test"), PURPOSE),
        ("an admin's", load("admin-test"), PURPOSE),
        ("a backup's", load("backup-test"), PURPOSE),
        ("an admin's that is valid for servers", of(&[b"coffee://shops/admin/ming"]), "which is not a node"),
        ("the node's that is valid for clients alone", signed(&dials_alone), PURPOSE),
        ("the one of a node of another cluster", of(&[b"coffee://staging/node/ming"]), "for cluster staging"),
        ("one of the former form", of(&[b"coffee://node/ming"]), "names no cluster"),
        (
            "one of two nodes",
            of(&[b"coffee://shops/node/ming", b"coffee://shops/node/hong"]),
            "more than one coffee:// URI",
        ),
        ("one of all nodes", of(&[b"coffee://shops/node/*"]), "not of the form"),
        ("one without a name", of(&[]), "it has no role"),
        ("one of another CA", cert_forger::load(elsewhere, "node-ming"), FOREIGN),
        ("one that it signed itself", cert_forger::self_signed(&ming), FOREIGN),
        ("an expired one", at(-2, -1), "expired"),
        ("one that is not valid yet", at(1, 2), "becomes valid only"),
    ]
}
