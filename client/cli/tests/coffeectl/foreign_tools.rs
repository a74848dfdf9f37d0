//! Other programs read the certificates and keys that `cert` creates.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use super::run::bare;

/// Runs a program in a folder. `None`, with the reason printed, if this machine has no such program.
#[expect(clippy::print_stdout, reason = "a test that skips a program says so")]
fn run(folder: &Path, words: &[&str]) -> Option<Output> {
    match Command::new(words[0]).args(&words[1..]).current_dir(folder).stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {}: {error}", words[0]);
            None
        }
    }
}

/// Like [`run`], for a program that must succeed. Returns its output.
fn succeeds(folder: &Path, words: &[&str]) -> Option<String> {
    let output = run(folder, words)?;
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {err}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A folder with a CA, node ming and client till.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for words in [&["ca"][..], &["node", "ming"], &["node", "ming", "--tcp"], &["client", "writer", "till"]] {
        let certs = folder.path().to_str().expect("UTF-8");
        let ran = bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs).go();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
    folder
}

#[test]
fn openssl_reads_keys_and_verifies_certificates() {
    let folder = certificates();
    for name in ["ca", "node-ming", "node-ming.tcp", "writer-till"] {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.crt"));
        let of_key = succeeds(folder.path(), &["openssl", "pkey", "-in", &key, "-pubout"]);
        let of_certificate =
            succeeds(folder.path(), &["openssl", "x509", "-in", &certificate, "-noout", "-pubkey"]);
        assert_eq!(of_key, of_certificate, "{name}");
        succeeds(folder.path(), &["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", &certificate]);
    }
}

#[test]
fn openssl_reads_and_writes_keys_with_a_passphrase() {
    let folder = certificates();
    let certs = folder.path().to_str().expect("UTF-8");
    std::fs::write(folder.path().join("passphrase"), "one two\n").expect("writes");
    std::fs::write(folder.path().join("wrong"), "one tow\n").expect("writes");
    let file = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (right, wrong) = (file("passphrase"), file("wrong"));
    let cert = |words: &[&str]| bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs);
    let set = cert(&["passphrase", "--new-passphrase-file", "-"]).reads("one two\n").go();
    assert_eq!(set.code, Some(0), "{}", set.err);
    for (file, code, said) in [(None, 7, "ca.key has a passphrase"), (Some(&wrong), 7, "wrong passphrase")] {
        let node = cert(&["node", "hong"]);
        let ran = match file {
            Some(file) => node.with("COFFEECTL_CA_PASSPHRASE_FILE", file).go(),
            None => node.go(),
        };
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let node = cert(&["node", "hong", "--passphrase-file", &right]).go();
    assert_eq!(node.code, Some(0), "{}", node.err);
    succeeds(folder.path(), &["openssl", "pkey", "-in", "ca.key", "-passin", "file:passphrase", "-noout"]);
    let refused =
        run(folder.path(), &["openssl", "pkey", "-in", "ca.key", "-passin", "file:wrong", "-noout"]);
    assert!(refused.is_none_or(|output| !output.status.success()));

    // One that openssl has put under a passphrase.
    let lock = ["openssl", "pkcs8", "-topk8", "-in", "ca.key", "-passin", "file:passphrase", "-v2", "aes256"];
    if succeeds(folder.path(), &[&lock[..], &["-passout", "file:wrong", "-out", "ca.new"]].concat()).is_some()
    {
        std::fs::rename(folder.path().join("ca.new"), folder.path().join("ca.key")).expect("renames");
        let removed = cert(&["passphrase", "--remove", "--passphrase-file", &wrong]).go();
        assert_eq!(removed.code, Some(0), "{}", removed.err);
        let node = cert(&["node", "peng"]).go();
        assert_eq!(node.code, Some(0), "{}", node.err);
    }
}

