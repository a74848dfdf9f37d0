//! All targets for coffeed.

use coffee_client::bench::Work;

use crate::{contestant::TimerSetting, line::FigureGoal};

/// Targets of the load.
pub(crate) fn load(work: Work, clients: usize, figure: &str) -> FigureGoal {
    match (work, clients, figure) {
        (Work::Put, 1, "rate") => FigureGoal::Times(2.2),
        (Work::Put, 1, "p50") => FigureGoal::Part(0.5),
        (Work::Put, 64, "rate") => FigureGoal::Times(4.0),
        (Work::Put, 64, "p99") => FigureGoal::Part(0.2),
        (Work::Put, 1024, "rate") => FigureGoal::Times(5.0),
        (Work::Put, 1024, "per CPU second") => FigureGoal::Times(7.2),
        (Work::Get, 64 | 1024, "rate") => FigureGoal::Times(5.0),
        _ => FigureGoal::None,
    }
}

/// Memory of three servers after many writes.
pub(crate) const MEMORY: FigureGoal = FigureGoal::Part(0.25);
/// Disk usage of such a node.
pub(crate) const DISK: FigureGoal = FigureGoal::Part(0.15);
/// Bytes that the disk writes for one write of a single client.
pub(crate) const WRITTEN: FigureGoal = FigureGoal::Part(1.0);
/// Time from the start of a new node to its first write.
pub(crate) const FRESH: FigureGoal = FigureGoal::Part(0.33);
/// Time from the start of a follower with data to its first linearizable read.
pub(crate) const RESTART: FigureGoal = FigureGoal::Part(0.44);
/// No write fails when the leader moves as planned.
pub(crate) const NONE_FAILED: FigureGoal = FigureGoal::Within { median: 0.0, worst: 0.0 };
/// Longest time without a write during a planned move, in ms.
pub(crate) const MOVE: FigureGoal = FigureGoal::Within { median: 13.0, worst: 50.0 };

/// Time until a write succeeds after the leader was killed, in ms.
pub(crate) fn failover(timers: TimerSetting) -> FigureGoal {
    match timers {
        TimerSetting::Default => FigureGoal::Within { median: 600.0, worst: 1200.0 },
        TimerSetting::Tuned => FigureGoal::Within { median: 150.0, worst: 300.0 },
    }
}
