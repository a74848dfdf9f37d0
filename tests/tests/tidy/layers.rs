//! Which layer of the server may use which: calls go down the folders of `server/src` only.
//!
//! The layers are the folders (or files) directly below `server/src`, in the
//! order of the table in ARCHITECTURE.md. A module uses its own layer and
//! those below it. The daemon in `src/bin` stands on the library as any host
//! program does, so the compiler keeps it apart.

use std::collections::BTreeSet;

use crate::{
    imports::{Imports, ModulePath},
    tree,
};

/// From the edge inwards; those of one row are plain data that any layer uses.
const LAYERS: [&[&str]; 8] = [
    &["server"],
    &["api"],
    &["service"],
    &["ops"],
    &["node"],
    &["storage"],
    &["kv"],
    &["config", "metrics", "raft_types", "golden_test", "planted"],
];

/// Modules below `api` that never use each other.
const PORTS: [&str; 4] = ["client", "http", "peer", "admin"];

fn layer_of(module: &ModulePath) -> Option<usize> {
    let top = module.first()?;
    LAYERS.iter().position(|layer| layer.contains(&top.as_str()))
}

fn edges() -> impl Iterator<Item = (ModulePath, ModulePath)> {
    let edges = Imports::of_crate("server/src", "lib.rs", &["server/src/bin/"]).edges();
    edges.into_iter().flat_map(|(from, to)| to.into_iter().map(move |to| (from.clone(), to)))
}

#[test]
fn calls_go_down_only() {
    let mut upward = BTreeSet::new();
    for (from, to) in edges() {
        let (Some(above), Some(below)) = (layer_of(&from), layer_of(&to)) else { continue };
        if below < above {
            upward.insert(format!("{} uses {}", from.join("/"), to.join("/")));
        }
    }
    assert!(upward.is_empty(), "a layer uses one above it: {upward:#?}");
}

#[test]
fn ports_never_meet() {
    for (from, to) in edges() {
        let port = |module: &ModulePath| match module.as_slice() {
            [api, port, ..] if api == "api" => PORTS.iter().find(|known| *known == port),
            _ => None,
        };
        if let (Some(one), Some(other)) = (port(&from), port(&to)) {
            assert_eq!(one, other, "{} uses {}", from.join("/"), to.join("/"));
        }
    }
}

#[test]
fn every_folder_of_the_server_is_a_layer() {
    let known: Vec<&str> = LAYERS.concat();
    for entry in tree::entries(&tree::top().join("server/src")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.trim_end_matches(".rs");
        let listed = known.contains(&name) || matches!(name, "lib" | "bin");
        assert!(listed, "server/src/{name} is in no layer; give it one here and in ARCHITECTURE.md");
    }
}

#[test]
fn no_path_climbs_two_modules() {
    for source in tree::rust("server/src/") {
        if source.code().contains("super::super::") {
            source.accuse("climbs by super::super::; write crate:: instead");
        }
    }
}
