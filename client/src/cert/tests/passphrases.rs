//! Keys of CAs that have a passphrase.

use super::*;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.as_bytes()).expect("not empty")
}

fn keys(folder: &Path) -> Vec<bool> {
    let names = ["ca.key", "ca-old.key"].map(|name| folder.join(name));
    let there = names.iter().filter(|path| path.exists());
    there.map(|path| fs::read_to_string(path).expect("reads").contains("BEGIN ENCRYPTED PRIVATE")).collect()
}

#[test]
fn a_ca_with_a_passphrase_signs_for_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (right, wrong) = (passphrase("one two"), passphrase("one tow"));
    let unlocked = CaFolder::unlocked(path, Some(&right));
    create_ca(unlocked, None, Existing::Keep).expect("creates");
    assert!(is_locked(path));
    assert_eq!(mode(&path.join("ca.key")), 0o600);
    assert_eq!(cluster(path).expect("needs no key"), ClusterName::default());
    let ming = |folder: CaFolder<'_>| issue_node(folder, &name("ming"), &[], 30, Existing::Keep);
    assert!(matches!(ming(path.into()), Err(CertError::Locked(_))));
    assert!(matches!(ming(CaFolder::unlocked(path, Some(&wrong))), Err(CertError::WrongPassphrase)));
    let ming = ming(unlocked).expect("issues");
    Credentials::load(&ming.credential_files().expect("the key is there")).expect("its own key has none");
    let listed = list(path).expect("needs no key");
    assert_eq!(listed.iter().map(|one| one.signer).collect::<Vec<_>>(), [None, Some(Signer::Current)]);
    renew(unlocked, &path.join("ca.crt"), LEAF_DAYS).expect("renews the CA");
    revoke(unlocked, Some("node-ming")).expect("revokes");
    assert_eq!(keys(path), [true]);
}

#[test]
fn a_rotation_keeps_the_passphrase() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let right = passphrase("one two");
    let unlocked = CaFolder::unlocked(path, Some(&right));
    create_ca(unlocked, None, Existing::Keep).expect("creates");
    rotate_ca(unlocked).expect("rotates");
    assert_eq!(keys(path), [true, true]);
    let new = passphrase("three");
    assert_eq!(set_passphrase(unlocked, Some(&new)).expect("sets").len(), 2);
    assert!(matches!(drop_old_ca(unlocked), Err(CertError::WrongPassphrase)));
    drop_old_ca(CaFolder::unlocked(path, Some(&new))).expect("drops").expect("it was there");
    assert_eq!(keys(path), [true]);
}

#[test]
fn a_passphrase_is_set_and_removed() {
    let folder = folder();
    let path = folder.path();
    let before = fs::read_to_string(path.join("ca.key")).expect("reads");
    let right = passphrase("one two");
    set_passphrase(path.into(), Some(&right)).expect("sets");
    assert_eq!(keys(path), [true]);
    assert!(matches!(set_passphrase(path.into(), None), Err(CertError::Locked(_))));
    set_passphrase(CaFolder::unlocked(path, Some(&right)), None).expect("removes");
    assert_eq!(fs::read_to_string(path.join("ca.key")).expect("reads"), before);
    // One that is not needed is not used.
    rotate_ca(CaFolder::unlocked(path, Some(&right))).expect("rotates");
    assert_eq!(keys(path), [false, false]);
    assert!(matches!(Passphrase::new(b"\nsecond line"), Err(CertError::EmptyPassphrase)));
}
