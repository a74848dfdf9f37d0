//! Links in the documents lead to files of the tree.

use std::path::Path;

use crate::tree;

#[test]
fn the_links_of_the_documents_lead_somewhere() {
    for source in tree::files(&[".md"]) {
        let folder = tree::top().join(Path::new(&source.path).parent().expect("a path of a file"));
        for target in targets(&source.text) {
            if !folder.join(target).exists() {
                source.accuse(&format!("links to {target}, which does not exist"));
            }
        }
    }
}

/// Returns the relative targets of Markdown links, without anchors.
fn targets(text: &str) -> Vec<&str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    links.filter(|target| !target.is_empty() && !target.contains(':')).collect()
}

#[test]
fn relative_targets_are_found() {
    let text = "[a](b/c.rs), [d](https://d), [e](f.md#g), [h](#h), [i](../i \"title\")";
    assert_eq!(targets(text), ["b/c.rs", "f.md", "../i"]);
}
