//! The documents: their length, and that the files and sections they name exist.
//!
//! ARCHITECTURE.md names the server's files relative to `server/src`, without
//! backquotes, where they explain a path through the code; those count as well.

use crate::tree::{self, Source};

/// Maximum number of lines of a document.
const LINES_MAX: [(&str, usize); 2] = [("README.md", 180), ("ARCHITECTURE.md", 300)];

/// Folders that a named path may be relative to.
const RELATIVE_TO: [&str; 4] = ["", "server/src/", "deploy/", "tests/"];

/// Endings of files that a document names.
const ENDINGS: [&str; 8] = [".rs", ".md", ".toml", ".hex", ".svg", ".sh", ".service", ".timer"];

fn documents() -> Vec<Source> {
    let named = |path: &str| {
        matches!(path, "README.md" | "ARCHITECTURE.md" | "CHANGELOG.md")
            || (path.starts_with("deploy/") || path.starts_with("tests/")) && path.ends_with(".md")
    };
    let mut documents = tree::files(&[".md"]);
    documents.retain(|source| named(&source.path));
    documents
}

#[test]
fn front_pages_stay_short() {
    for source in documents() {
        let lines = source.text.lines().count();
        if let Some((_, most)) = LINES_MAX.iter().find(|(path, most)| *path == source.path && lines > *most) {
            source.accuse(&format!("{lines} lines; move details elsewhere at {most}"));
        }
    }
}

#[test]
fn the_paths_that_documents_name_exist() {
    for source in documents() {
        for (number, line) in source.text.lines().enumerate() {
            for path in paths(line) {
                let there = RELATIVE_TO.iter().any(|base| tree::top().join(base).join(&path).exists());
                if !there {
                    source.accuse(&format!("line {}: names {path}, which does not exist", number + 1));
                }
            }
        }
    }
}

#[test]
fn the_sections_that_documents_link_to_exist() {
    for source in documents() {
        let anchors: Vec<String> = source.text.lines().filter_map(anchor).collect();
        let links = source.text.split("](#").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links {
            if !anchors.iter().any(|anchor| anchor == link) {
                source.accuse(&format!("links to #{link}, which has no such heading"));
            }
        }
    }
}

/// Words that name a file below a folder of the tree.
fn paths(line: &str) -> Vec<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || "/._-@".contains(c));
    let path = |text: &&str| {
        let relative = !text.starts_with(['/', '.', '@']) && text.contains('/') && !text.contains('@');
        relative && ENDINGS.iter().any(|ending| text.ends_with(ending))
    };
    line.split(word).map(|text| text.trim_end_matches('.')).filter(path).map(str::to_owned).collect()
}

/// The anchor that a heading has on a web page.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

#[test]
fn paths_and_anchors_are_found() {
    let line = "node/propose.rs, `deploy/a.md` and (kv/view.rs); not log.wal, /etc/a.toml or HOST:PORT.";
    assert_eq!(paths(line), ["node/propose.rs", "deploy/a.md", "kv/view.rs"]);
    assert_eq!(anchor("### A node, or the leader").as_deref(), Some("a-node-or-the-leader"));
    assert_eq!(anchor("text"), None);
}
