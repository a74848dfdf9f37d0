//! Certificate and key files with which a node cannot start: exit code 7.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, SystemTime},
};

use coffee_client::cert::{self, Existing, LEAF_DAYS};
use coffee_common::{id::NodeName, protocol::Role};

use crate::fixture::{CONFIG, DaemonFixture};

#[test]
fn a_missing_file() {
    let fixture = DaemonFixture::new();
    fs::remove_file(fixture.file("node-ming.crt")).expect("removed");
    fixture.refuses(&[], 7, "node-ming.crt: no such file", "coffeectl cert");
}

#[test]
fn a_key_that_others_can_read() {
    let fixture = DaemonFixture::new();
    fs::set_permissions(fixture.file("node-ming.key"), fs::Permissions::from_mode(0o640)).expect("changed");
    fixture.refuses(&[], 7, "its permissions are 0640", "chmod 600");
    fixture.refuses(&["--check-config"], 7, "its permissions are 0640", "chmod 600");
}

#[test]
fn a_file_without_a_key() {
    let fixture = DaemonFixture::new();
    fs::write(fixture.file("node-ming.key"), "key").expect("written");
    fixture.refuses(&[], 7, "has no PEM-encoded private key", "coffeectl cert list");
    // A folder in place of a file: even root cannot read it.
    fs::remove_file(fixture.file("ca.crt")).expect("removed");
    fs::create_dir(fixture.file("ca.crt")).expect("made");
    fixture.refuses(&[], 7, "it cannot be read", "chown");
}

#[test]
fn a_key_of_another_certificate() {
    let fixture = DaemonFixture::new();
    fixture.certify("hong");
    fixture.configure(&CONFIG.replace("node-ming.key", "node-hong.key"));
    fixture.refuses(&[], 7, "it does not belong to the certificate", "created together");
}

#[test]
fn a_certificate_of_another_ca() {
    let (fixture, other) = (DaemonFixture::new(), DaemonFixture::new());
    fs::copy(other.file("ca.crt"), fixture.file("ca.crt")).expect("copied");
    fixture.refuses(&[], 7, "not signed by the CA that is configured", "ca.crt");
}

#[test]
fn a_certificate_of_another_node() {
    let fixture = DaemonFixture::new();
    fixture.refuses(
        &["--name", "hong"],
        7,
        "that of node ming, but this node is called hong",
        "cert node hong",
    );
}

#[test]
fn a_certificate_of_a_client() {
    let fixture = DaemonFixture::new();
    let name = NodeName::new("ming").expect("legal");
    cert::issue_client(fixture.path(), Role::Admin, &name, LEAF_DAYS, Existing::Keep).expect("a certificate");
    fixture.configure(&CONFIG.replace("node-ming", "admin-ming"));
    fixture.refuses(&[], 7, "that of the admin ming, not of a node", "coffeectl cert node");
}

#[test]
fn a_certificate_whose_time_is_over() {
    let fixture = DaemonFixture::new();
    expire(&fixture);
    fixture.refuses(&[], 7, "node-ming.crt: it expired 2 days ago", "coffeectl cert renew");
}

/// Replaces ming's certificate by one that expired two days ago.
fn expire(fixture: &DaemonFixture) {
    let read = |name: &str| fs::read_to_string(fixture.file(name)).expect("readable");
    let ca_key = rcgen::KeyPair::from_pem(&read("ca.key")).expect("a key");
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("ca.crt"), ca_key).expect("a CA");
    let mut params = rcgen::CertificateParams::new(vec!["ming".to_owned()]).expect("parameters");
    let uri = "coffee://shops/node/ming".try_into().expect("a URI");
    params.subject_alt_names.push(rcgen::SanType::URI(uri));
    params.extended_key_usages =
        vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let day = Duration::from_secs(86_400);
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(coffee_common::clock::now_ms());
    params.not_before = (now - 30 * day).into();
    params.not_after = (now - 2 * day).into();
    let key = rcgen::KeyPair::from_pem(&read("node-ming.key")).expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    fs::write(fixture.file("node-ming.crt"), certificate.pem()).expect("written");
}
