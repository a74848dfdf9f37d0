//! Requests that the CA signs without a question: for no more keys and hosts than its operator has stated.

use std::path::Path;

use coffee_client::cert::{self, AltName};

use super::run::{CommandOutput, bare};

/// A CA, and the host of a client that sends it a request.
struct SigningOffice {
    ca: tempfile::TempDir,
    host: tempfile::TempDir,
}

fn in_folder(folder: &Path, words: &[&str]) -> CommandOutput {
    let certs = folder.to_str().expect("UTF-8");
    bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs).go()
}

impl SigningOffice {
    fn new() -> Self {
        let office =
            Self { ca: tempfile::tempdir().expect("a folder"), host: tempfile::tempdir().expect("a folder") };
        let made = in_folder(office.ca.path(), &["ca"]);
        assert_eq!(made.code, Some(0), "{}", made.err);
        office
    }

    /// Requests the certificate of a client, and has it signed.
    fn signs(&self, client: &[&str], keys: &[&str], words: &[&str]) -> CommandOutput {
        let keys: Vec<&str> = keys.iter().flat_map(|prefix| ["--keys", *prefix]).collect();
        self.signs_request(&[&["client"], client, &keys].concat(), &client.join("-"), words)
    }

    /// Requests the certificate of a node, and has it signed.
    fn signs_node(&self, node: &str, hosts: &[&str], words: &[&str]) -> CommandOutput {
        let hosts: Vec<&str> = hosts.iter().flat_map(|host| ["--host", *host]).collect();
        self.signs_request(&[&["node", node], &hosts[..]].concat(), &format!("node-{node}"), words)
    }

    fn signs_request(&self, holder: &[&str], name: &str, words: &[&str]) -> CommandOutput {
        let made = in_folder(self.host.path(), &[&["request"], holder, &["--replace"]].concat());
        assert_eq!(made.code, Some(0), "{}", made.err);
        let file = self.host.path().join(format!("{name}.csr"));
        let file = file.to_str().expect("UTF-8");
        in_folder(self.ca.path(), &[&["sign", file, "--replace", "-o", "json"], words].concat())
    }

    /// Returns the hosts in a certificate.
    fn hosts(&self, name: &str) -> Vec<AltName> {
        let all = cert::list(self.ca.path()).expect("a folder");
        let one = all.into_iter().find(|one| one.name() == name).expect("it is signed");
        one.info.expect("a certificate").alt_names
    }

    fn has_signed(&self, client: &[&str]) -> bool {
        let file = self.ca.path().join(format!("{}.crt", client.join("-")));
        std::fs::remove_file(file).is_ok()
    }
}

