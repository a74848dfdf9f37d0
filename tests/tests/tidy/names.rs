//! Which code may use which library, and which of our crates.

use crate::tree::{self, Source};

/// Returns whether code names a crate: as `name::`, or as a whole word after `use`.
fn names(source: &Source, library: &str) -> bool {
    source.code().match_indices(library).any(|(at, _)| {
        let code = source.code();
        let before = code[..at].chars().next_back();
        let after = &code[at + library.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        starts && (after.starts_with("::") || after.starts_with(';'))
    })
}

#[track_caller]
fn only_some_name(library: &str, within: &str, but: &[&str], why: &str) {
    for source in tree::rust(within) {
        let allowed = but.iter().any(|path| source.path.starts_with(path));
        if !allowed && names(&source, library) {
            source.accuse(&format!("names {library}: {why}"));
        }
    }
}

#[test]
fn common_knows_no_consensus_no_database_and_no_command_line() {
    for library in ["openraft", "redb", "clap", "coffee_client", "coffeed"] {
        only_some_name(library, "common/", &[], "common holds the protocol that both sides share, no more");
    }
}

#[test]
fn the_client_knows_no_server() {
    for library in ["openraft", "redb", "coffeed"] {
        only_some_name(library, "client/", &[], "the client library knows the protocol, no more");
    }
}

#[test]
fn quic_is_named_in_one_module() {
    for library in ["quinn", "quinn_proto", "quinn_udp"] {
        for folder in ["common/", "client/", "server/", "tests/"] {
            let but = [
                "common/src/quic",
                "tests/src/bin/simulate/socket.rs",
                "tests/tests/hostile/support/raw_client.rs",
            ];
            only_some_name(library, folder, &but, "go through coffee_common::quic");
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for library in ["openraft", "tokio", "getrandom", "tracing"] {
        only_some_name(library, "server/src/kv", &[], "kv must give the same result on every node");
    }
}

#[test]
fn the_command_line_stays_at_the_edge() {
    let edge = ["server/src/bin/coffeed", "client/cli"];
    for folder in ["client/", "server/"] {
        only_some_name("clap", folder, &edge, "only the commands read flags");
    }
    for library in ["coffeectl", "rustyline"] {
        only_some_name(library, "client/src/", &[], "the client is a library without the command");
    }
    for library in ["hyper", "coffee_http"] {
        for folder in ["client/src/", "common/src/"] {
            only_some_name(library, folder, &[], "HTTP is for those who ask for it");
        }
    }
}

#[test]
fn crates_depend_downwards() {
    let order = ["common", "common/http", "client", "client/cli", "server", "tests"];
    let package = |folder: &str| match folder {
        "common/http" => "coffee-http".to_owned(),
        "client/cli" => "coffeectl".to_owned(),
        "server" => "coffeed".to_owned(),
        other => format!("coffee-{other}"),
    };
    for (level, folder) in order.iter().enumerate() {
        let manifest =
            std::fs::read_to_string(tree::top().join(folder).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{folder}: add the lints of the workspace");
        for above in &order[level + 1..] {
            let package = package(above);
            let depends = manifest.lines().any(|line| {
                line.starts_with(&format!("{package}.")) || line.starts_with(&format!("{package} "))
            });
            assert!(!depends, "{folder}/Cargo.toml depends on {package}, which is above it");
        }
    }
}
