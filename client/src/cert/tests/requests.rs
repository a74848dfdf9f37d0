//! Requests: what the CA takes from one, and what it refuses.

use coffee_common::protocol::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType, SignatureAlgorithm,
};
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem, prelude::FromDer};

use super::*;

fn subject(role: Role, text: &str) -> Subject {
    Subject { identity: Identity::new(role, name(text)), alt_names: Vec::new() }
}

fn params(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names =
        uris.iter().map(|uri| SanType::URI((*uri).try_into().expect("ASCII"))).collect();
    params
}

/// A request as another program would make it.
fn foreign(params: &CertificateParams, algorithm: &'static SignatureAlgorithm) -> String {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    params.serialize_request(&key).expect("encodes").pem().expect("encodes")
}

#[test]
fn a_key_stays_where_it_was_made() {
    let (ca, host) = (folder(), tempfile::tempdir().expect("a folder"));
    let wanted = Subject::node(name("hong"), vec!["10.0.0.1".parse().expect("legal")]);
    let made = request(host.path(), &ClusterName::default(), &wanted, Existing::Keep).expect("requests");
    assert_eq!(mode(&made.key), 0o600);
    let again = request(host.path(), &ClusterName::default(), &wanted, Existing::Keep);
    assert!(matches!(again, Err(CertError::Exists(_))), "{again:?}");

    let found = CertificateRequest::load(&made.request).expect("reads");
    assert_eq!((found.subject(), found.cluster()), (&wanted, &ClusterName::default()));
    assert_eq!(found.fingerprint(), made.fingerprint);
    let signed = sign(ca.path(), &found, 30, Existing::Keep).expect("signs");
    assert_eq!(signed.key, None, "the CA has no key of it");
    assert_eq!(days(signed.info.as_ref().expect("reads")), 30);
    assert!(matches!(sign(ca.path(), &found, 30, Existing::Keep), Err(CertError::Exists(_))));

    let certificate = host.path().join("node-hong.crt");
    fs::copy(&signed.certificate, &certificate).expect("copies");
    fs::copy(ca.path().join("ca.crt"), host.path().join("ca.crt")).expect("copies");
    let files = coffee_common::tls::CredentialFiles::new(host.path().join("ca.crt"), &certificate, &made.key);
    assert_eq!(Credentials::load(&files).expect("good").identity(), &wanted.identity);
    // It is renewed and revoked like any other.
    renew(ca.path(), &signed.certificate, 60).expect("renews");
    assert_eq!(revoke(ca.path(), Some("node-hong")).expect("revokes").serials.len(), 2);
}

#[test]
fn nothing_but_the_key_and_the_names_is_taken_from_a_request() {
    let ca = folder();
    let mut params = params(&["coffee://shops/writer/till", "coffee-keys:till/", "https://shops.example"]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning];
    params.subject_alt_names.push(SanType::Rfc822Name("root@shops.example".try_into().expect("ASCII")));
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "root");
    let request = CertificateRequest::from_pem(&foreign(&params, &PKCS_ECDSA_P256_SHA256)).expect("reads");
    let signed = sign(ca.path(), &request, 30, Existing::Keep).expect("signs");
    let pem = fs::read(&signed.certificate).expect("reads");
    let (_, pem) = parse_x509_pem(&pem).expect("PEM");
    let (_, found) = X509Certificate::from_der(&pem.contents).expect("a certificate");
    assert!(!found.is_ca());
    let usage = found.key_usage().expect("reads").expect("has some").value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    let extended = found.extended_key_usage().expect("reads").expect("has some").value;
    assert!(extended.client_auth && !extended.server_auth && !extended.code_signing && !extended.any);
    assert_eq!(found.subject().to_string(), "CN=till");
    let names = found.subject_alternative_name().expect("reads").expect("has some").value;
    assert_eq!(names.general_names.len(), 2, "{names:?}");
    let Ok(Holder::Leaf(identity)) = signed.info.map(|info| info.holder) else { panic!("a client's") };
    assert_eq!(identity.keys, KeyScope::new(["till/"]).expect("legal"));
}

#[test]
fn a_request_that_is_not_whole_is_refused() {
    let refused = |params: &CertificateParams, algorithm| {
        CertificateRequest::from_pem(&foreign(params, algorithm)).expect_err("refused")
    };
    for uris in [
        &[][..],
        &["https://shops.example"],
        &["coffee://shops/writer/till", "coffee://shops/admin/ops"],
        &["coffee://shops/boss/till"],
        &["coffee://shops/admin/ops", "coffee-keys:till/"],
    ] {
        let error = refused(&params(uris), &PKCS_ED25519);
        assert!(matches!(error, CertError::Identity(_)), "{uris:?}: {error}");
    }
    let good = params(&["coffee://shops/writer/till"]);
    let error = refused(&good, &PKCS_ECDSA_P384_SHA384);
    assert!(matches!(error, CertError::Request(_)), "{error}");

    // Not the text that its key has signed: a flipped bit of each byte in turn.
    let pem = foreign(&good, &PKCS_ED25519);
    let der = pem::parse(&pem).expect("PEM").into_contents();
    // The name of the algorithm, which is not signed, and the header of the signature decide nothing.
    let unsigned = der.len() - 74..der.len() - 64;
    for at in (0..der.len()).filter(|at| !unsigned.contains(at)) {
        let mut der = der.clone();
        der[at] ^= 1;
        let pem = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
        assert!(CertificateRequest::from_pem(&pem).is_err(), "byte {at}");
    }
    for text in ["", "no PEM", &pem[..pem.len() / 2]] {
        assert!(CertificateRequest::from_pem(text).is_err());
    }
}

#[test]
fn the_ca_signs_for_its_cluster_and_beside_no_other_key() {
    let (ca, host) = (folder(), tempfile::tempdir().expect("a folder"));
    let staging = ClusterName::new("staging").expect("legal");
    let ask = |cluster: &ClusterName, name| {
        let made = request(host.path(), cluster, &subject(Role::Node, name), Existing::Replace);
        CertificateRequest::load(&made.expect("requests").request).expect("reads")
    };
    let error = sign(ca.path(), &ask(&staging, "ming"), 30, Existing::Keep).expect_err("of another cluster");
    assert!(matches!(error, CertError::OtherCluster { .. }), "{error}");

    issue_node(ca.path(), &name("ming"), &[], 30, Existing::Keep).expect("issues");
    let request = ask(&ClusterName::default(), "ming");
    let error = sign(ca.path(), &request, 30, Existing::Replace).expect_err("its key is another one");
    assert!(matches!(error, CertError::OtherKey(_)), "{error}");
    fs::copy(host.path().join("node-ming.key"), ca.path().join("node-ming.key")).expect("copies");
    sign(ca.path(), &request, 30, Existing::Replace).expect("signs");
}
