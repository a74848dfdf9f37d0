//! The commands of the future build, compiled when they are missing or older than their sources.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use coffee_tests::{cluster::Cluster, coffeectl::Coffeectl};

/// Adds the condition to the crates of the workspace alone: third-party crates are not compiled again
/// when it changes.
const WRAPPER: &str = "#!/bin/sh\nexec \"$@\" --cfg coffee_future\n";

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = cargo().args(["build", "--bin", "coffeed", "--bin", "coffeectl"]).args(ALL).status();
    assert!(built.expect("cargo runs").success(), "the future build does not compile");
    target().join("debug")
});

const ALL: [&str; 2] = ["--workspace", "--locked"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn target() -> PathBuf {
    root().join("target/future")
}

/// Runs the unit tests of all crates in the future build.
pub(crate) fn test_units() {
    let tested =
        cargo().args(["test", "--lib", "--no-fail-fast"]).args(ALL).env_remove("COFFEE_GOLDEN").status();
    assert!(tested.expect("cargo runs").success(), "unit tests fail in the future build");
}

/// Cargo, which compiles this tree as the next version.
fn cargo() -> Command {
    let target = target();
    fs::create_dir_all(&target).expect("a folder");
    let wrapper = target.join("rustc");
    fs::write(&wrapper, WRAPPER).expect("it is written");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).env("RUSTC_WORKSPACE_WRAPPER", &wrapper).env("CARGO_TARGET_DIR", &target);
    // Of this test's own package: see `coffee_tests::processes`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo
}

/// Returns the path of a command of the future build: `coffeed` or `coffeectl`.
pub(crate) fn command(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// `coffeectl` of the future build, as an admin of a cluster.
pub(crate) fn coffeectl(cluster: &Cluster, words: &[&str]) -> Coffeectl {
    cluster.coffeectl(words.iter().copied()).of_build(&command("coffeectl"))
}
