//! Faults of real processes, networks and disks, under load.
//!
//! Each test injects one class of faults into a cluster of three daemons, alternately
//! into the leader and a follower, while 32 clients write. No acknowledged write may be
//! lost or applied twice, and writes continue if a quorum is spared. Tests that need
//! namespaces run in a sandbox that ends with them. Tests that the machine does not
//! support are skipped, with the reason.
//!
//! The default run injects each fault once. `COFFEE_FAULTS` sets the number of rounds;
//! for figures, in release mode and with nothing else running (as root; about half an
//! hour):
//!
//! ```text
//! COFFEE_FAULTS=10 cargo test --release -p coffee-tests --test faults -- --test-threads 1 --nocapture
//! ```

mod addresses;
mod disk_faults;
mod full_disks;
mod link_faults;
mod process_faults;
mod slow_disks;
mod support;

use std::{env, time::Duration};

use coffee_common::{protocol::Role, setting::Setting};
use coffee_tests::cluster::{Cluster, Host, SHOPS};
use tokio::runtime::Runtime;

use crate::{
    disk_faults::{Blackout, DiskPowerCut, Disks, FailedSync, Full},
    link_faults::{LinkFault, Slow},
    process_faults::{AllKilled, Killed, NoDescriptors, Starving, Stopped, WrongClock},
    support::{
        machine::Need,
        network::Network,
        round::{FaultEnvironment, InjectedFault, round},
        sandbox,
        table::{self, FaultRow},
    },
};

const NODES: usize = 3;

/// Maximum write stall if a quorum is spared.
const GAP_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 10 });

/// Frequent snapshots and purges, so that they coincide with every fault.
const SETTINGS: &str = "[storage]\nsnapshot_every_entries = 2000\nlog_keep_entries = 500\n";

/// The disks are smaller than the usual limit of free space.
const FREE_BYTES: Setting = Setting::DiskFreeBytesMin(16 << 20);

/// Victims of a class of faults.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Leader,
    Follower,
    All,
}

const EITHER: [Whom; 2] = [Whom::Leader, Whom::Follower];

