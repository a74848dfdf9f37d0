//! Counts the requests in flight, and admits none once it is closed.

use std::sync::Arc;

use tokio::sync::watch;

/// The number of requests in flight. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct InFlight(Arc<watch::Sender<InFlightState>>);

#[derive(Debug, Default)]
struct InFlightState {
    count: usize,
    closed: bool,
}

/// A request in flight, until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlightGuard(InFlight);

impl InFlight {
    /// Counts one more request. Returns `None` once this is closed.
    pub(crate) fn enter(&self) -> Option<InFlightGuard> {
        let mut entered = false;
        self.0.send_if_modified(|state| {
            entered = !state.closed;
            state.count += usize::from(entered);
            // No task waits for a higher count.
            false
        });
        entered.then(|| InFlightGuard(self.clone()))
    }

    /// Admits no more requests.
    pub(crate) fn close(&self) {
        self.0.send_modify(|state| state.closed = true);
    }

    /// Waits until this is closed.
    pub(crate) async fn closed(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.closed).await;
    }

    /// Waits until no request is in flight.
    pub(crate) async fn drained(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.count == 0).await;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|state| {
            state.count -= 1;
            state.count == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_drains_once_it_is_closed() {
        let in_flight = InFlight::default();
        let first = in_flight.enter().expect("open");
        let second = in_flight.enter().expect("open");
        in_flight.close();
        assert!(in_flight.enter().is_none());
        let draining = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.drained().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!draining.is_finished());
        drop(second);
        draining.await.expect("drained");
    }
}
