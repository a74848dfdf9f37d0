//! Runs the test in its own namespaces: network, mounts and processes.
//!
//! The test starts itself again inside them. Everything that it creates there ends with
//! it: the machine with its systemd, its addresses, and the mount of its disk.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use coffee_tests::processes;

/// Set inside the sandbox: the machine's folder.
const INSIDE: &str = "COFFEE_MACHINE_INSIDE";

/// The machine's folder, if this process is inside.
pub(crate) fn inside() -> Option<PathBuf> {
    let folder = env::var_os(INSIDE)?;
    crate::support::programs::run(Command::new("ip").args(["link", "set", "lo", "up"]));
    Some(folder.into())
}

/// Runs this test again inside the sandbox.
pub(crate) fn run(test: &str, folder: &Path) {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    unshare.arg(env::current_exe().expect("the running test has a path"));
    let status = processes::made_for(&mut unshare)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, folder)
        .status();
    let group = Group::of(folder);
    group.remove();
    assert!(status.expect("unshare can be run").success(), "{test} failed inside its sandbox");
}

/// The machine's control groups: without its own it would use the host's.
pub(crate) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// Control groups of the machine in this folder.
    pub(crate) fn of(machine: &Path) -> Self {
        let name = format!("coffee-{}", machine.file_name().expect("a name").to_string_lossy());
        let top = Path::new("/sys/fs/cgroup");
        // A host with both hierarchies mounts these two; one with only the new one has it
        // at the top.
        let both = [top.join("systemd"), top.join("unified")];
        let tops = if both[1].is_dir() { both.to_vec() } else { vec![top.to_owned()] };
        Self { folders: tops.into_iter().map(|top| top.join(&name)).collect() }
    }

    /// Returns why none can be created, if so.
    pub(crate) fn missing(&self) -> Option<String> {
        let made = self.make();
        self.remove();
        made.err().map(|error| format!("no control groups can be made: {error}"))
    }

    /// Creates them; returns the files that move a process into them when it writes its
    /// id there.
    pub(crate) fn make(&self) -> std::io::Result<Vec<PathBuf>> {
        let make = |folder: &PathBuf| {
            fs::create_dir_all(folder)?;
            let file = folder.join("cgroup.procs");
            fs::metadata(&file).map(|_| file)
        };
        self.folders.iter().map(make).collect()
    }

    /// Removes them, including those that the machine created below.
    pub(crate) fn remove(&self) {
        self.folders.iter().for_each(|folder| remove(folder));
    }
}

fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // A group that is still in use stays, without harm.
    let _ = fs::remove_dir(folder);
}
