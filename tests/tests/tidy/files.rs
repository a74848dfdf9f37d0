//! Source files: their length, their header, and that each is compiled.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use crate::tree::{self, FOLDERS, Source};

/// Maximum number of lines of a source file.
const LINES_MAX: usize = 400;

/// Files that are longer. The list may only shrink.
const LONGER: [&str; 0] = [];

/// Files allowed at the top of the tree, besides hidden ones.
const TOP_FILES: [&str; 10] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "clippy.toml",
    "deny.toml",
];

#[test]
fn no_file_grows_too_long() {
    for source in tree::files(&[".rs"]) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX && !LONGER.contains(&source.path.as_str()) {
            source.accuse(&format!("{lines} lines; split it by concept, at most {LINES_MAX}"));
        }
        if lines <= LINES_MAX && LONGER.contains(&source.path.as_str()) {
            source.accuse("short enough: remove it from the list of exceptions");
        }
    }
}

#[test]
fn every_module_is_described() {
    for source in tree::files(&[".rs"]) {
        if !source.text.starts_with("//! ") || source.text.lines().next().is_some_and(|line| line.len() < 20)
        {
            source.accuse("does not start with a //! that describes the module");
        }
    }
}

#[test]
fn the_top_of_the_tree_has_only_known_files() {
    for entry in tree::entries(&tree::top()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = match entry.path().is_dir() {
            true => FOLDERS.contains(&name.as_str()) || name == "target" || name.starts_with("."),
            false => TOP_FILES.contains(&name.as_str()) || name.starts_with('.') || name == "rustfmt.toml",
        };
        assert!(known, "{name} does not belong at the top of the tree");
    }
}

#[test]
fn every_rust_file_is_compiled() {
    let sources = tree::files(&[".rs"]);
    let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
    let mut queue: Vec<&Source> = sources.iter().filter(|source| is_root(&source.path)).collect();
    while let Some(source) = queue.pop() {
        if !reached.insert(PathBuf::from(&source.path)) {
            continue;
        }
        let declared = modules_declared(&source.code());
        let children: BTreeSet<String> =
            declared.iter().flat_map(|name| child_paths(&source.path, name)).collect();
        queue.extend(sources.iter().filter(|source| children.contains(&source.path)));
    }
    for source in &sources {
        if !reached.contains(Path::new(&source.path)) {
            source.accuse("is never compiled: no `mod` declares it");
        }
    }
}

/// Returns whether cargo finds a file without a `mod`.
fn is_root(path: &str) -> bool {
    let nested = [("client/", "cli/"), ("common/", "http/")];
    let below = |(above, own)| path.strip_prefix(above).filter(|path| path.starts_with(own));
    let path = nested.into_iter().find_map(below).unwrap_or(path);
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [_, "build.rs"]
            | [_, "src", "lib.rs" | "main.rs"]
            | [_, "src", "bin", _]
            | [_, "src", "bin", _, "main.rs"]
            | [_, "tests" | "examples" | "benches", _]
            | [_, "tests" | "examples" | "benches", _, "main.rs"]
            | ["tests", "fuzz", "src", "lib.rs"]
            | ["tests", "next", "build.rs"]
            | ["tests", "fuzz", "targets", _]
    )
}

/// Returns the names in lines such as `pub(crate) mod name;`.
fn modules_declared(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let (before, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
        let visibility = before.trim();
        let plain = visibility.is_empty() || visibility.starts_with("pub") || visibility.ends_with(']');
        plain.then(|| name.trim().to_owned())
    };
    code.lines().filter_map(name).collect()
}

/// Returns the possible paths of a module that a file declares.
fn child_paths(parent: &str, name: &str) -> [String; 2] {
    let (folder, file) = parent.rsplit_once('/').expect("a path has a folder");
    let own = matches!(file, "lib.rs" | "main.rs" | "mod.rs") || is_root(parent);
    let folder = if own { folder.to_owned() } else { format!("{folder}/{}", file.trim_end_matches(".rs")) };
    [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
}

#[test]
fn every_golden_file_is_compared_with_something() {
    let code: String = tree::files(&[".rs"]).iter().map(|source| source.text.as_str()).collect();
    for source in tree::files(&[".hex"]) {
        let stem = Path::new(&source.path).file_stem().expect("a name").to_string_lossy().into_owned();
        if !code.contains(&format!("\"{stem}\"")) {
            source.accuse("no test uses it");
        }
    }
}

#[test]
fn a_declaration_is_found() {
    let code = "mod a;\npub mod b;\n#[cfg(test)] mod c;\npub(crate) mod d;\nlet e;\nuse mod_f;\nmod g {";
    assert_eq!(modules_declared(code), ["a", "b", "c", "d"]);
    assert_eq!(child_paths("server/src/kv.rs", "batch")[0], "server/src/kv/batch.rs");
    assert_eq!(child_paths("server/src/lib.rs", "kv")[0], "server/src/kv.rs");
}
