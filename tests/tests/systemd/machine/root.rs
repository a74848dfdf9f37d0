//! Prerequisites of the machine: a Debian to boot, and two versions of the package.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use coffee_tests::processes;

use super::sandbox::Group;
use crate::support::programs::{missing, outcome, run, skipped};

const SUITE: &str = "bookworm";
const PACKAGES: &str = "systemd,systemd-sysv,dbus,iproute2,procps,libpam-systemd";

/// The two versions, older first.
pub(crate) const VERSIONS: [&str; 2] = ["0.0.1-1", "0.0.1-2"];

/// Folder of files kept for the next run.
fn kept() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Path of the root file system.
pub(crate) fn path() -> PathBuf {
    kept().join(format!("debian-{SUITE}"))
}

/// Prepares everything, or returns what is missing.
pub(crate) fn prepare(folder: &Path) -> Result<(), String> {
    let needed = ["unshare", "nsenter", "mount", "ip", "systemd-nspawn", "dpkg-deb"];
    let lacking = missing(&needed).or_else(missing_cargo_deb).or_else(not_root);
    if let Some(why) = lacking.or_else(|| Group::of(folder).missing()) {
        return Err(why);
    }
    debian()?;
    packages(folder);
    Ok(())
}

fn missing_cargo_deb() -> Option<String> {
    let (there, _) = outcome(Command::new("cargo").args(["deb", "--version"]));
    (!there).then(|| "not installed: cargo-deb (cargo install --locked cargo-deb)".to_owned())
}

fn not_root() -> Option<String> {
    let id = run(Command::new("id").arg("-u"));
    (id != "0").then(|| "only root can boot a machine".to_owned())
}

/// Builds the root file system, unless an earlier run left one.
fn debian() -> Result<(), String> {
    let root = path();
    if root.join("usr/bin/systemctl").exists() {
        return Ok(());
    }
    if let Some(why) = missing(&["mmdebstrap"]) {
        return Err(why);
    }
    let new = kept().join(format!("debian-{SUITE}-{}", std::process::id()));
    let (made, said) = outcome(
        Command::new("timeout")
            .args(["150", "mmdebstrap", "--variant=minbase", "--quiet", "--include", PACKAGES, SUITE])
            .arg(&new),
    );
    if !made {
        let _ = fs::remove_dir_all(&new);
        return Err(format!("mmdebstrap failed: {said}"));
    }
    fs::rename(&new, &root).map_err(|error| format!("{}: {error}", root.display()))
}

/// Builds the package from the commands compiled with the test, and a second version that
/// differs only in its number.
fn packages(folder: &Path) {
    let bin = processes::path("coffeed");
    let profile = if bin.ends_with("release/coffeed") { "release" } else { "dev" };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    cargo.args(["deb", "-p", "coffeed", "--no-build", "--fast", "--profile", profile]);
    let [first, second] = VERSIONS.map(|version| package(folder, version));
    run(cargo.args(["--deb-version", VERSIONS[0], "--output"]).arg(&first));
    match missing(&["lintian"]) {
        Some(why) => skipped("lintian", &why),
        None => lint(&first),
    }
    let unpacked = folder.join("unpacked");
    run(Command::new("dpkg-deb").arg("--raw-extract").args([&first, &unpacked]));
    let control = unpacked.join("DEBIAN/control");
    let text = fs::read_to_string(&control).expect("a package has a control file");
    let newer = text.replace(&format!("Version: {}", VERSIONS[0]), &format!("Version: {}", VERSIONS[1]));
    assert_ne!(newer, text);
    fs::write(&control, newer).expect("written");
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Znone", "--build"])
        .args([&unpacked, &second]));
    fs::remove_dir_all(&unpacked).expect("removed");
}

/// Runs lintian; errors fail the test.
#[expect(clippy::print_stdout, reason = "shows the warnings, too")]
fn lint(package: &Path) {
    let lintian = ["--allow-root", "--no-cfg", "--fail-on", "error"];
    println!("{}", run(Command::new("lintian").args(lintian).arg(package)));
}

/// Path of a version of the package.
pub(crate) fn package(folder: &Path, version: &str) -> PathBuf {
    folder.join("packages").join(format!("coffeed_{version}.deb"))
}
