//! The completion scripts in their shells, against a folder of certificates.

use std::{env, path::Path, process::Command};

use coffee_client::cert::{self, Existing, LEAF_DAYS};
use coffee_common::protocol::Role;

use super::*;

/// Prints the candidates of bash for the words after the script.
const BASH: &str = r#"
    source "$1"; shift
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _coffeectl
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The same for zsh, whose functions of the line editor are stand-ins here.
const ZSH: &str = r#"
    compdef() { }
    _describe() { print -l -- ${${(P)4}%%:*} }
    _files() { print -- FILES }
    source "$1"; shift
    words=("$@"); CURRENT=$#; PREFIX=${words[-1]}
    _coffeectl
"#;

/// The same for fish.
const FISH: &str = r#"
    source $argv[1]
    complete -C (string join ' ' -- $argv[2..]) | string replace -r '\t.*' ''
"#;

/// Certificates of nodes and clients, two contexts, and a cluster that may be down.
struct Terminal {
    folder: tempfile::TempDir,
    endpoint: String,
}

impl Terminal {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        cert::create_ca(path, None, Existing::Keep).expect("issues");
        for node in ["ming", "hong", "hu"] {
            cert::issue_node(path, &name(node), &[], LEAF_DAYS, Existing::Keep).expect("issues");
        }
        cert::issue_client(path, Role::Admin, &name("ops"), LEAF_DAYS, Existing::Keep).expect("issues");
        let text = "[contexts.shops]\nendpoints = ['a:1']\n[contexts.moon]\nendpoints = ['b:1']\n";
        std::fs::write(path.join("contexts.toml"), text).expect("writes");
        Self { folder, endpoint: "127.0.0.1:1".to_owned() }
    }

    /// Sets the variables of ours for a command.
    fn prepare(&self, command: &mut Command) {
        let program = Path::new(env!("CARGO_BIN_EXE_coffeectl")).parent().expect("a folder");
        let path = format!("{}:{}", program.display(), env::var("PATH").unwrap_or_default());
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path())
            .env("COFFEECTL_CONTEXT_FILE", self.folder.path().join("contexts.toml"))
            .env("COFFEECTL_CERTS", self.folder.path())
            .env("COFFEECTL_ENDPOINTS", &self.endpoint)
            .current_dir(self.folder.path());
    }

    /// Returns the candidates of a shell for the last word of a line, in order.
    fn complete(&self, shell: ShellCase, line: &str) -> Vec<String> {
        let script = self.folder.path().join(format!("script.{}", shell.program));
        let printed = bare(["completion", shell.program]).go();
        std::fs::write(&script, &printed.out).expect("writes");
        let mut command = Command::new(shell.program);
        command.args(shell.flags).arg(shell.driver).args(shell.zeroth).arg(&script).args(line.split(' '));
        self.prepare(&mut command);
        let ran = command.output().expect("the shell runs");
        assert!(ran.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        let text = String::from_utf8(ran.stdout).expect("is UTF-8");
        let mut words: Vec<String> =
            text.lines().filter(|word| !word.is_empty()).map(|word| word.trim_end().to_owned()).collect();
        words.sort();
        words
    }
}

/// A shell, and how it runs a driver.
#[derive(Clone, Copy)]
struct ShellCase {
    program: &'static str,
    flags: &'static [&'static str],
    driver: &'static str,
    /// The name of the driver, where the shell wants one.
    zeroth: &'static [&'static str],
}

const SHELLS: [ShellCase; 3] = [
    ShellCase { program: "bash", flags: &["--norc", "-c"], driver: BASH, zeroth: &["bash"] },
    ShellCase { program: "zsh", flags: &["-fc"], driver: ZSH, zeroth: &["zsh"] },
    ShellCase { program: "fish", flags: &["--no-config", "-c"], driver: FISH, zeroth: &[] },
];

impl ShellCase {
    #[expect(clippy::print_stdout, reason = "a skipped test prints the reason")]
    fn is_installed(self) -> bool {
        let found = Command::new(self.program).arg("--version").output().is_ok();
        if !found {
            println!("skipped: {} is not installed", self.program);
        }
        found
    }
}

