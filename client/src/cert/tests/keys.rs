//! The form of private keys, and the change from the former one.

use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use super::*;

/// Returns a key as it was written formerly: PKCS#8 version 2, with the public key in it.
fn former(pem: &str) -> String {
    let key = rcgen::KeyPair::from_pem(pem).expect("a key");
    let seed = PrivateKeyDer::from_pem_slice(pem.as_bytes()).expect("a key").secret_der()[16..48].to_vec();
    let start =
        [0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = [&start[..], &seed, &[0x81, 0x21, 0x00], key.public_key_raw()].concat();
    pem::encode_config(
        &pem::Pem::new("PRIVATE KEY", der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

#[test]
fn a_key_in_the_former_form_goes_on_and_is_written_again_by_a_renewal() {
    let folder = folder();
    let ming = issue_node(folder.path(), &name("ming"), &[], 10, Existing::Keep).expect("issues");
    let key = folder.path().join("node-ming.key");
    let new = fs::read_to_string(&key).expect("reads");
    let old = former(&new);
    assert!(old.len() > new.len());
    fs::write(&key, &old).expect("writes");
    let files = ming.credential_files().expect("the key is there");
    let before = Credentials::load(&files).expect("good");

    let renewed = renew(folder.path(), &ming.certificate, 20).expect("renews");
    assert_eq!(fs::read_to_string(&key).expect("reads"), new);
    assert_eq!(mode(&key), 0o600);
    let after = Credentials::load(&renewed.credential_files().expect("the key is there")).expect("good");
    let changed = before.differences(&after);
    assert_eq!(changed, [coffee_common::tls::CredentialFile::Certificate], "it is the same key");
}

#[test]
fn a_renewal_does_not_need_the_key() {
    let folder = folder();
    let ming = issue_node(folder.path(), &name("ming"), &[], 10, Existing::Keep).expect("issues");
    let key = folder.path().join("node-ming.key");
    fs::write(&key, "torn").expect("writes");
    renew(folder.path(), &ming.certificate, 20).expect("renews");
    assert_eq!(fs::read_to_string(&key).expect("reads"), "torn");
    fs::remove_file(&key).expect("removes");
    renew(folder.path(), &ming.certificate, 20).expect("renews");
    assert!(!key.exists());
}

#[test]
fn a_node_has_a_second_key_for_tcp() {
    let folder = folder();
    let path = folder.path();
    let ming = issue_node(path, &name("ming"), &[], 10, Existing::Keep).expect("issues");
    assert_eq!(for_tcp(&ming.certificate), None);
    let tcp = issue_node_for_tcp(path, &name("ming"), &[], 10, Existing::Keep).expect("issues");
    assert_eq!((tcp.name().as_str(), tcp.is_for_tcp()), ("node-ming.tcp", true));
    assert_eq!(for_tcp(&ming.certificate), Some(tcp.certificate.clone()));
    assert_eq!(for_tcp(&tcp.certificate), None);
    let key = rcgen::KeyPair::from_pem(&read(path, "node-ming.tcp.key")).expect("a key");
    assert!(key.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256));
    assert_eq!(renew_all(path, 20).expect("renews").len(), 2);
    Credentials::load(&tcp.credential_files().expect("the key is there")).expect("good");
    // Both are revoked under the name of the node.
    assert_eq!(revoke(path, Some("node-ming")).expect("revokes").serials.len(), 4);
}