#[test]
fn openssl_and_python_read_the_file_for_browsers() {
    let folder = certificates();
    let certs = folder.path().to_str().expect("UTF-8");
    let cert = |words: &[&str]| bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs);
    let client = ["client", "writer", "desk", "--p12", "--p12-passphrase-file", "-"];
    let refused = cert(&client).reads("K\u{e4}se\n").go();
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("not ASCII"), "{}", refused.err);
    let without = cert(&client[..4]).go();
    assert_eq!((without.code, without.err.contains("hint: name a file")), (Some(2), true), "{}", without.err);
    assert!(!folder.path().join("writer-desk.key").exists(), "nothing is made");
    let made = cert(&client).reads("one two\n").go();
    assert_eq!(made.code, Some(0), "{}", made.err);
    let again = cert(&client).reads("one two\n").go();
    assert_eq!(again.code, Some(8), "{}", again.err);
    let file = folder.path().join("writer-desk.p12");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("is there").permissions());
    assert_eq!(mode & 0o777, 0o600);

    let read = |pass: &'static str, words: &[&'static str]| {
        run(
            folder.path(),
            &[&["openssl", "pkcs12", "-in", "writer-desk.p12", "-passin", pass], words].concat(),
        )
    };
    let Some(info) = read("pass:one two", &["-info", "-nokeys"]) else { return };
    let (out, err) = (String::from_utf8_lossy(&info.stdout), String::from_utf8_lossy(&info.stderr));
    assert!(info.status.success(), "{err}");
    assert!(err.contains("MAC: sha256, Iteration 300000"), "{err}");
    assert_eq!(err.matches("PBES2, PBKDF2, AES-256-CBC").count(), 2, "{err}");
    assert_eq!(out.matches("BEGIN CERTIFICATE").count(), 2, "its own and the CA's: {out}");
    assert!(out.contains("friendlyName: writer-desk"), "{out}");
    let wrong = read("pass:one tow", &["-noout"]).expect("is there");
    assert!(!wrong.status.success(), "a wrong passphrase is refused");

    // Out of the file and in use: the key is that of the certificate, which the CA has signed.
    let out = read("pass:one two", &["-noenc", "-clcerts", "-out", "again.pem"]).expect("is there");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let of_key = succeeds(folder.path(), &["openssl", "pkey", "-in", "again.pem", "-pubout"]);
    let of_certificate =
        succeeds(folder.path(), &["openssl", "x509", "-in", "writer-desk.crt", "-noout", "-pubkey"]);
    assert_eq!(of_key, of_certificate);
    succeeds(folder.path(), &["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "again.pem"]);
    let text = succeeds(folder.path(), &["openssl", "x509", "-in", "writer-desk.crt", "-noout", "-text"]);
    assert!(text.is_some_and(|text| text.contains("NIST CURVE: P-256")), "browsers offer no Ed25519");

    // The command in OPERATIONS.md, for a certificate that was renewed.
    let export = ["openssl", "pkcs12", "-export", "-passout", "pass:one two", "-out", "again.p12"];
    let of = ["-inkey", "writer-desk.key", "-in", "writer-desk.crt", "-certfile", "ca.crt"];
    succeeds(folder.path(), &[&export[..], &of].concat());
    succeeds(folder.path(), &["openssl", "pkcs12", "-in", "again.p12", "-passin", "pass:one two", "-noout"]);

    let has = run(folder.path(), &["python3", "-c", "import cryptography"]);
    if has.is_none_or(|output| !output.status.success()) {
        println!("skipped: cryptography: not among Python's modules");
        return;
    }
    let program = "from cryptography.hazmat.primitives.serialization import pkcs12\n\
                   data = open('writer-desk.p12', 'rb').read()\n\
                   found = pkcs12.load_pkcs12(data, b'one two')\n\
                   assert found.cert.friendly_name == b'writer-desk', found.cert.friendly_name\n\
                   assert len(found.additional_certs) == 1\n\
                   assert found.key.public_key() == found.cert.certificate.public_key()\n\
                   try:\n    pkcs12.load_pkcs12(data, b'one tow')\n\
                   except ValueError:\n    pass\n\
                   else:\n    raise SystemExit('a wrong passphrase was accepted')\n";
    succeeds(folder.path(), &["python3", "-c", program]);
}

#[test]
fn openssl_reads_the_keys_of_backups() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("backup.key");
    let ran = bare(["backup", "key", file.to_str().expect("UTF-8")]).go();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let public = succeeds(folder.path(), &["openssl", "pkey", "-in", "backup.key", "-pubout"]);
    let written = std::fs::read_to_string(folder.path().join("backup.pub")).expect("reads");
    assert!(public.is_none_or(|public| public == written), "{written}");
}

