//! Credentials that are rejected before a peer sees them: a table of problems with the three files,
//! each with the sentence and the hint that the operator gets.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{
    identity::IdentityError,
    testing::{Leaf, TestCa, TestClock},
    *,
};
use crate::protocol::{Identity, Role};

/// Issues a certificate, and loads it with [`Credentials::from_pem`].
fn judge(ca: &TestCa, leaf: &Leaf) -> Result<Credentials, TlsError> {
    let (cert, key) = ca.issue(leaf);
    Credentials::from_pem(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes())
}

/// Writes good credentials into a folder, and returns their paths.
fn good_files(folder: &Path) -> CredentialFiles {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
    let file = |name: &str| folder.join(name);
    let files = CredentialFiles::new(file("ca.crt"), file("node-hong.crt"), file("node-hong.key"));
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
        (uris(&[]), "it has no role"),
        (uris(&["https://example.net/hong"]), "it has no role"),
        (uris(&["coffee://shops/node/hong", "coffee://shops/admin/hong"]), "more than one coffee:// URI"),
        (uris(&["coffee://shops/node/hong", "coffee://shops/node/hong"]), "more than one coffee:// URI"),
        (uris(&["coffee://node/hong"]), "it names no cluster"),
        (uris(&["coffee://shops/boss/hong"]), "not of the form coffee://CLUSTER/ROLE/NAME"),
        (uris(&["COFFEE://shops/node/hong"]), "not of the form coffee://CLUSTER/ROLE/NAME"),
        (Leaf { valid: (-864_000, -432_030), ..good() }, "it expired 5 days ago"),
        (Leaf { valid: (600, 3_600), ..good() }, "it becomes valid only in 10 minutes"),
        (Leaf { usages: client_use, ..good() }, "it is not valid for this purpose"),
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
    assert!((3_595..=3_600).contains(&(credentials.valid_until() - credentials.now())));
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
            "no PEM-encoded certificate",
            "mixed up",
        ),
        (
            |f| fs::write(&f.key, fs::read(&f.cert).expect("reads")).expect("writes"),
            CredentialFile::Key,
            "no PEM-encoded private key",
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
        assert_eq!((error.file, error.path.as_deref()), (file, files.path(file)), "{error}");
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

/// During the replacement of a CA, both are trusted.
#[test]
fn a_bundle_trusts_each_of_its_cas() {
    let (old, new) = (TestCa::new(), TestCa::new());
    let bundle = new.pem() + &old.pem();
    for ca in [&old, &new] {
        let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
        Credentials::from_pem(bundle.as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good");
    }
}

#[test]
fn what_does_not_belong_among_cas_is_refused() {
    let ca = TestCa::new();
    let (cert, key) = ca.issue(&Leaf::of("node", "hong"));
    let judge = |bundle: String| {
        let error =
            Credentials::from_pem(bundle.as_bytes(), cert.as_bytes(), key.as_bytes()).expect_err("refused");
        assert_eq!(error.file, CredentialFile::Ca);
        error.problem
    };
    let hong = Identity::new(Role::Node, "hong".parse().expect("legal"));
    assert_eq!(judge(ca.pem() + &cert), Problem::NotACa(hong));
    assert_eq!(judge(ca.pem().repeat(9)), Problem::TooMany(8));
    assert_eq!(judge(ca.pem() + "-----BEGIN CERTIFICATE-----\nAAAA"), Problem::NotPem("certificate"));
}

const NOW: (i64, i64) = (-60, 3_600);

#[test]
fn a_certificate_that_was_revoked_is_of_no_use() {
    let ca = TestCa::new();
    let (hong, hong_key) = ca.issue(&Leaf::of("node", "hong"));
    let (peng, peng_key) = ca.issue(&Leaf::of("node", "peng"));
    let list = ca.revocations(&[&hong], NOW);
    let load = |cert: &str, key: &str| {
        Credentials::from_pem(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good")
    };
    let error = load(&hong, &hong_key).with_revocations(list.as_bytes()).expect_err("revoked");
    assert_eq!((error.file, &error.problem), (CredentialFile::Certificate, &Problem::Revoked));
    assert!(error.hint().contains("--replace"), "{}", error.hint());
    let peng = load(&peng, &peng_key).with_revocations(list.as_bytes()).expect("not revoked");
    assert!((3_590..=3_600).contains(&(peng.revocations_until().expect("a list") - peng.now())));
    let empty = ca.revocations(&[], NOW);
    load(&hong, &hong_key).with_revocations(empty.as_bytes()).expect("an empty list revokes nothing");
}

/// A CA that never revoked anything needs no list, even beside one that did.
#[test]
fn a_list_speaks_for_its_own_ca_alone() {
    let (old, new) = (TestCa::new(), TestCa::new());
    let bundle = new.pem() + &old.pem();
    let (lost, _) = old.issue(&Leaf::of("node", "hong"));
    let (cert, key) = new.issue(&Leaf::of("node", "hong"));
    let ours = Credentials::from_pem(bundle.as_bytes(), cert.as_bytes(), key.as_bytes()).expect("good");
    let (olds, news) = (old.revocations(&[&lost], NOW), new.revocations(&[], NOW));
    ours.with_revocations(olds.as_bytes()).expect("of one CA");
    ours.with_revocations((olds.clone() + &news).as_bytes()).expect("of both");
    let twice = ours.with_revocations((olds.clone() + &olds).as_bytes()).expect_err("which one counts?");
    assert_eq!(twice.problem, Problem::TwoLists);
}

#[test]
fn bad_lists_are_told_apart() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let ours = ca.credentials("node", "hong");
    let good = ca.revocations(&[], NOW);
    // The same list with one bit of its signature flipped.
    let mut forged: Vec<String> = good.lines().map(str::to_owned).collect();
    let last = forged.len() - 2;
    let turned = if forged[last].starts_with('A') { "B" } else { "A" };
    forged[last].replace_range(..1, turned);
    let cases = [
        (other.revocations(&[], NOW), "was not signed by the CA that is configured", "together with ca.crt"),
        (forged.join("\n"), "was not signed by the CA that is configured", "together with ca.crt"),
        (ca.revocations(&[], (-864_000, -432_030)), "it expired 5 days ago", "cert revoke"),
        (ca.revocations(&[], (600, 3_600)), "becomes valid only in 10 minutes", "clock"),
        (ca.pem(), "has no PEM-encoded revocation list", "mixed up"),
        (String::new(), "has no PEM-encoded revocation list", "mixed up"),
        (
            "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----".to_owned(),
            "it cannot be used",
            "mixed up",
        ),
        (good.repeat(9), "more than 8", "mixed up"),
    ];
    for (list, sentence, hint) in cases {
        let error = ours.with_revocations(list.as_bytes()).expect_err(sentence);
        assert_eq!(error.file, CredentialFile::Revocations);
        assert!(error.to_string().contains(sentence), "{error} / {sentence}");
        assert!(error.hint().contains(hint), "{} / {hint}", error.hint());
    }
    ours.with_revocations(good.as_bytes()).expect("good");
}

/// Whatever an attacker changes in a list, it is rejected without a panic.
#[test]
fn a_list_with_any_byte_changed_is_refused() {
    let ca = TestCa::new();
    let (hong, _) = ca.issue(&Leaf::of("node", "hong"));
    let ours = ca.credentials("node", "ming");
    let good = ca.revocations(&[&hong], NOW);
    let start = good.find('\n').expect("a first line") + 1;
    let end = good.rfind("\n-----END").expect("a last line");
    for at in start..end {
        let mut list = good.clone().into_bytes();
        if !list[at].is_ascii_alphanumeric() {
            continue;
        }
        list[at] = if list[at] == b'A' { b'B' } else { b'A' };
        // The last characters may contain unused bits.
        if list != good.as_bytes() && at + 4 < end {
            ours.with_revocations(&list).expect_err("it was changed");
        }
        let _ = ours.with_revocations(&list[..at]);
    }
}

#[test]
fn what_has_changed_is_told() {
    let ca = TestCa::new();
    let one = ca.credentials("node", "hong");
    let other = ca.credentials("node", "hong");
    assert_eq!(one.differences(&one), []);
    assert_eq!(one.differences(&other), [CredentialFile::Certificate, CredentialFile::Key]);
    assert_ne!(one.serial(), other.serial());
    let list = ca.revocations(&[], NOW);
    let listed = one.with_revocations(list.as_bytes()).expect("good");
    assert_eq!(one.differences(&listed), [CredentialFile::Revocations]);
    assert_eq!(listed.differences(&listed), []);
}

/// Opening a pipe would block until a writer comes.
#[test]
fn a_pipe_is_not_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("ca.crt");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    let error = read_file(CredentialFile::Ca, &pipe).expect_err("a pipe");
    assert!(error.to_string().contains("it is not a regular file"), "{error}");
}
