//! One word, one thing: a type name is defined in one file of the tree.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree;

#[test]
fn a_type_name_is_defined_once() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in tree::files(&[".rs"]) {
        for name in types_defined(&source.code()) {
            files.entry(name).or_default().insert(source.path.clone());
        }
    }
    files.retain(|_, paths| paths.len() > 1);
    assert!(files.is_empty(), "give each of these a name that says which one it is: {files:#?}");
}

/// Names of structs, enums, traits and aliases; associated types are left out.
fn types_defined(code: &str) -> Vec<String> {
    let defined = |line: &str| {
        let indented = line.starts_with(' ');
        let line = line.trim();
        let line = match line.strip_prefix("pub") {
            Some(rest) => rest.trim_start_matches(|c| c != ' ').trim(),
            None => line,
        };
        let (keyword, rest) = line.split_once(' ')?;
        let counts =
            matches!(keyword, "struct" | "enum" | "trait" | "union") || keyword == "type" && !indented;
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        (counts && name.starts_with(char::is_uppercase)).then_some(name)
    };
    code.lines().filter_map(defined).collect()
}

#[test]
fn definitions_are_found() {
    let code =
        "struct A;\npub(crate) enum B {}\n    type C = u8;\npub type D = u8;\n    struct E {\nlet F = 1;";
    assert_eq!(types_defined(code), ["A", "B", "D", "E"]);
}
