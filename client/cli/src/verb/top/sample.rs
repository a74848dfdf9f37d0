//! Two looks at a cluster, and the rates between them. Pure.

use coffee_common::protocol::{ClusterView, NodePace, NodeState, NodeView, RaftRole};
use serde::Serialize;
use tokio::time::Instant;

use crate::{verb::list, wording};

/// A cluster at one moment.
#[derive(Debug)]
pub(super) struct TopSample {
    pub(super) view: ClusterView,
    pub(super) at: Instant,
}

/// A node, as the screen shows it.
#[derive(Debug, Serialize)]
pub(super) struct TopRow {
    pub(super) name: String,
    pub(super) role: Option<&'static str>,
    pub(super) state: &'static str,
    pub(super) lag: Option<u64>,
    /// Writes that it answered, per second.
    pub(super) writes_per_s: Option<f64>,
    /// Reads that it answered, per second.
    pub(super) reads_per_s: Option<f64>,
    pub(super) commit_p99_us: Option<u64>,
    pub(super) sync_p99_us: Option<u64>,
    pub(super) disk_free_bytes: Option<u64>,
    pub(super) certificate_days_left: Option<i64>,
    /// Elections in which it stood since it started.
    pub(super) elections: Option<u64>,
    /// To the leader.
    pub(super) round_trip_us: Option<u64>,
    pub(super) stalled_ms: Option<u64>,
    pub(super) version: Option<String>,
    pub(super) address: String,
}

/// Returns the rows of the second look, with the rates since the first one.
pub(super) fn rows(before: Option<&TopSample>, now: Option<&TopSample>) -> Vec<TopRow> {
    let Some(now) = now else { return Vec::new() };
    now.view.nodes.iter().map(|node| row(node, before, now)).collect()
}

fn row(node: &NodeView, before: Option<&TopSample>, now: &TopSample) -> TopRow {
    let pace = node.pace.as_ref();
    let earlier = before.and_then(|before| {
        let earlier = before.view.nodes.iter().find(|earlier| earlier.name == node.name)?;
        Some((earlier.pace.as_ref()?, now.at.saturating_duration_since(before.at).as_secs_f64()))
    });
    let rate = |count: fn(&NodePace) -> u64| {
        let (pace, (earlier, seconds)) = pace.zip(earlier)?;
        // A node that has restarted counts from 0.
        let more = count(pace).checked_sub(count(earlier))?;
        // Precise enough: a count of 2^53 takes centuries.
        (seconds > 0.0).then(|| more as f64 / seconds)
    };
    TopRow {
        name: node.name.to_string(),
        role: node.role.map(RaftRole::as_str),
        state: NodeState::as_str(node.state),
        lag: node.lag,
        writes_per_s: rate(|pace| pace.writes),
        reads_per_s: rate(|pace| pace.reads),
        commit_p99_us: pace.and_then(|pace| pace.commit_p99_us),
        sync_p99_us: pace.and_then(|pace| pace.sync_p99_us),
        disk_free_bytes: node.disk_free_bytes,
        certificate_days_left: node.certificate_until_s.map(wording::days_until),
        elections: pace.map(|pace| pace.elections),
        round_trip_us: list::round_trip_to_leader(node, &now.view),
        stalled_ms: pace.map(|pace| pace.stalled_ms),
        version: node.version.clone(),
        address: node.address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sample_view;

    fn sample(at: Instant, writes: u64, reads: u64) -> TopSample {
        let pace = NodePace { writes, reads, elections: 2, ..NodePace::default() };
        let up = sample_view::node("ming", Some(RaftRole::Leader), NodeState::Up, Some(7));
        let lost = sample_view::node("hong", Some(RaftRole::Follower), NodeState::Unreachable, None);
        TopSample { view: sample_view::view(2, 1, vec![NodeView { pace: Some(pace), ..up }, lost]), at }
    }

    #[test]
    fn rates_are_between_two_looks_at_one_process() {
        let start = Instant::now();
        let (first, later) = (sample(start, 100, 1000), sample(start + Duration::from_secs(2), 150, 1001));
        let rates = |before: Option<&TopSample>, now: &TopSample| {
            let rows = rows(before, Some(now));
            assert_eq!((rows[1].writes_per_s, rows[1].reads_per_s), (None, None), "hong is lost");
            (rows[0].writes_per_s, rows[0].reads_per_s)
        };
        assert_eq!(rates(None, &first), (None, None));
        assert_eq!(rates(Some(&first), &later), (Some(25.0), Some(0.5)));
        assert_eq!(rates(Some(&first), &sample(start, 150, 1001)), (None, None), "no time has passed");
        let restarted = sample(start + Duration::from_secs(4), 3, 1002);
        assert_eq!(rates(Some(&later), &restarted), (None, Some(0.5)));
    }
}