#[test]
fn every_shell_offers_names_without_a_cluster() {
    let terminal = Terminal::new();
    let nodes = ["hong", "hu", "ming"];
    for shell in SHELLS.into_iter().filter(|shell| shell.is_installed()) {
        let complete = |line: &str| terminal.complete(shell, line);
        for line in ["down ", "boot ", "can-stop ", "reload ", "transfer --to ", "node remove "] {
            assert_eq!(complete(&format!("coffeectl {line}")), nodes, "{}: {line}", shell.program);
        }
        assert_eq!(complete("coffeectl down h"), ["hong", "hu"]);
        assert_eq!(complete("coffeectl --context "), ["moon", "shops"]);
        assert_eq!(complete("coffeectl --as "), ["admin-ops"]);
        let certificates = ["admin-ops", "node-hong", "node-hu", "node-ming"];
        assert_eq!(complete("coffeectl cert renew "), certificates);
        assert_eq!(complete("coffeectl cert revoke node-h"), ["node-hong", "node-hu"]);
        assert_eq!(complete("coffeectl wait --for "), ["leader", "level", "quorum", "synced", "voter"]);
        assert_eq!(complete("coffeectl list --output "), ["json", "plain", "table"]);
        assert_eq!(complete("coffeectl roll"), ["rolling"]);
        assert_eq!(complete("coffeectl down --dry"), ["--dry-run"]);
    }
}

#[test]
fn bash_completes_values_after_an_equals_sign_and_paths() {
    let terminal = Terminal::new();
    let bash = SHELLS[0];
    if !bash.is_installed() {
        return;
    }
    assert_eq!(terminal.complete(bash, "coffeectl transfer --to = h"), ["hong", "hu"], "as bash splits it");
    assert_eq!(terminal.complete(bash, "coffeectl transfer --to ="), ["hong", "hu", "ming"]);
    assert_eq!(terminal.complete(bash, "coffeectl set k --file contexts"), ["contexts.toml"]);
    assert_eq!(terminal.complete(bash, "coffeectl list "), [""; 0]);
}

#[test]
fn the_cluster_adds_its_nodes() {
    let view = ClusterView {
        disk_free_bytes_min: None,
        quorum_silent_ms: None,
        join_requests: Vec::new(),
        writes_refused: None,
        cluster: None,
        asked: name("ming"),
        leader: None,
        term: 1,
        joint: false,
        voters: 1,
        voters_in_reach: 1,
        may_lose: 0,
        nodes: vec![NodeView {
            name: name("peng"),
            id: Some(NodeId(1)),
            address: "10.0.0.1:7400".parse().expect("legal"),
            role: None,
            state: NodeState::Up,
            lag: None,
            applied: None,
            version: None,
            pace: None,
            certificate_until_s: None,
            disk_free_bytes: None,
            revocation_lists: Vec::new(),
            other_cluster: None,
            level: None,
        }],
        level: None,
    };
    let (_lab, desk, ming) = saying(Ok(Response::Cluster(Box::new(view))));
    let ran = desk.asks(&[&ming], ["complete", "--", "coffeectl", "down", ""]).go();
    ran.says("peng\t\n");
}

#[test]
fn the_cluster_adds_its_keys_and_a_failure_adds_none() {
    let page = |names: &[&str], more: bool| {
        let entries = names.iter().map(|name| (Key::new(*name).expect("legal"), entry(b""))).collect();
        let upto = more.then(|| Key::new("order/9").expect("legal"));
        Ok(Response::Page { entries, more, at: Revision(9), upto })
    };
    let offered = |result| ask(result, &["complete", "--", "coffeectl", "get", "order/"]);
    offered(page(&["order/1", "order/two words", "order/2"], false)).says("order/\t\norder/1\t\norder/2\t\n");
    offered(page(&["order/1"], false)).says("order/1\t\n");
    offered(page(&["order/1"], true)).says("order/\t\norder/1\t\n");
    offered(Err(Rejection::Denied("no".into()))).says("");
}
