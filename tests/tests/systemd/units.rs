//! The units as systemd reads them: valid, and hardened.

use std::{fs, path::Path, process::Command};

use coffee_tests::processes;

use crate::support::programs::{missing, outcome, skipped};

const UNITS: [&str; 2] = ["coffeed.service", "coffeed@.service"];

/// All services, that of the backups too.
const SERVICES: [&str; 3] = [UNITS[0], UNITS[1], "coffeed-backup.service"];

/// Maximum exposure level of `systemd-analyze security`, in tenths.
const EXPOSURE_MAX: &str = "15";

fn deploy() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy"))
}

/// Copies the units into a folder, with the path of the built daemon, and templates as
/// instances.
fn placed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let coffeed = processes::path("coffeed");
    let script = deploy().join("coffeed-backup.sh");
    for unit in SERVICES {
        let text = fs::read_to_string(deploy().join(unit)).expect("a unit");
        let (installed, ours) = match unit {
            "coffeed-backup.service" => ("/usr/lib/coffeed/coffeed-backup.sh", &script),
            _ => ("/usr/bin/coffeed", &coffeed),
        };
        let starts = text.lines().any(|line| line.starts_with(&format!("ExecStart={installed}")));
        assert!(starts, "{unit} runs the installed command");
        let text = text.replace(installed, ours.to_str().expect("a path in text"));
        fs::write(folder.path().join(unit.replace("@.", "@ming.")), text).expect("written");
    }
    folder
}

#[test]
fn systemd_understands_the_units() {
    if let Some(why) = missing(&["systemd-analyze"]) {
        return skipped("systemd-analyze verify", &why);
    }
    let folder = placed();
    for unit in SERVICES {
        let path = folder.path().join(unit.replace("@.", "@ming."));
        let (success, said) =
            outcome(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path));
        // The host's own units are not checked.
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("coffeed")).collect();
        assert!(ours.is_empty(), "{unit}: {ours:?}");
        assert!(success, "{unit}: {said}");
    }
}

#[test]
fn the_units_expose_little() {
    if let Some(why) = missing(&["systemd-analyze"]) {
        return skipped("systemd-analyze security", &why);
    }
    let folder = placed();
    for unit in SERVICES {
        let path = folder.path().join(unit.replace("@.", "@ming."));
        let (success, said) = outcome(
            Command::new("systemd-analyze")
                .args(["security", "--no-pager", "--offline=yes", "--threshold", EXPOSURE_MAX])
                .arg(&path),
        );
        let left: Vec<&str> = said.lines().filter(|line| line.starts_with(['✗', '→'])).collect();
        assert!(success, "{unit}: {}", left.join("\n"));
        assert!(said.contains("Overall exposure level"), "{unit}: {said}");
    }
}

/// The kernel then ends a daemon that takes too much, and not what else runs on the host.
#[test]
fn each_service_has_a_share_of_the_host() {
    for unit in SERVICES {
        let text = fs::read_to_string(deploy().join(unit)).expect("a unit");
        for limit in ["MemoryHigh=", "MemoryMax=", "TasksMax=", "LimitCORE=0"] {
            assert!(text.lines().any(|line| line.starts_with(limit)), "{unit} has no {limit}");
        }
    }
}

#[test]
fn the_two_units_differ_in_names_alone() {
    let settings = |unit: &str| -> Vec<String> {
        let text = fs::read_to_string(deploy().join(unit)).expect("a unit");
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let known = ["Description=", "ExecStart=", "StateDirectory="];
        lines.filter(|line| !known.iter().any(|name| line.starts_with(name))).map(str::to_owned).collect()
    };
    assert_eq!(settings(UNITS[0]), settings(UNITS[1]));
}
