//! Text that must not be in the tree, and paths that must exist.

use crate::tree;

/// Paths of a machine, assembled here so that this file does not contain them.
fn machine_paths() -> [String; 3] {
    ["work", "root", "home"].map(|folder| format!("/{folder}/"))
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    for source in tree::files(&[]) {
        for path in machine_paths() {
            if source.text.contains(&path) {
                source.accuse(&format!("contains {path}: a path of one machine"));
            }
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = ["TO", "FIX", "X"].iter().zip(["DO", "ME", "XX"]).map(|(a, b)| format!("{a}{b}"));
    let marks: Vec<String> = marks.collect();
    for source in tree::files(&[".rs", ".md", ".toml", ".service", "run"]) {
        let marked = |line: &str| {
            marks.iter().any(|mark| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == mark))
        };
        if let Some(line) = source.text.lines().position(marked) {
            source.accuse(&format!("line {}: do it now, or file an issue", line + 1));
        }
    }
}

#[test]
fn the_files_that_the_documents_name_are_there() {
    for source in tree::files(&[".md"]) {
        for path in paths_named(&source.text) {
            let there = tree::top().join(&path).exists();
            if !there {
                source.accuse(&format!("names {path}, which does not exist"));
            }
        }
    }
}

/// Returns the words in backquotes that are paths of the tree.
fn paths_named(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let in_tree = tree::FOLDERS.iter().any(|folder| word.starts_with(&format!("{folder}/")));
        in_tree && !word.contains([' ', '*', '{', '<', '\n'])
    };
    quoted.filter(is_path).map(str::to_owned).collect()
}

#[test]
fn paths_are_found_in_backquotes() {
    let text = "see `server/src/kv.rs`, `cargo test`, `server/src/{a,b}.rs` and `client/`";
    assert_eq!(paths_named(text), ["server/src/kv.rs", "client/"]);
}
