//! A running machine: PID 1 is systemd, the disk is an overlay over the root file system,
//! and commands run inside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{root, sandbox::Group};
use crate::support::programs::run;

const PATIENCE: Duration = Duration::from_secs(60);

/// Polling interval for conditions without notification.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Result of a command.
pub(crate) struct Said {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

/// Exit code of systemd-nspawn when the machine reboots outside nspawn's own unit.
const START_AGAIN: i32 = 133;

/// A booted machine.
pub(crate) struct Machine {
    folder: PathBuf,
    disk: PathBuf,
    nspawn: Child,
}

impl Machine {
    /// Boots a machine whose overlay is in this folder.
    pub(crate) async fn boot(folder: &Path) -> Self {
        let layer = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(&path).expect("a folder");
            path
        };
        let (upper, work, disk) = (layer("upper"), layer("work"), layer("disk"));
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            root::path().display(),
            upper.display(),
            work.display()
        );
        run(Command::new("mount").args(["-t", "overlay", "overlay", "-o", &layers]).arg(&disk));
        let nspawn = start(folder, &disk);
        let machine = Self { folder: folder.to_owned(), disk, nspawn };
        machine.is_up().await;
        machine
    }

    /// Path of its disk on the host.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    async fn is_up(&self) {
        self.until("it has booted", async || {
            let said = self.try_sh("systemctl is-system-running").await;
            said.is_some_and(|said| said.text.trim() == "running")
        })
        .await;
    }

    /// Reboots it. nspawn exits with a code that requests a restart.
    pub(crate) async fn reboot(&mut self) {
        self.try_sh("systemctl reboot").await;
        let ended = timeout(PATIENCE, self.nspawn.wait()).await;
        let status = ended.expect("it goes off in time").expect("it is our process");
        assert_eq!(status.code(), Some(START_AGAIN), "it has rebooted");
        self.nspawn = start(&self.folder, &self.disk);
        self.is_up().await;
    }

    /// Powers it off.
    pub(crate) async fn power_off(mut self) {
        self.try_sh("systemctl poweroff").await;
        let ended = timeout(PATIENCE, self.nspawn.wait()).await;
        ended.expect("it goes off in time").expect("it is our process");
    }

    /// The host's id of its PID 1.
    fn pid1(&self) -> Option<u32> {
        let parent = format!("PPid:\t{}", self.nspawn.id()?);
        let pids = fs::read_dir("/proc").expect("processes").flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line == "Name:\tsystemd") && status.lines().any(|line| line == parent)
        })
    }

    /// Runs a shell command; `None` if the machine is not running.
    async fn try_sh(&self, line: &str) -> Option<Said> {
        let pid = self.pid1()?.to_string();
        let run = tokio::process::Command::new("nsenter")
            .args(["-t", &pid, "-m", "-u", "-i", "-n", "-p", "-C", "--", "env", "-i"])
            .args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"])
            .args(["COFFEECTL_CERTS=/srv/certs", "COFFEECTL_AS=admin-ops"])
            .arg(format!("COFFEECTL_ENDPOINTS={}", super::shops::endpoints()))
            .args(["sh", "-c", line])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(2 * PATIENCE, run).await.unwrap_or_else(|_| panic!("{line} does not end"));
        let output = output.expect("nsenter runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Some(Said { line: line.to_owned(), code: output.status.code(), text })
    }

    /// Runs a shell command; returns its result.
    pub(crate) async fn run(&self, line: &str) -> Said {
        self.try_sh(line).await.expect("the machine runs")
    }

    /// Runs a shell command and asserts success; returns its output.
    #[track_caller]
    pub(crate) fn sh(&self, line: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        async move {
            let said = self.run(line).await;
            assert_eq!(said.code, Some(0), "at {caller}: {}: {}", said.line, said.text);
            said.text
        }
    }

    /// A property of a unit.
    pub(crate) async fn property(&self, unit: &str, name: &str) -> String {
        self.sh(&format!("systemctl show --value -p {name} {unit}")).await.trim().to_owned()
    }

    /// Waits until a property of a unit meets a condition.
    pub(crate) async fn property_is(&self, unit: &str, name: &str, met: impl Fn(&str) -> bool) {
        let last = std::cell::RefCell::new(String::new());
        let looks = async || {
            let value = self.property(unit, name).await;
            let met = met(&value);
            last.replace(value);
            met
        };
        self.until_or(looks, || format!("{name} of {unit} stays {:?}", last.borrow())).await;
    }

    /// Polls until a condition holds.
    pub(crate) async fn until(&self, what: &str, met: impl AsyncFn() -> bool) {
        self.until_or(met, || format!("timed out waiting: {what}")).await;
    }

    async fn until_or(&self, met: impl AsyncFn() -> bool, complaint: impl Fn() -> String) {
        let deadline = Instant::now() + PATIENCE;
        while !met().await {
            if Instant::now() > deadline {
                let journal = self.try_sh("journalctl --no-pager -n 40").await;
                let journal = journal.map_or_else(String::new, |said| said.text);
                panic!("{}; the journal:\n{journal}", complaint());
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Starts a machine with this disk.
fn start(folder: &Path, disk: &Path) -> Child {
    let groups = Group::of(folder).make().expect("control groups");
    let groups: Vec<String> = groups.iter().map(|file| file.display().to_string()).collect();
    let script = "for file in $GROUPS_OF_IT; do echo $$ > $file || exit 1; done; exec \"$@\"";
    tokio::process::Command::new("setsid")
        .args(["sh", "-c", script, "sh", "systemd-nspawn", "--boot", "--quiet", "--register=no"])
        .args(["--keep-unit", "--machine=coffee", "--console=pipe", "-D"])
        .arg(disk)
        .arg(format!("--bind-ro={}:/packages", folder.join("packages").display()))
        .env("GROUPS_OF_IT", groups.join(" "))
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(fs::File::create(folder.join("console")).expect("a file"))
        .stderr(fs::File::create(folder.join("nspawn")).expect("a file"))
        .kill_on_drop(true)
        .spawn()
        .expect("systemd-nspawn starts")
}
