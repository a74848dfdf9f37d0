//! Tests of certificates in memory and in a directory.

use std::{fs, path::Path};

use coffee_common::{
    id::{ClusterName, NodeName},
    key_scope::KeyScope,
    protocol::Role,
    tls::{Credentials, Problem},
};

use super::*;

mod clusters;
mod keys;
mod passphrases;
mod requests;

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("legal")
}

fn mode(path: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).expect("is there").permissions()) & 0o777
}

/// Returns for how many days a certificate was created.
fn days(info: &CertificateInfo) -> i64 {
    (info.not_after - info.not_before - BACKDATED_SECONDS) / DAY_SECONDS
}

/// A CA in memory.
fn ca() -> Ca {
    Ca::create(&ClusterName::default()).expect("makes a CA")
}

/// A directory with a CA.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    create_ca(folder.path(), None, Existing::Keep).expect("makes a CA");
    folder
}

#[test]
fn a_folder_gives_credentials_to_nodes_and_clients() {
    let folder = folder();
    let alt_names = ["shop-1.example.net", "10.0.0.1", "::1"].map(|name| name.parse().expect("legal"));
    let node = issue_node(folder.path(), &name("ming"), &alt_names, 30, Existing::Keep).expect("issues");
    let info = node.info.as_ref().expect("reads");
    assert_eq!(days(info), 30);
    assert!((29..=30).contains(&info.days_left()));
    assert_eq!(info.alt_names.len(), 4, "its own name, and three more");
    let admin =
        issue_client(folder.path(), Role::Admin, &name("ops"), LEAF_DAYS, Existing::Keep).expect("issues");
    for (issued, role) in [(&node, Role::Node), (&admin, Role::Admin)] {
        let files = issued.credential_files().expect("the key is there");
        assert_eq!(Credentials::load(&files).expect("good").identity().role, role);
        assert_eq!(mode(&files.key), 0o600);
    }
    let names: Vec<_> = list(folder.path()).expect("lists").into_iter().map(|one| one.certificate).collect();
    let expected = ["admin-ops.crt", "ca.crt", "node-ming.crt"].map(|file| folder.path().join(file));
    assert_eq!(names, expected);
}

#[test]
fn nothing_is_left_beside_the_files() {
    let folder = folder();
    issue_node(folder.path(), &name("ming"), &[], 1, Existing::Keep).expect("issues");
    let mut found: Vec<_> =
        fs::read_dir(folder.path()).expect("reads").map(|entry| entry.expect("reads").file_name()).collect();
    found.sort();
    assert_eq!(found, ["ca.crt", "ca.issued", "ca.key", "node-ming.crt", "node-ming.key"]);
}

#[test]
fn what_exists_is_replaced_only_when_told() {
    let folder = folder();
    let issue = |existing| issue_node(folder.path(), &name("ming"), &[], 1, existing);
    issue(Existing::Keep).expect("issues");
    let key = fs::read(folder.path().join("node-ming.key")).expect("reads");
    assert!(matches!(issue(Existing::Keep), Err(CertError::Exists(_))));
    assert!(matches!(create_ca(folder.path(), None, Existing::Keep), Err(CertError::Exists(_))));
    assert_eq!(fs::read(folder.path().join("node-ming.key")).expect("reads"), key);
    issue(Existing::Replace).expect("replaces");
    assert_ne!(fs::read(folder.path().join("node-ming.key")).expect("reads"), key);
}

#[test]
fn a_lone_key_is_not_overwritten_either() {
    let folder = folder();
    fs::write(folder.path().join("node-ming.key"), "precious").expect("writes");
    let result = issue_node(folder.path(), &name("ming"), &[], 1, Existing::Keep);
    assert!(matches!(result, Err(CertError::Exists(_))), "{result:?}");
}

#[test]
fn renewing_keeps_the_key_and_the_names() {
    let folder = folder();
    let alt_names = ["shop-1.example.net".parse().expect("legal")];
    let old = issue_node(folder.path(), &name("ming"), &alt_names, 1, Existing::Keep).expect("issues");
    let key = fs::read(folder.path().join("node-ming.key")).expect("reads");
    let new = renew(folder.path(), &old.certificate, 100).expect("renews");
    let (old_info, new_info) = (old.info.expect("reads"), new.info.as_ref().expect("reads"));
    assert_eq!((days(&old_info), days(new_info)), (1, 100));
    assert_eq!((old_info.holder, old_info.alt_names), (new_info.holder.clone(), new_info.alt_names.clone()));
    assert_ne!(old_info.serial, new_info.serial);
    assert_eq!(fs::read(folder.path().join("node-ming.key")).expect("reads"), key);
    Credentials::load(&new.credential_files().expect("the key is there")).expect("good");
}

