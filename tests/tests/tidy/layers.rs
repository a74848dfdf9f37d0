//! Which module of the server may know which: calls go down only.
//!
//! The table is that of ARCHITECTURE.md. A module may use those of the lines
//! below its own, those of its own line unless they are strangers to each
//! other, and the base.

use crate::tree::{self, Source};

/// From the edge inwards.
const LAYERS: [&[&str]; 8] = [
    &["server", "shutdown", "lib"],
    &["api", "peer", "admin"],
    &["membership", "forward", "reads", "status", "agreement", "backup"],
    // What operations stand on: this node, and its part in a cluster.
    &["heard", "node", "propose", "replica"],
    &["raft"],
    &["storage"],
    &["kv"],
    // The base: plain data, without a part of the server in it.
    &["config", "types", "metrics", "golden", "planted"],
];

/// Modules of one line that never meet.
const STRANGERS: [&str; 3] = ["api", "peer", "admin"];

/// Part of the daemon, which stands on the library as its users do.
const DAEMON: [&str; 13] = [
    "main", "cli", "check", "daemon", "demo", "exit", "logging", "notify", "offline", "pages", "rebuild",
    "recover", "restore",
];

/// The top module that a file of the server belongs to.
fn module_of(source: &Source) -> &str {
    let path = source.path.strip_prefix("server/src/").expect("a file of the server");
    path.split(['/', '.']).next().expect("a path has a first part")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that code names behind `crate::`, in groups too.
fn modules_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, found) in code.match_indices("crate::") {
        let named = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if named {
            continue;
        }
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(heads_of_group(group)),
            None => used.push(identifier(rest)),
        }
    }
    used.retain(|module| !module.is_empty());
    used
}

/// The first words of a group's items, the group's opening brace being gone.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = vec![String::new()];
    let mut depth = 0;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => heads.push(String::new()),
            c if depth == 0 => heads.last_mut().expect("never empty").push(c),
            _ => {}
        }
    }
    heads.iter().map(|head| identifier(head.trim())).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn calls_go_down_only() {
    for source in tree::rust("server/src/") {
        let module = module_of(&source);
        if DAEMON.contains(&module) || module == "signals" {
            continue;
        }
        let Some(layer) = layer_of(module) else {
            source.accuse(&format!(
                "the module {module} is in no layer; give it one in this test and in ARCHITECTURE.md"
            ))
        };
        for used in modules_used(&source.code()) {
            let Some(below) = layer_of(&used) else { continue };
            if below < layer {
                source.accuse(&format!("uses crate::{used}, which is in a layer above {module}"));
            }
            if used != module && STRANGERS.contains(&used.as_str()) && STRANGERS.contains(&module) {
                source.accuse(&format!("uses crate::{used}: {} never meet", STRANGERS.join(", ")));
            }
        }
    }
}

#[test]
fn nobody_climbs_past_a_neighbour() {
    for source in tree::rust("server/src/") {
        if source.code().contains("super::super::") {
            source.accuse("climbs by super::super::, unseen by the other test: say crate:: instead");
        }
    }
}

#[test]
fn groups_and_paths_are_understood() {
    let used =
        modules_used("use crate::{a::{b, c}, d, e::*};\nlet x = crate::f::g(); pub(in crate::h) fn i() {}");
    assert_eq!(used, ["a", "d", "e", "f", "h"]);
    assert_eq!(modules_used("use my_crate::a; $crate::b"), ["b"]);
}
