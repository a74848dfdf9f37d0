//! Reads the tree: its files, and the code of Rust files without comments.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All folders at the top of the tree.
pub(crate) const FOLDERS: [&str; 6] = [".ci", "client", "common", "deploy", "server", "tests"];

/// Files at the top that are not ours; `.git` is a file in a linked worktree.
const NOT_OURS: [&str; 2] = ["Cargo.lock", ".git"];

/// A file of the tree.
pub(crate) struct Source {
    /// Its path relative to the top of the tree.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

impl Source {
    /// The text without comments.
    pub(crate) fn code(&self) -> String {
        without_comments(&self.text)
    }

    /// Fails the test: this file breaks a rule.
    #[track_caller]
    pub(crate) fn accuse(&self, rule: &str) -> ! {
        panic!("{}: {rule}", self.path)
    }
}

/// The top of the tree.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns every file with one of these endings, or all files if none is given.
pub(crate) fn files(endings: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        collect(&top().join(folder), folder, &mut paths);
    }
    for entry in entries(&top()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && !NOT_OURS.contains(&name.as_str()) {
            paths.push(name);
        }
    }
    let wanted = |path: &String| endings.is_empty() || endings.iter().any(|ending| path.ends_with(ending));
    let mut sources: Vec<Source> = paths.into_iter().filter(wanted).map(read).collect();
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!sources.is_empty(), "no file ends with {endings:?}");
    sources
}

/// Returns every Rust file below a folder.
pub(crate) fn rust(folder: &str) -> Vec<Source> {
    let mut sources = files(&[".rs"]);
    sources.retain(|source| source.path.starts_with(folder));
    assert!(!sources.is_empty(), "there is no Rust file below {folder}");
    sources
}

/// Returns the entries of a folder.
pub(crate) fn entries(folder: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(folder).expect("a folder of the tree").map(|entry| entry.expect("an entry of a folder"))
}

fn collect(folder: &Path, path: &str, paths: &mut Vec<String>) {
    for entry in entries(folder) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{path}/{name}");
        if entry.path().is_dir() {
            collect(&entry.path(), &path, paths);
        } else if !name.ends_with(".proptest-regressions") {
            paths.push(path);
        }
    }
}

fn read(path: String) -> Source {
    let bytes = fs::read(top().join(&path)).expect("a file of the tree");
    Source { text: String::from_utf8_lossy(&bytes).into_owned(), path }
}

/// Removes whole-line and trailing comments. A `//` after a colon stays: it is part
/// of an address.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':')) {
        Some((at, _)) => format!("{}\n", &line[..at]),
        None => format!("{line}\n"),
    };
    text.lines().map(code).collect()
}

#[test]
fn comments_are_left_out() {
    assert_eq!(without_comments("a // b\n//! c\nd"), "a \n\nd\n");
    assert_eq!(without_comments("\"coffee://node/ming\""), "\"coffee://node/ming\"\n");
}
