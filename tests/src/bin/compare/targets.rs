//! What coffeed is meant to reach, in one place.

use coffee_client::bench::Work;

use crate::{contestant::Timers, line::Goal};

/// For the figures of the load.
pub(crate) fn load(work: Work, clients: usize, figure: &str) -> Goal {
    match (work, clients, figure) {
        (Work::Put, 1, "rate") => Goal::Times(2.2),
        (Work::Put, 1, "p50") => Goal::Part(0.5),
        (Work::Put, 64, "rate") => Goal::Times(4.0),
        (Work::Put, 64, "p99") => Goal::Part(0.2),
        (Work::Put, 1024, "rate") => Goal::Times(5.0),
        (Work::Put, 1024, "for a CPU second") => Goal::Times(7.2),
        (Work::Get, 64 | 1024, "rate") => Goal::Times(5.0),
        _ => Goal::None,
    }
}

/// Memory of three servers that have taken many writes.
pub(crate) const MEMORY: Goal = Goal::Part(0.25);
/// What such a node has on its disk.
pub(crate) const DISK: Goal = Goal::Part(0.15);
/// What the disk writes for one write of a single client.
pub(crate) const WRITTEN: Goal = Goal::Part(1.0);
/// From the start of a new node to its first write.
pub(crate) const FRESH: Goal = Goal::Part(0.33);
/// From the start of a follower with data to its first linearizable read.
pub(crate) const RESTART: Goal = Goal::Part(0.44);
/// No write fails where the leader moves as planned.
pub(crate) const NONE_FAILED: Goal = Goal::Within { median: 0.0, worst: 0.0 };
/// The longest time without a write, in ms, while the leader moves as planned.
pub(crate) const MOVE: Goal = Goal::Within { median: 13.0, worst: 50.0 };

/// The time until a write succeeds, in ms, where the leader is killed.
pub(crate) fn failover(timers: Timers) -> Goal {
    match timers {
        Timers::Default => Goal::Within { median: 600.0, worst: 1200.0 },
        Timers::Tuned => Goal::Within { median: 150.0, worst: 300.0 },
    }
}
