//! Credentials that are refused before anybody else sees them.

use super::{
    testing::{Leaf, TestCa},
    *,
};

/// What a CA makes of a leaf, as [`Credentials::from_pem`] judges it.
fn judge(ca: &TestCa, leaf: &Leaf) -> Result<Credentials, TlsError> {
    let (cert, key) = ca.issue(leaf);
    Credentials::from_pem(ca.pem().as_bytes(), cert.as_bytes(), key.as_bytes())
}

#[test]
fn a_certificate_needs_one_role() {
    let ca = TestCa::new();
    let none = Leaf { uris: Vec::new(), ..Leaf::of("node", "hong") };
    let two = Leaf {
        uris: vec!["coffee://node/hong".to_owned(), "coffee://admin/hong".to_owned()],
        ..Leaf::of("node", "hong")
    };
    for (leaf, problem) in [(none, identity::IdentityError::Missing), (two, identity::IdentityError::Several)]
    {
        let error = judge(&ca, &leaf).expect_err("no single role");
        assert_eq!((error.file, error.problem), (CredentialFile::Certificate, Problem::Identity(problem)));
    }
}

#[test]
fn a_self_signed_certificate_is_of_another_ca() {
    let (cert, key) = Leaf::of("node", "hong").self_signed();
    let error = Credentials::from_pem(TestCa::new().pem().as_bytes(), cert.as_bytes(), key.as_bytes())
        .expect_err("self-signed");
    assert_eq!(error.problem, Problem::UnknownIssuer);
}