#[test]
fn a_renewed_ca_vouches_for_what_the_old_one_signed() {
    let folder = folder();
    let ming = issue_node(folder.path(), &name("ming"), &[], 10, Existing::Keep).expect("issues");
    let before = fs::read(folder.path().join("ca.crt")).expect("reads");
    renew(folder.path(), &folder.path().join("ca.crt"), LEAF_DAYS).expect("renews");
    assert_ne!(fs::read(folder.path().join("ca.crt")).expect("reads"), before);
    Credentials::load(&ming.credential_files().expect("the key is there")).expect("still good");
}

#[test]
fn a_certificate_of_another_ca_is_not_renewed() {
    let (ours, theirs) = (folder(), folder());
    let ming = issue_node(theirs.path(), &name("ming"), &[], 10, Existing::Keep).expect("issues");
    let error = renew(ours.path(), &ming.certificate, 10).expect_err("another CA");
    assert!(matches!(&error, CertError::File(error) if error.problem == Problem::UnknownIssuer), "{error}");
    assert!(error.to_string().contains("node-ming.crt"), "{error}");
    let error = renew(ours.path(), &theirs.path().join("ca.crt"), 10).expect_err("another CA");
    assert!(matches!(error, CertError::Malformed(_)), "{error}");
}

#[test]
fn a_folder_without_a_whole_ca_says_so() {
    let folder = folder();
    fs::remove_file(folder.path().join("ca.key")).expect("removes");
    let error = issue_node(folder.path(), &name("ming"), &[], 10, Existing::Keep).expect_err("no CA key");
    assert!(matches!(error, CertError::NoCa(_)), "{error}");
}

