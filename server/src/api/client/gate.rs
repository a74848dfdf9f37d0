//! Counts what is in flight, and lets nothing more in once it is closed.

use std::sync::Arc;

use tokio::sync::watch;

/// Counts what is in flight. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Default)]
struct State {
    inside: usize,
    closed: bool,
}

/// One that is in flight, until this is dropped.
#[derive(Debug)]
pub(super) struct Pass(Gate);

impl Gate {
    /// Lets one more in; `None` once the gate is closed.
    pub(super) fn enter(&self) -> Option<Pass> {
        let mut entered = false;
        self.0.send_if_modified(|state| {
            entered = !state.closed;
            state.inside += usize::from(entered);
            // Nobody waits for more.
            false
        });
        entered.then(|| Pass(self.clone()))
    }

    /// Lets nobody in any more.
    pub(super) fn close(&self) {
        self.0.send_modify(|state| state.closed = true);
    }

    /// Waits until the gate is closed.
    pub(super) async fn closed(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.closed).await;
    }

    /// Waits until nobody is inside.
    pub(super) async fn drained(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.inside == 0).await;
    }
}

impl Pass {
    /// Another one, for what goes on under the same roof.
    pub(super) fn share(&self) -> Self {
        self.0.0.send_if_modified(|state| {
            state.inside += 1;
            false
        });
        Self(self.0.clone())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|state| {
            state.inside -= 1;
            state.inside == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_drains_once_it_is_closed() {
        let gate = Gate::default();
        let first = gate.enter().expect("open");
        let second = gate.enter().expect("open");
        gate.close();
        assert!(gate.enter().is_none());
        let draining = tokio::spawn({
            let gate = gate.clone();
            async move { gate.drained().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!draining.is_finished());
        drop(second);
        draining.await.expect("drained");
    }
}
