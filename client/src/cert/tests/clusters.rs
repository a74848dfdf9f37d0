//! A CA and its certificates are of one cluster.

use super::*;

#[test]
fn a_ca_issues_for_the_cluster_that_it_was_created_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let staging = ClusterName::new("staging").expect("legal");
    let cluster = |issued: Result<Issued, CertError>| issued.expect("issues").info.expect("reads").cluster;
    assert_eq!(cluster(create_ca(path, Some(&staging), Existing::Keep)), Some(staging.clone()));
    let ming = issue_node(path, &name("ming"), &[], 10, Existing::Keep).expect("issues");
    let credentials = Credentials::load(&ming.credential_files().expect("the key is there")).expect("good");
    assert_eq!(*credentials.cluster(), staging);
    assert_eq!(cluster(renew(path, &ming.certificate, 10)), Some(staging.clone()));
    assert_eq!(cluster(rotate_ca(path)), Some(staging.clone()), "a rotation keeps it");
    assert_eq!(cluster(renew(path, &path.join("ca.crt"), 10)), Some(staging.clone()));

    let shops = ClusterName::default();
    let error = create_ca(path, Some(&shops), Existing::Keep).expect_err("of another cluster");
    assert!(matches!(&error, CertError::OtherCluster { found, .. } if *found == staging), "{error}");
    assert_eq!(
        cluster(create_ca(path, None, Existing::Replace)),
        Some(staging),
        "nothing else was asked for"
    );
    assert_eq!(cluster(create_ca(path, Some(&shops), Existing::Replace)), Some(shops));
}

#[test]
fn a_ca_without_a_cluster_issues_nothing() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    let certificate = params.self_signed(&key).expect("signs").pem();
    let error = Ca::from_pair(CertificateAndKey { certificate, key: key.serialize_pem() });
    let error = error.expect_err("no cluster");
    assert!(matches!(error, CertError::NoCluster), "{error}");
    assert!(error.hint().contains("--cluster NAME"), "{}", error.hint());
}