#[test]
fn a_ca_key_that_others_can_read_is_refused() {
    let folder = folder();
    let key = folder.path().join("ca.key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("changes");
    let error = issue_node(folder.path(), &name("ming"), &[], 10, Existing::Keep).expect_err("too open");
    assert!(error.to_string().contains("permissions are 0640"), "{error}");
    assert_eq!(error.hint(), format!("chmod 600 {}", key.display()));
}

#[test]
fn the_key_of_another_ca_does_not_sign() {
    let (one, other) = (ca(), ca());
    let mixed =
        CertificateAndKey { certificate: one.certificate().to_owned(), key: other.pair().key.clone() };
    assert!(matches!(Ca::from_pair(mixed), Err(CertError::CaKeyMismatch)));
}

#[test]
fn no_certificate_outlives_its_ca() {
    let ca = ca();
    let subject = Subject::node(name("ming"), Vec::new());
    let leaf = ca.issue(&subject, CA_DAYS).expect("issues").info().expect("reads");
    assert!(leaf.not_after <= ca.pair().info().expect("reads").not_after);
    for illegal in [0, CA_DAYS + 1] {
        assert!(matches!(ca.issue(&subject, illegal), Err(CertError::Days(_))));
    }
}

#[test]
fn a_certificate_is_valid_a_little_before_it_is_made() {
    let before = now_seconds();
    let info = ca().pair().info().expect("reads");
    assert!((before - 300..=now_seconds() - 300).contains(&info.not_before));
}

#[test]
fn credentials_in_memory_are_ready_for_use() {
    let ca = ca();
    for role in [Role::Node, Role::Admin, Role::Writer, Role::Reader] {
        let credentials = ca.credentials(role, &name("x")).expect("makes");
        assert_eq!(credentials.identity().role, role);
    }
    assert!(matches!(
        Subject::client(Role::Node, name("x"), KeyScope::default()),
        Err(CertError::NotAClient(_))
    ));
}

#[test]
fn a_debug_print_shows_no_key() {
    let ca = ca();
    for text in [format!("{ca:?}"), format!("{:?}", ca.pair())] {
        assert!(!text.contains("PRIVATE"), "{text}");
    }
}

#[test]
fn alternative_names() {
    assert_eq!(
        "Shop-1.Example.Net".parse::<AltName>().ok(),
        Some(AltName::Dns("shop-1.example.net".to_owned()))
    );
    for bad in ["", "a b", "-a", "a..b", "ä", "a/b"] {
        assert!(bad.parse::<AltName>().is_err(), "{bad}");
    }
}

/// Revoking a name covers all its certificates, renewed ones included.
#[test]
fn a_name_is_revoked_with_all_that_was_made_for_it() {
    let folder = folder();
    let old = issue_node(folder.path(), &name("ming"), &[], 30, Existing::Keep).expect("issues");
    let lost = fs::read_to_string(&old.certificate).expect("reads");
    let key = fs::read_to_string(old.key.as_ref().expect("is there")).expect("reads");
    let new = renew(folder.path(), &old.certificate, 60).expect("renews");
    let hong = issue_node(folder.path(), &name("hong"), &[], 30, Existing::Keep).expect("issues");
    let revoked = revoke(folder.path(), Some("node-ming")).expect("revokes");
    assert_eq!(
        revoked.serials,
        [old.info.expect("reads").serial, new.info.as_ref().expect("reads").serial.clone()]
    );

    let files = |issued: &Issued| Credentials::load(&issued.credential_files().expect("the key is there"));
    files(&hong).expect("not revoked").revocations_until().expect("the list is taken with it");
    assert_eq!(files(&new).expect_err("revoked").problem, Problem::Revoked);
    let (ca, crl) = (read(folder.path(), "ca.crt"), read(folder.path(), "ca.crl"));
    let stolen = Credentials::from_pem(ca.as_bytes(), lost.as_bytes(), key.as_bytes()).expect("in its time");
    assert_eq!(stolen.with_revocations(crl.as_bytes()).expect_err("revoked").problem, Problem::Revoked);

    let listed: Vec<_> =
        list(folder.path()).expect("lists").iter().map(|one| (one.name(), one.revoked)).collect();
    let expected = [("ca", false), ("node-hong", false), ("node-ming", true)];
    assert_eq!(listed, expected.map(|(name, revoked)| (name.to_owned(), revoked)));
    assert!(matches!(renew(folder.path(), &new.certificate, 30), Err(CertError::Revoked(_))));
    assert_eq!(renew_all(folder.path(), 30).expect("renews").len(), 1, "hong's alone");
    let again = issue_node(folder.path(), &name("ming"), &[], 30, Existing::Replace).expect("a new key");
    files(&again).expect("another certificate");
}

#[test]
fn what_was_revoked_stays_so() {
    let folder = folder();
    for node in ["ming", "hong"] {
        issue_node(folder.path(), &name(node), &[], 30, Existing::Keep).expect("issues");
    }
    let first = revoke(folder.path(), Some("node-ming")).expect("revokes").serials;
    assert_eq!(revoke(folder.path(), Some("node-ming")).expect("again").serials, [""; 0]);
    revoke(folder.path(), Some("node-hong")).expect("revokes");
    assert_eq!(revoke(folder.path(), None).expect("rewrites").serials, [""; 0]);
    let lists = revoke::Lists::load(folder.path()).expect("reads");
    let ca = Ca::from_pair(CertificateAndKey {
        certificate: read(folder.path(), "ca.crt"),
        key: read(folder.path(), "ca.key"),
    });
    assert!(lists.revokes(ca.expect("a CA").name(), &first[0]));
    assert!(list(folder.path()).expect("lists").iter().filter(|one| one.revoked).count() == 2);
}

#[test]
fn only_what_was_issued_is_revoked() {
    let folder = folder();
    assert!(matches!(revoke(folder.path(), Some("node-unknown")), Err(CertError::NeverIssued(_))));
    assert!(matches!(revoke(folder.path(), Some("ca")), Err(CertError::Malformed(_))));
    assert!(matches!(revoke(folder.path(), Some("../x")), Err(CertError::NeverIssued(_))));
    assert!(!folder.path().join("ca.crl").exists());
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("reads")
}

#[test]
fn a_ca_is_replaced_in_two_steps() {
    let folder = folder();
    let path = folder.path();
    let load = |issued: &Issued| Credentials::load(&issued.credential_files().expect("the key is there"));
    let ming = issue_node(path, &name("ming"), &[], 30, Existing::Keep).expect("issues");
    let old_ca = read(path, "ca.crt");
    let old_leaf = read(path, "node-ming.crt");

    rotate_ca(path).expect("rotates");
    assert_eq!(bundle::split(&read(path, "ca.crt")).count(), 2);
    assert_eq!((mode(&path.join("ca.key")), mode(&path.join("ca-old.key"))), (0o600, 0o600));
    assert!(matches!(rotate_ca(path), Err(CertError::Rotating)), "one at a time");
    load(&ming).expect("the old CA is trusted");
    let hong = issue_node(path, &name("hong"), &[], 30, Existing::Keep).expect("issues");
    let error = Credentials::from_pem(
        old_ca.as_bytes(),
        read(path, "node-hong.crt").as_bytes(),
        read(path, "node-hong.key").as_bytes(),
    );
    assert_eq!(error.expect_err("it is the new CA's").problem, Problem::UnknownIssuer);

    assert!(matches!(drop_old_ca(path), Err(CertError::StillNeeded(names)) if names == ["node-ming"]));
    // Certificates of the old CA can be revoked while it is trusted.
    revoke(path, Some("node-ming")).expect("revokes");
    assert_eq!(load(&ming).expect_err("revoked").problem, Problem::Revoked);
    load(&hong).expect("good under two lists");
    let ming = issue_node(path, &name("ming"), &[], 30, Existing::Replace).expect("a new key");
    issue_client(path, Role::Admin, &name("ops"), 30, Existing::Keep).expect("issues");
    drop_old_ca(path).expect("nothing needs it").expect("it was there");
    for gone in ["ca-old.crt", "ca-old.key"] {
        assert!(!path.join(gone).exists());
    }
    assert_eq!(bundle::split(&read(path, "ca.crt")).count(), 1);
    assert!(!read(path, "ca.crt").contains(&old_ca));
    load(&ming).expect("of the new CA, with the list of the new CA");
    assert!(drop_old_ca(path).expect("nothing is left to do").is_none());
    fs::write(path.join("node-ming.crt"), old_leaf).expect("writes");
    assert!(load(&ming).is_err(), "the old CA is trusted no more");
}

#[test]
fn the_list_shows_which_ca_signed_each_certificate() {
    let (folder, elsewhere) = (folder(), folder());
    let path = folder.path();
    issue_node(path, &name("ming"), &[], 30, Existing::Keep).expect("issues");
    issue_node(elsewhere.path(), &name("hu"), &[], 30, Existing::Keep).expect("issues");
    fs::copy(elsewhere.path().join("node-hu.crt"), path.join("node-hu.crt")).expect("copies");
    assert!(!can_drop_old_ca(path).expect("there is no old CA"));
    rotate_ca(path).expect("rotates");
    let hong = issue_node(path, &name("hong"), &[], 30, Existing::Keep).expect("issues");
    assert_eq!(hong.signer, Some(Signer::Current));
    let signers = || {
        let listed = list(path).expect("lists").into_iter();
        listed.map(|one| (one.name(), one.signer.map_or("-", Signer::as_str))).collect::<Vec<_>>()
    };
    let expected =
        [("ca-old", "-"), ("ca", "-"), ("node-hong", "ca"), ("node-hu", "other"), ("node-ming", "ca-old")];
    assert_eq!(signers(), expected.map(|(name, signer)| (name.to_owned(), signer)));
    // A directory without the CAs' keys: ca.crt has the new CA first.
    fs::remove_file(path.join("ca.key")).expect("removes");
    for file in ["ca-old.crt", "ca-old.key"] {
        fs::remove_file(path.join(file)).expect("removes");
    }
    assert_eq!(
        signers()[1..],
        expected[2..].iter().map(|(name, s)| ((*name).to_owned(), *s)).collect::<Vec<_>>()
    );
}

#[test]
fn renewing_all_moves_them_to_the_new_ca() {
    let folder = folder();
    let path = folder.path();
    issue_node(path, &name("ming"), &[], 30, Existing::Keep).expect("issues");
    issue_client(path, Role::Writer, &name("till"), 30, Existing::Keep).expect("issues");
    let key = read(path, "node-ming.key");
    rotate_ca(path).expect("rotates");
    assert_eq!(renew_all(path, 60).expect("renews").len(), 2);
    assert_eq!(read(path, "node-ming.key"), key);
    // Renewing a CA during a rotation keeps the other one in the bundle.
    renew(path, &path.join("ca.crt"), LEAF_DAYS).expect("renews");
    assert_eq!(bundle::split(&read(path, "ca.crt")).count(), 2);
    drop_old_ca(path).expect("nothing needs it").expect("it was there");
    for one in list(path).expect("lists").iter().filter(|one| one.name() != "ca") {
        Credentials::load(&one.credential_files().expect("the key is there")).expect("good");
    }
}

/// The same command completes a rotation after any crash.
#[test]
fn a_rotation_that_broke_off_is_taken_up_again() {
    let folder = folder();
    let path = folder.path();
    let ming = issue_node(path, &name("ming"), &[], 30, Existing::Keep).expect("issues");
    let old = CertificateAndKey { certificate: read(path, "ca.crt"), key: read(path, "ca.key") };
    rotate_ca(path).expect("rotates");
    // As if the new key had not been written.
    fs::write(path.join("ca.key"), &old.key).expect("writes");
    issue_node(path, &name("hong"), &[], 30, Existing::Keep).expect("the old CA signs");
    rotate_ca(path).expect("takes it up again");
    assert_eq!(bundle::split(&read(path, "ca.crt")).count(), 2, "the CA without a key is gone");
    assert_eq!(read(path, "ca-old.key"), old.key);
    Credentials::load(&ming.credential_files().expect("the key is there")).expect("good");
    renew_all(path, 30).expect("the new CA signs");
    drop_old_ca(path).expect("nothing needs it").expect("it was there");
}
