//! Runs a test in its own namespaces: network, mounts and processes.
//!
//! The test starts itself again inside them. Everything that it creates there ends with
//! it, even if it is killed: no rule, address, mount or process remains.

use std::{env, path::Path, process::Command};

use coffee_tests::processes;

use crate::support::machine::run_line;

/// Set inside the sandbox.
const INSIDE: &str = "COFFEE_FAULTS_INSIDE";

/// Runs this test inside a sandbox, unless it is inside already. Returns whether the
/// caller is inside, and has to do the work.
pub(crate) fn enter(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        prepare();
        return true;
    }
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    unshare.arg(env::current_exe().expect("the running test has a path"));
    let status = processes::made_for(&mut unshare)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .envs([crate::support::table::variable()])
        .status();
    assert!(status.expect("unshare can be run").success(), "{test} failed inside its sandbox");
    false
}

/// Brings up loopback, and a place for the names of network namespaces.
fn prepare() {
    if !Path::new("/run/netns").exists() {
        run_line("mkdir -p /run/netns");
    }
    run_line("mount -t tmpfs none /run/netns");
    if crate::support::machine::try_run(&["ip", "link", "set", "lo", "up"]).is_err() {
        // A machine with mounts but without `ip`: the tests need loopback.
        panic!("loopback cannot be brought up without ip");
    }
}
