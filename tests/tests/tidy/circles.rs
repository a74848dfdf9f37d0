//! Import circles between files: a set of files that can only be understood together.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::{Imports, ModulePath};

/// A crate: its folder, its root file, and subfolders that are crates of their own.
type CrateRoot = (&'static str, &'static str, &'static [&'static str]);

const CRATES: [CrateRoot; 6] = [
    ("common/src", "lib.rs", &[]),
    ("common/http/src", "lib.rs", &[]),
    ("client/src", "lib.rs", &[]),
    ("client/cli/src", "lib.rs", &["client/cli/src/main.rs"]),
    ("server/src", "lib.rs", &["server/src/bin/"]),
    ("server/src/bin/coffeed", "main.rs", &[]),
];

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = BTreeSet::new();
    for (folder, root, apart) in CRATES {
        for circle in circles(&Imports::of_crate(folder, root, apart).edges()) {
            let paths: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            found.insert(format!("{folder}: {}", paths.join(", ")));
        }
    }
    assert!(found.is_empty(), "these files import each other; move what they share below them: {found:#?}");
}

/// Sets of more than one module, each of which reaches every other one.
fn circles(edges: &BTreeMap<ModulePath, BTreeSet<ModulePath>>) -> Vec<BTreeSet<ModulePath>> {
    let reach: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        edges.keys().map(|module| (module, reachable(module, edges))).collect();
    let mut circles: Vec<BTreeSet<ModulePath>> = Vec::new();
    for (module, reached) in &reach {
        let back = |other: &&&ModulePath| reach.get(**other).is_some_and(|reached| reached.contains(module));
        let circle: BTreeSet<ModulePath> =
            reached.iter().filter(back).map(|other| (*other).clone()).collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

fn reachable<'a>(
    from: &'a ModulePath,
    edges: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>,
) -> BTreeSet<&'a ModulePath> {
    let mut reached = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(module) = queue.pop() {
        queue.extend(edges.get(module).into_iter().flatten().filter(|next| reached.insert(*next)));
    }
    reached
}

#[test]
fn a_circle_is_found_and_a_line_is_not() {
    let path = |name: &str| vec![name.to_owned()];
    let edge = |from: &str, to: &[&str]| (path(from), to.iter().map(|to| path(to)).collect());
    let edges = BTreeMap::from([
        edge("a", &["b"]),
        edge("b", &["c", "d"]),
        edge("c", &["a"]),
        edge("d", &["e"]),
        edge("e", &[]),
    ]);
    assert_eq!(circles(&edges), [BTreeSet::from([path("a"), path("b"), path("c")])]);
}