#[test]
fn no_more_keys_are_signed_than_were_stated() {
    const UNSTATED: &str = "its keys are not stated";
    const WIDER: &str = "the request asks only for keys that begin with";
    let office = SigningOffice::new();
    let till = ["writer", "till"];
    for (asked, words, signed) in [
        (&[][..], &["--only", "writer-till", "--yes"][..], Err(UNSTATED)),
        (&["till/"], &["--only", "writer-till", "--yes"], Err(UNSTATED)),
        (&["till/"], &["--yes"], Err(UNSTATED)),
        // Without a terminal, no operator can refuse.
        (&["till/"], &[], Err(UNSTATED)),
        (&["till/"], &["--keys", "till/", "--yes"], Ok(r#""keys":["till/"]"#)),
        (&[], &["--only", "writer-till", "--keys", "till/", "--yes"], Ok(r#""keys":["till/"]"#)),
        (&["till/"], &["--keys", "till/ming/", "--yes"], Ok(r#""keys":["till/ming/"]"#)),
        (&["till/", "menu/"], &["--keys", "till/", "--yes"], Ok(r#""keys":["till/"]"#)),
        (
            &["till/", "menu/"],
            &["--keys", "till/", "--keys", "menu/", "--yes"],
            Ok(r#""keys":["menu/","till/"]"#),
        ),
        (&["till/"], &["--keys", "menu/", "--yes"], Err(WIDER)),
        (&["till/"], &["--keys", "till/", "--keys", "menu/", "--yes"], Err(WIDER)),
        (&["till/"], &["--keys", "till", "--yes"], Err(WIDER)),
        (&["till/"], &["--all-keys", "--yes"], Err(WIDER)),
        (&[], &["--all-keys", "--yes"], Ok(r#""cluster":"shops","valid_until""#)),
        (&[], &["--all-keys"], Err("confirmation is missing")),
        (&["till/"], &["--keys", "till/"], Err("confirmation is missing")),
    ] {
        let ran = office.signs(&till, asked, words);
        let out = String::from_utf8_lossy(&ran.out).into_owned();
        match signed {
            Ok(keys) => {
                assert_eq!(ran.code, Some(0), "{asked:?} {words:?}: {}", ran.err);
                assert!(out.contains(keys), "{asked:?} {words:?}: {out}");
            }
            Err(sentence) => {
                assert_eq!(ran.code, Some(8), "{asked:?} {words:?}: {}{out}", ran.err);
                assert!(ran.err.contains(sentence), "{asked:?} {words:?}: {}", ran.err);
                assert!(ran.err.contains("hint: "), "{asked:?} {words:?}: {}", ran.err);
            }
        }
        assert_eq!(office.has_signed(&till), signed.is_ok(), "{asked:?} {words:?}");
    }
}

#[test]
fn the_hint_says_how_to_state_the_keys() {
    let office = SigningOffice::new();
    let ran =
        office.signs(&["reader", "desk"], &["menu/", "two words/"], &["--only", "reader-desk", "--yes"]);
    assert!(ran.err.contains("--yes --keys menu/ --keys 'two words/'"), "{}", ran.err);
    let ran = office.signs(&["reader", "desk"], &[], &["--yes"]);
    assert!(ran.err.contains("--keys PREFIX") && ran.err.contains("--all-keys"), "{}", ran.err);
}

#[test]
fn the_keys_of_other_roles_are_all() {
    let office = SigningOffice::new();
    let ops = ["admin", "ops"];
    let ran = office.signs(&ops, &[], &["--only", "admin-ops", "--keys", "menu/", "--yes"]);
    assert_eq!((ran.code, office.has_signed(&ops)), (Some(2), false), "{}", ran.err);
    let ran = office.signs(&ops, &[], &["--only", "admin-ops", "--yes"]);
    assert_eq!((ran.code, office.has_signed(&ops)), (Some(0), true), "{}", ran.err);
}

#[test]
fn no_more_hosts_are_signed_than_were_stated() {
    const UNSTATED: &str = "its hosts are not stated";
    const WIDER: &str = "the request does not ask for host";
    let office = SigningOffice::new();
    let hong = ["node", "hong"];
    let only = ["--only", "node-hong", "--yes"];
    for (asked, stated, signed) in [
        (&[][..], &[][..], Ok(&[][..])),
        (&["10.0.0.2"], &[], Err(UNSTATED)),
        (&["shop-2.example.net", "10.0.0.2"], &[], Err(UNSTATED)),
        (&["10.0.0.2"], &["10.0.0.2"], Ok(&["10.0.0.2"])),
        (&["shop-2.example.net", "10.0.0.2"], &["Shop-2.example.net"], Ok(&["shop-2.example.net"])),
        (&["10.0.0.2"], &["10.0.0.2", "10.0.0.3"], Err(WIDER)),
        (&[], &["bank.example.net"], Err(WIDER)),
        // Its own name is in the certificate of every node.
        (&["10.0.0.2"], &["hong", "10.0.0.2"], Ok(&["10.0.0.2"])),
        (&["10.0.0.2"], &["hong"], Ok(&[])),
    ] {
        let stated: Vec<&str> = stated.iter().flat_map(|host| ["--host", *host]).collect();
        let ran = office.signs_node("hong", asked, &[&only[..], &stated].concat());
        match signed {
            Ok(hosts) => {
                assert_eq!(ran.code, Some(0), "{asked:?} {stated:?}: {}", ran.err);
                let hosts: Vec<AltName> =
                    ["hong"].iter().chain(hosts).map(|host| host.parse().expect("a host")).collect();
                assert_eq!(office.hosts("node-hong"), hosts, "{asked:?} {stated:?}");
            }
            Err(sentence) => {
                assert_eq!(ran.code, Some(8), "{asked:?} {stated:?}: {}", ran.err);
                assert!(ran.err.contains(sentence), "{asked:?} {stated:?}: {}", ran.err);
                assert!(ran.err.contains("hint: "), "{asked:?} {stated:?}: {}", ran.err);
            }
        }
        assert_eq!(office.has_signed(&hong), signed.is_ok(), "{asked:?} {stated:?}");
    }
}

#[test]
fn a_question_names_the_hosts_and_so_does_a_hint() {
    let office = SigningOffice::new();
    let ran =
        office.signs_node("hong", &["10.0.0.2", "shop-2.example.net"], &["--only", "node-hong", "--yes"]);
    assert!(ran.err.contains("  host 10.0.0.2\n"), "{}", ran.err);
    assert!(ran.err.contains("--yes --host 10.0.0.2 --host shop-2.example.net"), "{}", ran.err);
    // Without a terminal, no operator can refuse.
    let ran = office.signs_node("hong", &["10.0.0.2"], &["--only", "node-hong"]);
    assert_eq!((ran.code, office.has_signed(&["node", "hong"])), (Some(8), false), "{}", ran.err);
    assert!(ran.err.contains("its hosts are not stated"), "{}", ran.err);
}
