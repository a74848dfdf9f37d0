//! Credentials that are refused before anybody else sees them: a table of
//! what may be wrong with the three files, each with the sentence and the
//! hint that the operator gets.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{
    identity::IdentityError,
    testing::{Leaf, TestCa, TestClock},
    *,
};

/// What a CA makes of a leaf, as [`Credentials::from_pem`] judges it.
fn judge(ca: &TestCa, leaf: &Leaf) -> Result<Credentials, TlsError> {
    let (cert, key) = ca.issue(leaf);
    Credentials::from_pem(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes())
}

/// A folder with good credentials, and where they are.
fn good_files(folder: &Path) -> CredentialFiles {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
    let files = CredentialFiles {
        ca: folder.join("ca.crt"),
        cert: folder.join("node-hong.crt"),
        key: folder.join("node-hong.key"),
    };
    fs::write(&files.ca, ca.pem()).expect("writes");
    fs::write(&files.cert, cert).expect("writes");
    fs::write(&files.key, key).expect("writes");
    set_mode(&files.key, 0o600);
    files
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("changes");
}

#[test]
fn bad_certificates_are_told_apart() {
    let ca = TestCa::new();
    let good = || Leaf::of("node", "hong");
    let uris = |uris: &[&str]| Leaf { uris: uris.iter().map(|&uri| uri.into()).collect(), ..good() };
    let client_use = Leaf::of("admin", "ops").usages;
    let cases = [
        (uris(&[]), "it carries no role"),
        (uris(&["https://example.net/hong"]), "it carries no role"),
        (uris(&["coffee://node/hong", "coffee://admin/hong"]), "more than one coffee:// URI"),
        (uris(&["coffee://node/hong", "coffee://node/hong"]), "more than one coffee:// URI"),
        (uris(&["coffee://boss/hong"]), "not of the form coffee://ROLE/NAME"),
        (uris(&["COFFEE://node/hong"]), "not of the form coffee://ROLE/NAME"),
        (Leaf { valid: (-864_000, -432_030), ..good() }, "it expired 5 days ago"),
        (Leaf { valid: (600, 3_600), ..good() }, "it becomes valid only in 10 minutes"),
        (Leaf { usages: client_use, ..good() }, "it is not meant for this use"),
    ];
    for (leaf, sentence) in cases {
        let error = judge(&ca, &leaf).expect_err(sentence);
        assert_eq!(error.file, CredentialFile::Certificate);
        assert!(error.to_string().contains(sentence), "{error} / {sentence}");
        assert!(!error.hint().is_empty());
    }
    judge(&ca, &good()).expect("good");
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let (cert, key) = TestCa::new().issue(&Leaf::of("node", "hong"));
    let (lone_cert, lone_key) = Leaf::of("node", "hong").self_signed();
    for (cert, key) in [(cert, key), (lone_cert, lone_key)] {
        let ca = TestCa::new().pem();
        let error =
            Credentials::from_pem(ca.as_bytes(), cert.as_bytes(), key.as_bytes()).expect_err("another CA");
        assert_eq!(error.problem, Problem::UnknownIssuer);
    }
}

#[test]
fn a_key_belongs_to_its_certificate() {
    let ca = TestCa::new();
    let (cert, _) = ca.issue(&Leaf::of("node", "hong"));
    let (_, key) = ca.issue(&Leaf::of("node", "hong"));
    let error =
        Credentials::from_pem(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes()).expect_err("mixed up");
    assert_eq!((error.file, error.problem), (CredentialFile::Key, Problem::KeyMismatch));
}

#[test]
fn a_clock_that_is_handed_in_is_the_one_that_counts() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
    let at = |offset| {
        let (ca, clock) = (ca.pem(), TestClock::at(offset));
        Credentials::from_pem_with_clock(ca.as_bytes(), cert.as_bytes(), key.as_bytes(), clock)
    };
    let credentials = at(0).expect("valid now");
    assert!(credentials.is_valid_in(std::time::Duration::from_secs(1_800)));
    assert!(!credentials.is_valid_in(std::time::Duration::from_secs(7_200)));
    assert!(matches!(at(7_200).expect_err("later").problem, Problem::Expired(_)));
    assert!(matches!(at(-7_200).expect_err("earlier").problem, Problem::NotYetValid(_)));
}

#[test]
fn bad_files_are_named_with_a_hint() {
    type Spoil = fn(&CredentialFiles);
    let cases: [(Spoil, CredentialFile, &str, &str); 9] = [
        (|f| fs::remove_file(&f.ca).expect("removes"), CredentialFile::Ca, "no such file", "coffeectl cert"),
        (
            |f| fs::remove_file(&f.key).expect("removes"),
            CredentialFile::Key,
            "no such file",
            "coffeectl cert",
        ),
        (|f| set_mode(&f.key, 0o644), CredentialFile::Key, "permissions are 0644", "chmod 600"),
        (|f| set_mode(&f.key, 0o620), CredentialFile::Key, "permissions are 0620", "chmod 600"),
        (|f| fs::write(&f.cert, "").expect("writes"), CredentialFile::Certificate, "it is empty", "mixed up"),
        (
            |f| fs::write(&f.cert, "-----BEGIN").expect("writes"),
            CredentialFile::Certificate,
            "no certificate in PEM form",
            "mixed up",
        ),
        (
            |f| fs::write(&f.key, fs::read(&f.cert).expect("reads")).expect("writes"),
            CredentialFile::Key,
            "no private key in PEM form",
            "mixed up",
        ),
        (
            |f| fs::write(&f.ca, vec![b'x'; 300 << 10]).expect("writes"),
            CredentialFile::Ca,
            "larger than",
            "mixed up",
        ),
        (
            |f| {
                fs::remove_file(&f.cert).expect("removes");
                fs::create_dir(&f.cert).expect("a folder in its place");
            },
            CredentialFile::Certificate,
            "it cannot be read",
            "chown",
        ),
    ];
    for (spoil, file, sentence, hint) in cases {
        let folder = tempfile::tempdir().expect("a folder");
        let files = good_files(folder.path());
        Credentials::load(&files).expect("good until spoiled");
        spoil(&files);
        let error = Credentials::load(&files).expect_err(sentence);
        assert_eq!((error.file, error.path.as_deref()), (file, Some(files.path(file))), "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
}

#[test]
fn the_problem_keeps_its_kind() {
    let leaf = Leaf { uris: Vec::new(), ..Leaf::of("node", "hong") };
    let error = judge(&TestCa::new(), &leaf).expect_err("no role");
    assert_eq!(error.problem, Problem::Identity(IdentityError::Missing));
}
