//! Process faults: killed, suspended, starved, without file descriptors, or with a wrong
//! clock.

use std::{fs, path::PathBuf};

use coffee_tests::cluster::SHOPS;

use crate::support::{
    cpu_limit::Starved,
    machine::{faketime, run},
    round::{FaultEnvironment, InjectedFault},
};

/// SIGKILL.
pub(crate) struct Killed;

impl InjectedFault for Killed {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).kill().await;
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).start().await;
    }
}

/// SIGKILL to all nodes at once.
pub(crate) struct AllKilled;

impl InjectedFault for AllKilled {
    const SPARES_QUORUM: bool = false;

    async fn strike(&mut self, environment: &mut FaultEnvironment, _: &str) {
        for node in environment.cluster.nodes() {
            node.signal("KILL").await;
        }
        for node in environment.cluster.nodes() {
            node.ended().await;
        }
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, _: &str) {
        for node in environment.cluster.nodes() {
            node.spawn(&[]);
        }
    }
}

/// SIGSTOP, and SIGCONT later: the node resumes without knowing that time has passed.
pub(crate) struct Stopped;

impl InjectedFault for Stopped {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).signal("STOP").await;
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        environment.cluster.node(victim).signal("CONT").await;
    }
}

/// 5 % of a processor.
#[derive(Default)]
pub(crate) struct Starving(Option<Starved>);

impl InjectedFault for Starving {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        self.0 = Some(Starved::process(environment.cluster.node(victim).pid(), 5));
    }

    async fn heal(&mut self, _: &mut FaultEnvironment, victim: &str) {
        let starved = self.0.take().expect("it was struck");
        assert!(starved.waits() > 0, "{victim} had all the time that it wanted: the round is void");
    }
}

/// No further file descriptor can be opened.
#[derive(Default)]
pub(crate) struct NoDescriptors(String);

impl InjectedFault for NoDescriptors {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let pid = environment.cluster.node(victim).pid().to_string();
        let before =
            run(&["prlimit", "--pid", &pid, "--nofile", "--noheadings", "--raw", "--output", "SOFT"]);
        self.0 = before.trim().to_owned();
        run(&["prlimit", "--pid", &pid, "--nofile=0:"]);
        // Becoming the leader opens links to all nodes, and so does a transfer.
        environment.cluster.coffeectl(["transfer", "--to", victim]).ok().await;
        environment.cluster.coffeectl(["transfer"]).ok().await;
    }

    async fn heal(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let pid = environment.cluster.node(victim).pid().to_string();
        run(&["prlimit", "--pid", &pid, &format!("--nofile={}:", self.0)]);
    }
}

/// The wall clock jumps by ten years, alternately forwards and backwards.
#[derive(Default)]
pub(crate) struct WrongClock {
    strikes: usize,
}

impl WrongClock {
    /// Command line that runs a node with a clock controlled by a file.
    pub(crate) fn under(name: &str) -> Vec<String> {
        let file = Self::file(name);
        fs::write(&file, "+0\n").expect("a file for the clock");
        let library = faketime().expect("the class asks for it");
        [
            "env".to_owned(),
            format!("LD_PRELOAD={library}"),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        ]
        .into_iter()
        .chain(
            ["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
                .map(Into::into),
        )
        .collect()
    }

    fn file(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}-{name}", std::process::id()))
    }
}

impl Drop for WrongClock {
    fn drop(&mut self) {
        for name in SHOPS {
            let _ = fs::remove_file(Self::file(name));
        }
    }
}

impl InjectedFault for WrongClock {
    async fn strike(&mut self, environment: &mut FaultEnvironment, victim: &str) {
        let jump = if self.strikes.is_multiple_of(2) { "+10y\n" } else { "-10y\n" };
        self.strikes += 1;
        fs::write(Self::file(victim), jump).expect("a file for the clock");
        // To such a node no certificate is valid: it rejects new connections.
        let refused =
            environment.cluster.coffeectl_via(victim, ["--timeout", "5s", "get", "order/1"]).run().await;
        assert_eq!(refused.code, Some(7), "{victim} has the right time: the round is void: {refused:?}");
    }

    async fn heal(&mut self, _: &mut FaultEnvironment, victim: &str) {
        fs::write(Self::file(victim), "+0\n").expect("a file for the clock");
    }
}
