//! Drops a part of the history, on the leader.

use coffee_common::{
    command::{Command, Outcome},
    feature_level::HISTORY,
    history_limit::HistoryLimit,
    id::Revision,
    protocol::{Rejection, Response},
};

use super::Leading;
use crate::{
    node::propose::{ProposeError, needs_level, propose},
    ops::reads::is_reached,
};

impl Leading {
    /// Drops the history up to a revision. Idempotent.
    pub(super) async fn compact_history(&self, upto: Revision) -> Result<Response, ProposeError> {
        let state = self.replica.state();
        needs_level(HISTORY, state.level())?;
        is_reached(upto, state.applied())?;
        let before = state.metrics().history_floor.get();
        loop {
            let command = Command::CompactHistory(HistoryLimit::Upto(upto));
            let outcome = propose(&self.replica, None, command, self.deadline).await;
            match self.progress.step(outcome)? {
                Outcome::HistoryCompacted { done: false, .. } => {}
                Outcome::HistoryCompacted { floor, done: true } => {
                    let changed = floor.0 > before;
                    if changed {
                        tracing::info!(%floor, before, "the history is compacted");
                    }
                    return Ok(Response::Compacted { floor, changed });
                }
                other => {
                    return Err(Rejection::Unknown(format!("an unexpected outcome: {other}")).into());
                }
            }
        }
    }
}
