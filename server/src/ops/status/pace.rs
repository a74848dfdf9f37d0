//! How fast this node is served by its disk, its processor and its links.

use std::time::Duration;

use coffee_common::protocol::{NodePace, RoundTrip};

use crate::{
    metrics::{
        ElectionReason, LogMetrics, PERCENTILE_SECONDS, RECENT_SECONDS, RecentDurations, RequestKind,
        RequestOutcome, SLOW_SYNC,
    },
    node::Node,
};

/// The kinds of reads.
const READS: [RequestKind; 5] =
    [RequestKind::Get, RequestKind::Range, RequestKind::GetAt, RequestKind::RangeAt, RequestKind::History];

/// Returns this node's pace.
pub(super) fn own(node: &Node) -> NodePace {
    let metrics = node.metrics();
    let syncs = node.replica().and_then(|replica| replica.log().metrics(sync_p99)).flatten();
    let round_trip = |(peer, now, worst)| RoundTrip { peer, now_us: micros(now), worst_us: micros(worst) };
    NodePace {
        sync_p99_us: syncs.map(micros),
        commit_p99_us: p99(metrics.commits.recent()).map(micros),
        stalled_ms: metrics.delays.quantile(1.0, RECENT_SECONDS).map_or(0, super::millis),
        round_trips: metrics.round_trips.read().into_iter().map(round_trip).collect(),
        timers: node.timers().into(),
        writes: answered(node, &[RequestKind::Write, RequestKind::Transact]),
        reads: answered(node, &READS),
        elections: ElectionReason::ALL.iter().map(|reason| metrics.leadership.elections(*reason).get()).sum(),
    }
}

/// Returns how many requests of these kinds were carried out.
fn answered(node: &Node, kinds: &[RequestKind]) -> u64 {
    kinds.iter().map(|kind| node.metrics().requests.count(*kind, RequestOutcome::Ok)).sum()
}

/// A sync that hangs counts before it ends.
fn sync_p99(log: &LogMetrics) -> Option<Duration> {
    let hanging = log.sync_in_progress().filter(|so_far| *so_far >= SLOW_SYNC);
    p99(log.syncs.recent()).max(hanging)
}

fn p99(recent: &RecentDurations) -> Option<Duration> {
    recent.quantile(0.99, PERCENTILE_SECONDS)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
