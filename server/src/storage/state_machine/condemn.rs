//! Marking a state as unusable for good.

use std::{io, sync::Arc};

use coffee_common::id::Revision;

use super::shared_state::SharedState;
use crate::{
    kv::{self, KvError, MetaKey},
    storage::state::StateErrorKind,
};

impl SharedState {
    /// Marks the state as unusable, durably, and poisons the storage.
    pub(super) async fn condemn(self: &Arc<Self>, at: Revision) {
        let (shared, lock) = (self.clone(), self.write_lock().await);
        let condemn = move || {
            let noted = note_differs(shared.database().redb(), at);
            drop(lock);
            noted.map_err(io::Error::other)
        };
        if let Err(error) = self.offload().run(condemn).await {
            tracing::error!(%error, "cannot mark the state as unusable");
        }
        self.database().fail(StateErrorKind::Differs { at: at.0 });
    }
}

fn note_differs(redb: &redb::Database, at: Revision) -> Result<(), KvError> {
    let mut txn = redb.begin_write()?;
    txn.set_quick_repair(true);
    kv::note_meta(&txn, MetaKey::Differs, &at.0.to_le_bytes())?;
    Ok(txn.commit()?)
}
