//! Samples what the node does, for its status page.

use crate::{
    metrics::{
        ActivitySample, HistogramSnapshot, RequestKind, RequestOutcome, SAMPLE_SECONDS, quantile_between,
    },
    node::Node,
};

const WRITES: [RequestKind; 2] = [RequestKind::Write, RequestKind::Transact];

const READS: [RequestKind; 5] =
    [RequestKind::Get, RequestKind::Range, RequestKind::GetAt, RequestKind::RangeAt, RequestKind::History];

/// The totals at the end of the last sample.
#[derive(Debug, Default)]
pub(super) struct ActivitySampler {
    seconds: u32,
    before: Option<ActivityTotals>,
}

#[derive(Debug)]
struct ActivityTotals {
    writes: u64,
    reads: u64,
    elections: u64,
    durations: HistogramSnapshot,
}

impl ActivityTotals {
    fn of(node: &Node) -> Self {
        let metrics = node.metrics();
        let requests = &metrics.requests;
        let answered = |kinds: &[RequestKind]| {
            let all = kinds.iter().flat_map(|kind| RequestOutcome::ALL.map(|outcome| (*kind, outcome)));
            all.map(|(kind, outcome)| requests.count(kind, outcome)).sum()
        };
        Self {
            writes: answered(&WRITES),
            reads: answered(&READS),
            elections: metrics.leaders.get(),
            durations: requests.durations(RequestKind::Write).read(),
        }
    }
}

impl ActivitySampler {
    /// Ends a second, and every few seconds a sample.
    pub(super) fn end_second(&mut self, node: &Node) {
        self.seconds += 1;
        if self.seconds < SAMPLE_SECONDS {
            return;
        }
        self.seconds = 0;
        let now = ActivityTotals::of(node);
        let syncs = |seconds| {
            let replica = node.replica()?;
            replica.log().metrics(|log| log.syncs.recent().quantile(0.99, seconds))?
        };
        if let Some(before) = &self.before {
            node.metrics().activity.add(ActivitySample {
                writes: now.writes.saturating_sub(before.writes),
                reads: now.reads.saturating_sub(before.reads),
                elections: now.elections.saturating_sub(before.elections),
                write_p99: quantile_between(&before.durations, &now.durations, 0.99),
                sync_p99: syncs(SAMPLE_SECONDS as usize),
            });
        }
        self.before = Some(now);
    }
}