fn rounds() -> usize {
    env::var("COFFEE_FAULTS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// A class of faults.
struct Class {
    name: &'static str,
    needs: &'static [Need],
    whom: &'static [Whom],
}

impl Class {
    fn of(name: &'static str) -> Self {
        Self { name, needs: &[], whom: &EITHER }
    }

    fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    fn strikes(mut self, whom: &'static [Whom]) -> Self {
        self.whom = whom;
        self
    }

    /// Runs the rounds, if the machine supports them, in a sandbox if necessary. `make`
    /// prepares the fault before the nodes start.
    #[expect(clippy::print_stdout, reason = "a skipped test prints the reason")]
    fn run<F: InjectedFault>(&self, make: impl FnOnce(&mut Cluster) -> F) {
        if let Some(reason) = self.needs.iter().find_map(|need| need.missing()) {
            println!("skipped: {}: {reason}", self.name);
            return;
        }
        let sandboxed = self.needs.contains(&Need::Network) || self.needs.contains(&Need::Mounts);
        if sandboxed && !sandbox::enter(std::thread::current().name().expect("tests have names")) {
            return table::show();
        }
        Runtime::new().expect("a runtime").block_on(self.play(make));
        if !sandboxed {
            table::show();
        }
    }

    async fn play<F: InjectedFault>(&self, make: impl FnOnce(&mut Cluster) -> F) {
        let network = self.needs.contains(&Need::Network).then(|| Network::of(&SHOPS[..NODES]));
        let mut plan = Cluster::of(NODES).with(SETTINGS).on(self.hosts(network.as_ref()));
        if !cfg!(debug_assertions) {
            plan = plan.with_default_timers();
        }
        let mut cluster = plan.prepare();
        let mut fault = make(&mut cluster);
        cluster.found(NODES).await;
        let client = cluster.client(Role::Admin).with_timeout(Duration::from_secs(10));
        client.set_setting(FREE_BYTES).await.expect("a setting");
        let mut environment = FaultEnvironment { cluster, network, client, rounds: 0 };
        for whom in self.whom {
            self.strike(&mut environment, &mut fault, *whom).await;
        }
        environment.client.close().await;
        // Every node has survived, and stops when asked to.
        for node in environment.cluster.nodes() {
            assert!(node.stop().await.success(), "{}", node.log().tail(20));
        }
        // Disks must be unmounted before their folder is deleted.
        drop(fault);
    }

    fn hosts(&self, network: Option<&Network>) -> Vec<Host> {
        let mut hosts = network.map_or_else(|| vec![Host::default(); NODES], Network::hosts);
        if self.needs.contains(&Need::FalseClock) {
            hosts.iter_mut().zip(SHOPS).for_each(|(host, name)| host.under.extend(WrongClock::under(name)));
        }
        hosts
    }

    async fn strike<F: InjectedFault>(&self, environment: &mut FaultEnvironment, fault: &mut F, whom: Whom) {
        let mut row = FaultRow::default();
        for n in 0..rounds() {
            let leader = environment.cluster.leader().await;
            let victim = match whom {
                Whom::Leader | Whom::All => leader,
                Whom::Follower => SHOPS[..NODES]
                    .iter()
                    .cycle()
                    .skip(n)
                    .find(|name| **name != leader)
                    .map_or(leader, |name| (*name).into()),
            };
            let outcome = round(environment, fault, &victim).await;
            row.add(&outcome.record, &outcome.report, outcome.at);
            assert!(outcome.report.is_clean(), "{}, {victim}: {}", self.name, outcome.report);
        }
        row.publish(&format!("{} ({})", self.name, format!("{whom:?}").to_lowercase()));
        let bounded = !F::SPARES_QUORUM || row.worst() < GAP_MAX;
        assert!(bounded, "{}: writes stalled for {:?}", self.name, row.worst());
    }
}

#[test]
fn killed() {
    Class::of("kill -9").run(|_| Killed);
}

#[test]
fn all_killed() {
    Class::of("kill -9").strikes(&[Whom::All]).run(|_| AllKilled);
}

#[test]
fn stopped_and_continued() {
    Class::of("stop, continue").run(|_| Stopped);
}

#[test]
fn cut_off() {
    Class::of("partition").needs(&[Need::Network]).run(|_| LinkFault::CutOff);
}

#[test]
fn deaf() {
    Class::of("partition, inbound only").needs(&[Need::Network]).run(|_| LinkFault::Deaf);
}

#[test]
fn mute() {
    Class::of("partition, outbound only").needs(&[Need::Network]).run(|_| LinkFault::Mute);
}

#[test]
fn lossy_link() {
    Class::of("30 % loss").needs(&[Need::Network]).run(|_| LinkFault::Lossy);
}

#[test]
fn slow_link() {
    Class::of("link of 1 Mbit/s").needs(&[Need::Network]).run(|_| Slow);
}

#[test]
fn disk_full() {
    Class::of("disk full").needs(&[Need::Mounts]).run(Full::mount);
}

#[test]
fn sync_fails() {
    Class::of("fsync fails").needs(&[Need::Tracer]).run(|_| FailedSync);
}

#[test]
fn power_cut() {
    Class::of("power cut").needs(&[Need::Mounts]).run(|cluster| DiskPowerCut(Disks::mount(cluster)));
}

#[test]
fn blackout() {
    let class = Class::of("power cut").needs(&[Need::Mounts]).strikes(&[Whom::All]);
    class.run(|cluster| Blackout(Disks::mount(cluster)));
}

#[test]
fn wrong_clock() {
    Class::of("wall clock by 10 years").needs(&[Need::FalseClock]).run(|_| WrongClock::default());
}

#[test]
fn starved_of_processor() {
    Class::of("5 % of a processor").needs(&[Need::CpuGroups]).run(|_| Starving::default());
}

#[test]
fn out_of_descriptors() {
    Class::of("no descriptors").run(|_| NoDescriptors::default());
}