#[test]
fn openssl_makes_and_verifies_requests() {
    let folder = certificates();
    let certs = folder.path().to_str().expect("UTF-8");
    let cert = |words: &[&str]| bare(["cert"].iter().chain(words)).with("COFFEECTL_CERTS", certs).go();
    let made = cert(&["request", "node", "hong", "--host", "10.0.0.1"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    let text = ["openssl", "req", "-in", "node-hong.csr", "-noout", "-verify", "-text"];
    let text = succeeds(folder.path(), &text);
    assert!(
        text.is_none_or(|text| text.contains("URI:coffee://shops/node/hong, DNS:hong, IP Address:10.0.0.1"))
    );

    let request = ["openssl", "req", "-new", "-newkey", "ed25519", "-nodes", "-subj", "/CN=desk", "-keyout"];
    let names = ["reader-desk.key", "-addext", "subjectAltName=URI:coffee://shops/reader/desk", "-out"];
    if succeeds(folder.path(), &[&request[..], &names, &["desk.csr"]].concat()).is_none() {
        return;
    }
    let file = folder.path().join("desk.csr");
    let file = file.to_str().expect("UTF-8");
    let sign = ["sign", file, "--only", "reader-desk", "--all-keys"];
    let asked = cert(&sign);
    assert_eq!(asked.code, Some(8), "{}", asked.err);
    assert!(asked.err.contains("sign for 365 days: reader desk of cluster shops\n"), "{}", asked.err);
    let other = cert(&["sign", file, "--only", "admin-ops", "--yes"]);
    assert_eq!((other.code, other.err.contains("for reader-desk, not for admin-ops")), (Some(8), true));
    assert!(!folder.path().join("reader-desk.crt").exists());
    let signed = cert(&[&sign[..], &["--yes"]].concat());
    assert_eq!(signed.code, Some(0), "{}", signed.err);
    succeeds(folder.path(), &["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "reader-desk.crt"]);
}

#[test]
fn python_loads_them() {
    let program = "import ssl\n\
                   context = ssl.create_default_context(cafile='ca.crt')\n\
                   context.load_cert_chain('writer-till.crt', 'writer-till.key')\n\
                   context.load_cert_chain('node-ming.tcp.crt', 'node-ming.tcp.key')\n";
    succeeds(certificates().path(), &["python3", "-c", program]);
}

#[test]
fn node_js_loads_them() {
    let program = "const read = require('fs').readFileSync;\n\
                   require('tls').createSecureContext(\n\
                   {ca: read('ca.crt'), cert: read('writer-till.crt'), key: read('writer-till.key')});\n\
                   require('tls').createSecureContext(\n\
                   {cert: read('node-ming.tcp.crt'), key: read('node-ming.tcp.key')});\n";
    succeeds(certificates().path(), &["node", "-e", program]);
}

/// A client of BoringSSL, which refuses servers with Ed25519, accepts the one for TCP.
#[test]
fn grpc_accepts_the_certificate_for_tcp() {
    let folder = certificates();
    if run(folder.path(), &["python3", "-c", "import grpc"]).is_none_or(|output| !output.status.success()) {
        println!("skipped: grpc: not among Python's modules");
        return;
    }
    let program = "import grpc, concurrent.futures as futures, sys\n\
                   read = lambda name: open(name, 'rb').read()\n\
                   pair = (read(sys.argv[1] + '.key'), read(sys.argv[1] + '.crt'))\n\
                   server = grpc.server(futures.ThreadPoolExecutor(1))\n\
                   port = server.add_secure_port('127.0.0.1:0', grpc.ssl_server_credentials([pair]))\n\
                   server.start()\n\
                   trust = grpc.ssl_channel_credentials(read('ca.crt'))\n\
                   name = (('grpc.ssl_target_name_override', 'ming'),)\n\
                   channel = grpc.secure_channel(f'127.0.0.1:{port}', trust, name)\n\
                   grpc.channel_ready_future(channel).result(timeout=20)\n";
    succeeds(folder.path(), &["python3", "-c", program, "node-ming.tcp"]);
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn curl_and_openssl_trust_each_other() {
    let folder = certificates();
    let there = |program| run(folder.path(), &[program, "--version"]).is_some();
    if !there("openssl") || !there("curl") {
        return;
    }
    let port = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        free.local_addr().expect("bound").port().to_string()
    };
    let listen = format!("127.0.0.1:{port}");
    let server = Command::new("openssl")
        .args(["s_server", "-accept", &listen, "-www", "-cert", "node-ming.tcp.crt"])
        .args(["-key", "node-ming.tcp.key"])
        .args(["-CAfile", "ca.crt", "-Verify", "1", "-verify_return_error", "-tls1_3"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is there");
    let _server = Ended(server);
    let (url, resolve) = (format!("https://ming:{port}/"), format!("ming:{port}:127.0.0.1"));
    let curl = ["curl", "-sS", "--fail", "--max-time", "10", "--retry", "20", "--retry-connrefused"];
    let trust = ["--retry-delay", "1", "--cacert", "ca.crt", "--resolve", &resolve, &url];
    let own = ["--cert", "writer-till.crt", "--key", "writer-till.key"];
    let page = succeeds(folder.path(), &[&curl[..], &trust, &own].concat());
    assert!(page.is_some_and(|page| page.contains("CN = till") || page.contains("CN=till")), "as whom");
    let without = run(folder.path(), &[&curl[..], &trust].concat()).expect("it is there");
    assert!(!without.status.success(), "a certificate is required");
}
