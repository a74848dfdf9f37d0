//! The package in a Debian whose PID 1 is systemd, from installation to purge.
//!
//! Needs root, namespaces, control groups, systemd-nspawn, mmdebstrap with a mirror
//! (once: the root file system is kept under `target/tmp`) and cargo-deb. Prints what is
//! missing. Everything runs in namespaces that end with it.

mod inside;
mod root;
mod sandbox;
mod shops;

use std::{env, path::Path, time::Duration};

use coffee_tests::{
    cluster::SHOPS,
    load::{Load, LoadOptions, verify},
};
use tokio::time::Instant;

use self::{
    inside::Machine,
    shops::{are_synced, is_replaced_after, stop, unit, units},
};
use crate::support::programs::skipped;

const PATIENCE: Duration = Duration::from_secs(30);

/// Writes that must succeed between two steps.
const WRITES: u64 = 50;

fn cycles() -> usize {
    env::var("COFFEE_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(6)
}

#[test]
#[ignore = "takes minutes, and boots a Debian; .ci/run runs it by name"]
fn a_machine_with_five_shops() {
    if let Some(folder) = sandbox::inside() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(story(&folder));
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tempfile::Builder::new().prefix("machine-").tempdir_in(kept).expect("a folder");
    std::fs::create_dir(folder.path().join("packages")).expect("a folder");
    match root::prepare(folder.path()) {
        Ok(()) => sandbox::run("machine::a_machine_with_five_shops", folder.path()),
        Err(why) => skipped("a machine with systemd", &why),
    }
}

async fn story(folder: &Path) {
    let mut steps = StepLog::new();
    let mut machine = Machine::boot(folder).await;
    steps.done("boots");
    install(&machine).await;
    steps.done("installs the package, which starts nothing");
    shops::furnish(&machine).await;
    shops::open(&machine).await;
    machine.sh("coffeectl set order/1 latte").await;
    steps.done("five shops are open");
    journal(&machine).await;
    steps.done("the journal has it");
    misconfigured(&machine).await;
    steps.done("a wrongly configured node is not restarted in a loop");
    cold_start(&machine).await;
    steps.done("starts without a quorum");
    hang(&machine).await;
    steps.done("a node that hangs is replaced");
    reload(&machine).await;
    steps.done("reloads, and keeps its settings if it cannot");
    taken_down(&mut machine).await;
    steps.done("a node that was taken down stays down, over a reboot too");
    let slowest = cycles_under_load(&machine).await;
    steps.done(&format!("{} cycles under load, nothing lost; slowest stop {slowest:?}", cycles()));
    upgrade(&machine).await;
    steps.done("upgrades, without restarting anything");
    remove(&machine).await;
    steps.done("removed and purged, the data is still there");
    machine.power_off().await;
}

/// Prints each step as it is completed.
struct StepLog {
    began: Instant,
}

impl StepLog {
    fn new() -> Self {
        Self { began: Instant::now() }
    }

    #[expect(clippy::print_stdout, reason = "a test that takes minutes prints its progress")]
    fn done(&mut self, what: &str) {
        println!("{:>6.1} s  {what}", self.began.elapsed().as_secs_f64());
    }
}

async fn latte(machine: &Machine) {
    assert_eq!(machine.sh("coffeectl get order/1").await.trim_end(), "latte");
}

async fn install(machine: &Machine) {
    machine.sh(&format!("apt-get install -y /packages/coffeed_{}.deb", root::VERSIONS[0])).await;
    machine.sh("test -x /usr/bin/coffeed && test -x /usr/bin/coffeectl && id coffeed").await;
    assert_eq!(machine.property("coffeed", "ActiveState").await, "inactive");
    assert_eq!(machine.property("coffeed", "UnitFileState").await, "disabled");
    // The root file system excludes documentation, so the package is listed instead.
    let brings = machine.sh(&format!("dpkg-deb -c /packages/coffeed_{}.deb", root::VERSIONS[0])).await;
    for path in [
        "doc/coffeed/examples/coffeed.toml",
        "doc/coffeed/deploy/OPERATIONS.md",
        "man/man8/coffeed.8.gz",
        "man/man8/coffeed-recover.8.gz",
        "man/man1/coffeectl.1.gz",
        "man/man1/coffeectl-node-remove.1.gz",
        "bash-completion/completions/coffeed",
        "bash-completion/completions/coffeectl",
        "zsh/vendor-completions/_coffeed",
        "zsh/vendor-completions/_coffeectl",
        "fish/vendor_completions.d/coffeed.fish",
        "fish/vendor_completions.d/coffeectl.fish",
    ] {
        assert!(brings.lines().any(|line| line.ends_with(&format!("usr/share/{path}"))), "{path}: {brings}");
    }
}

async fn journal(machine: &Machine) {
    let lines = machine.sh(&format!("journalctl -u {} -o json --no-pager", unit("ming"))).await;
    let lines = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let ours: Vec<_> = lines.filter(|line| line["SYSLOG_IDENTIFIER"] == "coffeed").collect();
    let says = |words: &str| {
        ours.iter().any(|line| line["MESSAGE"].as_str().is_some_and(|said| said.contains(words)))
    };
    assert!(says("listening") && says("replica opened"), "{ours:?}");
    assert!(!says("latte") && !says("order/1"), "stored data does not belong in the journal: {ours:?}");
    assert!(ours.iter().all(|line| line["_SYSTEMD_UNIT"] == "coffeed@ming.service"), "{ours:?}");
    machine.property_is(&unit("ming"), "StatusText", |status| status.contains("5 voters")).await;
}

async fn misconfigured(machine: &Machine) {
    machine.sh("echo 'nane = 1' > /etc/coffeed/bad.toml").await;
    machine
        .sh("sed 's/ming/strange/; s/7401/7409/' /etc/coffeed/ming.toml > /etc/coffeed/strange.toml")
        .await;
    for (shop, code) in [("bad", "2"), ("strange", "7")] {
        let unit = unit(shop);
        assert_ne!(machine.run(&format!("systemctl start {unit}")).await.code, Some(0));
        assert_eq!(machine.property(&unit, "ActiveState").await, "failed");
        assert_eq!(machine.property(&unit, "ExecMainStatus").await, code);
        assert_eq!(machine.property(&unit, "NRestarts").await, "0");
        machine.sh(&format!("systemctl reset-failed {unit}")).await;
    }
}

async fn cold_start(machine: &Machine) {
    machine.sh(&format!("systemctl stop {}", units())).await;
    machine.sh(&format!("systemctl start {}", unit("peng"))).await;
    let waits = |status: &str| status.contains("writes wait") || status.contains("candidate in term");
    machine.property_is(&unit("peng"), "StatusText", waits).await;
    machine.sh(&format!("systemctl start {}", units())).await;
    machine.sh("coffeectl wait --for quorum").await;
    latte(machine).await;
}

async fn hang(machine: &Machine) {
    let drop_in = "/run/systemd/system/coffeed@hong.service.d";
    machine
        .sh(&format!("mkdir -p {drop_in} && printf '[Service]\\nWatchdogSec=3\\n' > {drop_in}/quick.conf"))
        .await;
    machine.sh(&format!("systemctl daemon-reload && systemctl restart {}", unit("hong"))).await;
    is_replaced_after(machine, "hong", "STOP").await;
    let journal = machine.sh(&format!("journalctl -u {} --no-pager", unit("hong"))).await;
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    machine
        .sh(&format!("rm -r {drop_in} && systemctl daemon-reload && systemctl restart {}", unit("hong")))
        .await;
    are_synced(machine).await;
}

/// The same process loads a renewed certificate, and systemd sees both ends of a reload,
/// whether it succeeds or not.
async fn reload(machine: &Machine) {
    let unit = unit("ming");
    let before = machine.property(&unit, "MainPID").await;
    // From here on systemd logs its notifications.
    machine.sh("systemctl log-level debug").await;
    machine.sh("coffeectl cert renew node-ming").await;
    machine.sh("install -o coffeed -g coffeed -m 0600 /srv/certs/node-ming.crt /etc/coffeed/certs/").await;
    reloads(machine, &unit, "reloaded").await;
    machine
        .sh("cp -p /etc/coffeed/ming.toml /etc/coffeed/ming.kept && echo '[logs]' >> /etc/coffeed/ming.toml")
        .await;
    reloads(machine, &unit, "reload failed").await;
    machine.sh("mv /etc/coffeed/ming.kept /etc/coffeed/ming.toml").await;
    machine.sh("systemctl log-level info").await;
    assert_eq!(machine.property(&unit, "MainPID").await, before, "it is the same process");
    assert_eq!(machine.property(&unit, "NRestarts").await, "0");
    latte(machine).await;
}

async fn reloads(machine: &Machine, unit: &str, outcome: &str) {
    let cursor = machine.sh("journalctl -n 0 --show-cursor --no-pager").await;
    let cursor = cursor.lines().find_map(|line| line.strip_prefix("-- cursor: ")).expect("a cursor");
    machine.sh(&format!("systemctl reload {unit}")).await;
    let since = format!("journalctl -u {unit} --after-cursor '{cursor}' -o cat --no-pager");
    let told = ["RELOADING=1", "READY=1"];
    machine
        .until(&format!("{told:?} and {outcome:?} in the journal"), async || {
            let journal = machine.sh(&since).await;
            // The message itself; what was reloaded is a separate field.
            told.iter().all(|words| journal.contains(words))
                && journal.lines().any(|line| line.starts_with(outcome))
        })
        .await;
    machine.property_is(unit, "ActiveState", |state| state == "active").await;
}

async fn taken_down(machine: &mut Machine) {
    let hu = unit("hu");
    machine.sh(&format!("systemctl enable {}", units())).await;
    machine.sh("coffeectl --yes down hu").await;
    machine.property_is(&hu, "ActiveState", |state| state == "inactive").await;
    assert_eq!(machine.property(&hu, "Result").await, "success");
    assert_eq!(machine.property(&hu, "NRestarts").await, "0");

    machine.sh(&format!("systemctl restart {hu}")).await;
    is_out(machine).await;
    machine.reboot().await;
    for shop in SHOPS {
        assert_eq!(machine.property(&unit(shop), "ActiveState").await, "active", "{shop} comes back");
    }
    machine.sh("coffeectl wait --for quorum").await;
    is_out(machine).await;
    latte(machine).await;

    machine.sh("coffeectl boot hu").await;
    machine.property_is(&hu, "StatusText", |status| status.contains("5 voters")).await;
}

/// Asserts that hu runs and waits without being a member, though it names members to
/// join.
async fn is_out(machine: &Machine) {
    machine.property_is(&unit("hu"), "StatusText", |status| status.starts_with("waiting to be booted")).await;
    let list = machine.sh("coffeectl -o json list").await;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    assert!(list.to_string().contains("waiting") || list.to_string().contains("shutdown"), "{list}");
    assert_eq!(list["voters"], 4, "{list}");
}

/// Stops, starts and kills the shops in turn while four of five serve.
async fn cycles_under_load(machine: &Machine) -> Duration {
    let client = shops::client(machine);
    let options = LoadOptions { writers: 16, ..LoadOptions::default() };
    let mut load = Load::start(std::slice::from_ref(&client), &options);
    let mut slowest = Duration::ZERO;
    for cycle in 0..cycles() {
        assert!(load.acknowledges(WRITES, PATIENCE).await, "writes stall before cycle {cycle}");
        let shop = SHOPS[cycle % SHOPS.len()];
        if cycle % 2 == 0 {
            slowest = slowest.max(stop(machine, shop).await);
            assert!(load.acknowledges(WRITES, PATIENCE).await, "writes stall without {shop}");
            machine.sh(&format!("systemctl start {}", unit(shop))).await;
        } else {
            is_replaced_after(machine, shop, "KILL").await;
        }
        // The next one must find a quorum without this one.
        machine.sh(&format!("coffeectl wait --for synced --node {shop} --timeout 60s")).await;
    }
    assert!(load.acknowledges(WRITES, PATIENCE).await, "writes stall at the end");
    let record = load.stop().await;
    let report = verify(&client, &record).await.expect("it can be read back");
    assert!(report.is_clean(), "{report}");
    client.close().await;
    slowest
}

async fn upgrade(machine: &Machine) {
    let pids = async || {
        let mut pids = Vec::new();
        for shop in SHOPS {
            pids.push(machine.property(&unit(shop), "MainPID").await);
        }
        pids
    };
    let before = pids().await;
    let said = machine.sh(&format!("apt-get install -y /packages/coffeed_{}.deb", root::VERSIONS[1])).await;
    assert!(said.contains("still running the previous version until restarted: coffeed@"), "{said}");
    assert_eq!(pids().await, before, "nothing was restarted");
    for shop in SHOPS {
        machine.sh(&format!("coffeectl can-stop {shop} && systemctl restart {}", unit(shop))).await;
        machine.sh(&format!("coffeectl wait --for synced --node {shop} --timeout 60s")).await;
    }
    assert!(pids().await.iter().zip(&before).all(|(now, before)| now != before));
    latte(machine).await;
}

async fn remove(machine: &Machine) {
    let data = "test -s /var/lib/coffeed@ming/state.redb && test -s /etc/coffeed/certs/node-ming.key";
    machine.sh("apt-get remove -y coffeed").await;
    let left = machine.run("pgrep -x coffeed").await;
    assert_eq!(left.code, Some(1), "still running: {}", left.text);
    machine.sh(data).await;
    let said = machine.sh("apt-get purge -y coffeed").await;
    assert!(said.contains("are kept") && said.contains("/var/lib/coffeed@ming"), "{said}");
    machine.sh(data).await;
    machine.sh("! ls /etc/systemd/system/multi-user.target.wants/ | grep coffeed").await;
}
