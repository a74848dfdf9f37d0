//! Contexts: the precedence of settings, and invalid contexts files.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use super::{
    run::{CommandRun, Desk, bare},
    *,
};

/// A node that responds, and the path of a contexts file.
struct Office {
    folder: tempfile::TempDir,
    _lab: Lab,
    desk: Desk,
    node: FakeNode,
}

impl Office {
    fn new() -> Self {
        let (lab, desk, node) = saying(applied(5));
        Self { folder: tempfile::tempdir().expect("a folder"), _lab: lab, desk, node }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("below").join("contexts.toml")
    }

    fn write(&self, text: &str) {
        std::fs::create_dir_all(self.file().parent().expect("a folder")).expect("a folder");
        std::fs::write(self.file(), text).expect("writes");
        std::fs::set_permissions(self.file(), std::fs::Permissions::from_mode(0o600)).expect("sets");
    }

    fn certs(&self) -> String {
        self.desk.certs().to_str().expect("UTF-8").to_owned()
    }

    /// Returns a command that gets the file and no other setting.
    fn run(&self, words: &[&str]) -> CommandRun {
        bare(words).with("COFFEECTL_CONTEXT_FILE", self.file().to_str().expect("UTF-8"))
    }

    /// Creates the contexts `shops`, which works, and `moon`, where no node listens.
    fn make_contexts(&self) {
        let set = |name: &str, endpoint: &str| {
            let words = ["context", "set", name, "--endpoints", endpoint, "--certs", &self.certs()];
            let ran = self.run(&words).go();
            assert_eq!((ran.code, ran.text()), (Some(0), format!("{name} is set\n").as_str()), "{}", ran.err);
        };
        set("shops", self.node.address.as_str());
        set("moon", "127.0.0.1:1");
    }
}

#[test]
fn a_flag_comes_before_a_variable_before_a_context_before_a_default() {
    let office = Office::new();
    office.make_contexts();
    let write = || office.run(&["set", "k", "v", "--timeout", "300ms"]);
    let here = office.node.address.as_str();

    // The default has no certificates.
    write().go().fails(2).complaining("no certificates given");
    // The context before the default: by its name in a flag, in a variable, in the file.
    office.run(&["set", "k", "v", "--context", "shops"]).go().says("revision 5\n");
    write().with("COFFEECTL_CONTEXT", "shops").go().says("revision 5\n");
    office.run(&["context", "use", "shops"]).go().says("shops is in use\n");
    office.run(&["context", "use", "shops"]).go().says("shops is in use already\n");
    write().go().says("revision 5\n");
    // Of the names, too, the flag comes first, and the file last.
    write().with("COFFEECTL_CONTEXT", "moon").go().fails(5);
    let run = office.run(&["set", "k", "v", "--context", "shops"]);
    run.with("COFFEECTL_CONTEXT", "moon").go().says("revision 5\n");
    write().with("COFFEECTL_CONTEXT", "").go().fails(2).complaining("no certificates given");
    // A variable before the context, and a flag before the variable.
    write().with("COFFEECTL_ENDPOINTS", "127.0.0.1:1").go().fails(5);
    let run = office.run(&["set", "k", "v", "--endpoints", here]);
    run.with("COFFEECTL_ENDPOINTS", "127.0.0.1:1").go().says("revision 5\n");
    write()
        .with("COFFEECTL_CERTS", "/nowhere")
        .go()
        .fails(2)
        .complaining("directory /nowhere does not exist");
}

#[test]
fn the_time_of_a_context_counts_for_a_whole_command() {
    let office = Office::new();
    office.make_contexts();
    office.run(&["context", "set", "moon", "--timeout", "200ms"]).go();
    let ran = office.run(&["wait", "--for", "leader", "--context", "moon"]).go();
    ran.fails(5).complaining("waited 200 ms");
    let ran = office.run(&["wait", "--for", "leader", "--context", "moon", "--timeout", "300ms"]).go();
    ran.fails(5).complaining("waited 300 ms");
}

