//! Keeps the history within the settings of the cluster, and makes it give way where a disk is full.
//!
//! Each replica drops the oldest changes as new ones are added. This is for the rest: a limit that was
//! lowered, and a cluster whose disks have no room for more data, where the history is dropped before
//! writes are refused for long. Only the leader acts, by commands: the history is replicated state.

use std::time::Duration;

use coffee_common::{
    command::{Command, Outcome},
    feature_level::HISTORY,
    history_limit::HistoryLimit,
    id::Revision,
    protocol::Rejection,
    setting::ClusterSettings,
};
use tokio::time::Instant;

use super::progress::OperationProgress;
use crate::node::{
    propose::{ProposeError, propose},
    replica::Replica,
};

/// How long one round may take.
const ROUND: Duration = Duration::from_millis(800);

/// A history that exceeds its limit by less is left to the next changes.
const SLACK: HistorySize = HistorySize { bytes: 1 << 20, changes: 10_000 };

/// The size of a history.
#[derive(Debug, Clone, Copy)]
struct HistorySize {
    bytes: u64,
    changes: u64,
}

/// Drops a part of the history if there is too much, or if it takes the room of new data. Call it again
/// after a while.
pub async fn drop_excess(replica: &Replica, is_in_the_way: bool) {
    let state = replica.state();
    if state.level() < HISTORY {
        return;
    }
    let metrics = state.metrics();
    let size = HistorySize { bytes: metrics.history_bytes.get(), changes: metrics.history_changes.get() };
    let Some(limit) = limit(size, &state.settings(), is_in_the_way) else { return };
    if is_in_the_way {
        tracing::warn!(bytes = size.bytes, "a part of the history is dropped: it takes the room of new data");
    }
    if let Err(error) = compact(replica, limit, Instant::now() + ROUND, &OperationProgress::default()).await {
        tracing::debug!(?error, "the history is not compacted yet");
    }
}

/// The limit that the history exceeds; `None` if it may stay as it is.
fn limit(size: HistorySize, settings: &ClusterSettings, is_in_the_way: bool) -> Option<HistoryLimit> {
    let (bytes, changes) = (settings.history_bytes_max, settings.history_changes_max);
    if is_in_the_way && size.changes > 0 {
        let half = if size.bytes < SLACK.bytes { 0 } else { size.bytes / 2 };
        return Some(HistoryLimit::Size { bytes: bytes.min(half), changes });
    }
    let exceeds = size.bytes > bytes.saturating_add(SLACK.bytes)
        || size.changes > changes.saturating_add(SLACK.changes);
    exceeds.then_some(HistoryLimit::Size { bytes, changes })
}

/// Repeats a command until it has dropped all that it is to drop. Returns the first revision at which
/// the state can be read then.
pub(super) async fn compact(
    replica: &Replica,
    limit: HistoryLimit,
    deadline: Instant,
    progress: &OperationProgress,
) -> Result<Revision, ProposeError> {
    loop {
        let outcome = propose(replica, None, Command::CompactHistory(limit), deadline).await;
        match progress.step(outcome)? {
            Outcome::HistoryCompacted { done: false, .. } => {}
            Outcome::HistoryCompacted { floor, done: true } => return Ok(floor),
            other => return Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_beyond_its_limit_or_in_the_way_of_data_is_cut() {
        let settings =
            ClusterSettings { history_bytes_max: 100 << 20, history_changes_max: 1000, ..<_>::default() };
        let cut = |bytes: u64, changes, is_in_the_way| match limit(
            HistorySize { bytes: bytes << 20, changes },
            &settings,
            is_in_the_way,
        ) {
            Some(HistoryLimit::Size { bytes, changes }) => Some((bytes >> 20, changes)),
            None => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(cut(100, 1000, false), None);
        assert_eq!(cut(101, 11_000, false), None, "the next changes drop it");
        assert_eq!(cut(102, 5, false), Some((100, 1000)));
        assert_eq!(cut(5, 11_001, false), Some((100, 1000)));
        assert_eq!(cut(0, 0, true), None);
        assert_eq!(cut(60, 5, true), Some((30, 1000)));
        assert_eq!(cut(400, 5, true), Some((100, 1000)));
        assert_eq!(cut(0, 5, true), Some((0, 1000)), "little is dropped as a whole");
    }
}
