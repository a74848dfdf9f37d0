//! The view of the cluster that all viewers share.
//!
//! Guards that the other nodes are asked only while a page is looked at, and at a pace that does not depend
//! on the number of viewers; and that a node which does not answer delays no page but the first.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use coffee_common::protocol::ClusterView;
use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{node::Node, ops::status};

/// An older view is replaced.
const FRESH: Duration = Duration::from_secs(2);

/// An older view is not shown.
const SHOWN_MAX: Duration = Duration::from_secs(10);

type SeenView = Option<(Instant, Arc<ClusterView>)>;

/// The last view.
pub(super) struct CachedView {
    node: Arc<Node>,
    last: watch::Sender<SeenView>,
    /// At most one; aborted with this.
    asking: Mutex<JoinSet<()>>,
}

impl CachedView {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, last: watch::Sender::new(None), asking: Mutex::default() }
    }

    /// Returns the view. Waits for the other nodes only if there is none that can be shown.
    pub(super) async fn get(&self) -> Arc<ClusterView> {
        let mut last = self.last.subscribe();
        loop {
            let seen = last.borrow_and_update().clone();
            if seen.as_ref().is_none_or(|(at, _)| at.elapsed() >= FRESH) {
                self.ask();
            }
            if let Some((at, view)) = seen
                && at.elapsed() < SHOWN_MAX
            {
                return view;
            }
            // The sender is in `self`, so this cannot fail.
            let _ = last.changed().await;
        }
    }

    fn ask(&self) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        while asking.try_join_next().is_some() {}
        if asking.is_empty() {
            let (node, last) = (Arc::clone(&self.node), self.last.clone());
            asking.spawn(async move {
                let view = status::cluster(&node).await;
                last.send_replace(Some((Instant::now(), Arc::new(view))));
            });
        }
    }
}
