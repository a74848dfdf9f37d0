//! The compiled commands: where they are, whether they are up to date, and signals to
//! their processes.
//!
//! `cargo test --workspace` compiles `coffeed` and `coffeectl` before any test runs,
//! since their packages have integration tests of their own. With `-p coffee-tests` alone
//! they may be missing or stale. They are then compiled here, once per process, in the
//! profile of the test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::SystemTime,
};

/// Source folders of the commands.
const SOURCES: [&str; 5] = ["client", "client/cli", "common", "common/http", "server"];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = target_folder();
    let newest = newest_source();
    let compiled = |name: &str| modified(&folder.join(name)).is_some_and(|at| at >= newest);
    if env::var_os(MADE).is_none() && !["coffeed", "coffeectl"].into_iter().all(compiled) {
        compile(&folder);
    }
    folder
});

/// Set for a test that runs itself again where it could not compile.
const MADE: &str = "COFFEE_COMMANDS_ARE_MADE";

/// Compiles the commands if necessary, and tells `run`, which executes this test again,
/// to use them as they are.
pub fn made_for(run: &mut Command) -> &mut Command {
    LazyLock::force(&FOLDER);
    run.env(MADE, "yes")
}

/// Returns the path of a compiled command: `coffeed` or `coffeectl`.
pub fn path(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// Sends a signal to a process that a test started: `TERM`, `INT`, `KILL`, `STOP`,
/// `CONT`.
pub async fn signal(pid: u32, signal: &str) {
    let sent = tokio::process::Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status();
    assert!(sent.await.expect("kill can be run").success(), "{signal} does not reach process {pid}");
}

/// Returns the folder above `deps`, which contains the running test.
fn target_folder() -> PathBuf {
    let test = env::current_exe().expect("the running test has a path");
    let deps = test.parent().expect("the running test lies in a folder");
    let folder = if deps.ends_with("deps") { deps.parent().unwrap_or(deps) } else { deps };
    folder.to_owned()
}

fn compile(folder: &Path) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(top());
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // Of the test's own package: build scripts that read them would run again, and then whole
    // crates would be compiled twice for each run.
    let own = env::vars_os().map(|(name, _)| name);
    for name in own.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    }) {
        cargo.env_remove(name);
    }
    let status = cargo.status().expect("cargo can be run");
    assert!(status.success(), "the commands cannot be compiled: cargo build --workspace says why");
}

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn newest_source() -> SystemTime {
    let folders = SOURCES.map(|folder| top().join(folder).join("src"));
    folders.iter().map(|folder| newest_below(folder)).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_below(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).expect("a folder of sources").flatten();
    let newest = |path: PathBuf| if path.is_dir() { Some(newest_below(&path)) } else { modified(&path) };
    entries.filter_map(|entry| newest(entry.path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}