#[test]
fn contexts_are_set_shown_used_and_removed() {
    let office = Office::new();
    let run = |words: &[&str]| office.run(words).go();
    run(&["context", "show"]).fails(3).complaining("no context is in use");
    run(&["context", "use", "shops"]).fails(3).complaining("coffeectl context set shops --endpoints");
    run(&["context", "set", "shops"]).fails(2).complaining("no setting given");
    run(&["context", "set", "shops", "--certs", "c"]).fails(2).complaining("needs endpoints");
    run(&["context", "set", "a b", "--certs", "c"]).fails(2).complaining("not a valid context name");
    // Variables are not stored in the file.
    let set = office.run(&["context", "set", "shops", "--endpoints", "a:1,b:2"]);
    assert_eq!(set.with("COFFEECTL_CERTS", "/secret").go().code, Some(0));
    run(&["context", "list", "-o", "plain"]).says("shops\tfalse\ta:1,b:2\t-\t-\t-\t-\t-\t-\t-\t-\n");
    assert_eq!(std::fs::metadata(office.file()).expect("is there").permissions().mode() & 0o777, 0o600);
    // Settings without a flag stay; paths become absolute.
    assert_eq!(
        run(&[
            "context",
            "set",
            "shops",
            "--certs",
            "c",
            "--crl",
            "new.crl",
            "--as",
            "ops",
            "--timeout",
            "9s"
        ])
        .code,
        Some(0)
    );
    let json = run(&["context", "show", "shops", "-o", "json"]).json();
    let certs = std::env::current_dir().expect("a folder").join("c");
    assert_eq!(json["certs"].as_str(), certs.to_str());
    assert_eq!(json["crl"].as_str(), certs.with_file_name("new.crl").to_str());
    assert_eq!((&json["as"], &json["timeout_ms"]), (&"ops".into(), &9000.into()));
    assert_eq!(json["endpoints"], serde_json::json!(["a:1", "b:2"]));
    run(&["context", "use", "shops"]).says("shops is in use\n");
    assert!(run(&["context", "list"]).text().contains("shops *"));
    assert_eq!(run(&["context", "remove", "shops"]).text(), "shops is removed\n");
    run(&["context", "remove", "shops"]).fails(3);
    assert_eq!(run(&["context", "list"]).text(), "");
    let left: Vec<_> = std::fs::read_dir(office.file().parent().expect("a folder")).expect("reads").collect();
    assert_eq!(left.len(), 1, "no other file remains: {left:?}");
}

#[test]
fn an_invalid_file_is_code_2_and_says_where() {
    let office = Office::new();
    let place = office.file().display().to_string();
    for (text, what) in [
        ("current = 'x'", ":1: there is no context x"),
        ("[contexts.a]\nkey = '-----BEGIN PRIVATE KEY-----'", ":1: context a: a certificate and its key"),
        ("[contexts.a]\nendpoints = ['a:1', 7]", ":2: "),
        ("[contexts.a]\npassword = 'x'", ":2: unknown field 'password'"),
        ("\u{0}", ":1: "),
        ("[[[[", ":1: "),
    ] {
        office.write(text);
        for words in
            [&["list"][..], &["context", "list"], &["context", "set", "a", "--endpoints", "a:1"], &[]]
        {
            let ran = office.run(words).go();
            ran.fails(2).complaining(&format!("{place}{what}")).complaining("\nhint: ");
        }
        assert_eq!(office.run(&["help", "context"]).go().code, Some(0), "help helps");
        assert_eq!(std::fs::read_to_string(office.file()).expect("reads"), text, "the file is unchanged");
    }
    office.write(&"#".repeat((1 << 18) + 1));
    office.run(&["list"]).go().fails(2).complaining("larger than");
    std::fs::write(office.file(), b"\xff\xfe").expect("writes");
    office.run(&["list"]).go().fails(2).complaining("UTF-8");
    office.write("");
    std::fs::set_permissions(office.file(), std::fs::Permissions::from_mode(0o620)).expect("sets");
    office
        .run(&["list"])
        .go()
        .fails(2)
        .complaining("writable by other users")
        .complaining("hint: check its content");
    let folder =
        office.run(&["list"]).with("COFFEECTL_CONTEXT_FILE", office.folder.path().to_str().expect("UTF-8"));
    folder.go().fails(2).complaining("not a regular file");
    let deep = "[".repeat(100_000);
    office.write(&deep);
    office.run(&["list"]).go().fails(2);
    office.write("");
    office.run(&["list", "--context", "x"]).go().fails(2).complaining("has no context x");
}

#[test]
fn where_the_file_is_follows_xdg() {
    let office = Office::new();
    office.make_contexts();
    let show = |variable: &str, folder: PathBuf| {
        std::fs::create_dir_all(folder.join("coffeectl")).expect("a folder");
        let there = folder.join("coffeectl").join("contexts.toml");
        std::fs::copy(office.file(), &there).expect("copies");
        let variable_value = match variable {
            "HOME" => office.folder.path().join("home"),
            _ => folder,
        };
        bare(["context", "list"]).with(variable, variable_value.to_str().expect("UTF-8")).go()
    };
    assert!(show("XDG_CONFIG_HOME", office.folder.path().join("xdg")).text().contains("shops"));
    assert!(show("HOME", office.folder.path().join("home").join(".config")).text().contains("shops"));
    bare(["context", "list"]).go().fails(2).complaining("HOME");
    bare(["list"]).go().fails(2).complaining("no certificates given");
}
