//! Drops a part of the history, on the leader.

use coffee_common::{feature_level::HISTORY, history_limit::HistoryLimit, id::Revision, protocol::Response};

use super::Leading;
use crate::{
    node::propose::{ProposeError, needs_level},
    ops::{history::compact, reads::is_reached},
};

impl Leading {
    /// Drops the history up to a revision. Idempotent.
    pub(super) async fn compact_history(&self, upto: Revision) -> Result<Response, ProposeError> {
        let state = self.replica.state();
        needs_level(HISTORY, state.level())?;
        is_reached(upto, state.applied())?;
        let before = state.metrics().history_floor.get();
        let limit = HistoryLimit::Upto(upto);
        let floor = compact(&self.replica, limit, self.deadline, &self.progress).await?;
        let changed = floor.0 > before;
        if changed {
            tracing::info!(%floor, before, "the history is compacted");
        }
        Ok(Response::Compacted { floor, changed })
    }
}
