//! The page of a node, and its events for browsers.
//!
//! Guards that the page is rendered at most once a second, and only while it is looked at.

use std::{sync::Arc, time::Duration};

use coffee_common::{
    clock,
    protocol::{ClusterView, NodeEvent, NodeEventKind},
    quic::Protocol,
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use super::{
    cached_view::CachedView,
    document::RenderedPage,
    parts::{NodeFacts, PageData},
};
use crate::node::{Node, VERSION};

/// The most viewers with a stream of events.
const VIEWERS_MAX: usize = 24;

/// The time between two looks for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A younger page is shown again. Less than [`LOOK_EVERY`], so that each viewer's look finds a new one.
const SHOWN_MAX: Duration = Duration::from_millis(900);

/// A stream ends after this time, and the browser asks for the next one: the viewer may be gone without a word.
const STREAM_MAX: Duration = Duration::from_secs(300);

/// The browser returns after this time.
const RETRY: &str = "retry: 1000\n\n";

/// The events that are shown. Acts and denials are not among them: they name clients and what these asked
/// for, and the monitoring port is for anyone who reaches it.
const SHOWN_EVENTS: [NodeEventKind; 19] = [
    NodeEventKind::Start,
    NodeEventKind::Stop,
    NodeEventKind::Open,
    NodeEventKind::Election,
    NodeEventKind::Leads,
    NodeEventKind::LeadsNoLonger,
    NodeEventKind::Follows,
    NodeEventKind::NoLeader,
    NodeEventKind::LeaderBack,
    NodeEventKind::QuorumLost,
    NodeEventKind::QuorumBack,
    NodeEventKind::Transfer,
    NodeEventKind::Joined,
    NodeEventKind::Removed,
    NodeEventKind::Moved,
    NodeEventKind::Level,
    NodeEventKind::PeerLost,
    NodeEventKind::PeerStops,
    NodeEventKind::PeerBack,
];

/// The most events that are shown.
const EVENTS_SHOWN_MAX: usize = 20;

/// The status page of a node.
pub struct StatusPage {
    node: Arc<Node>,
    view: CachedView,
    rendered: Mutex<Option<(Instant, Arc<RenderedPage>)>>,
    viewers: Arc<Semaphore>,
}

/// A viewer's stream.
struct PageStream {
    page: Arc<StatusPage>,
    looks: Interval,
    until: Instant,
    shown: Option<Arc<RenderedPage>>,
    _place: OwnedSemaphorePermit,
}

impl StatusPage {
    /// Creates the page of a node. Costs nothing until it is looked at.
    pub fn new(node: Arc<Node>) -> Self {
        let view = CachedView::new(Arc::clone(&node));
        Self { node, view, rendered: Mutex::default(), viewers: Arc::new(Semaphore::new(VIEWERS_MAX)) }
    }

    /// Returns the page as HTML.
    pub async fn document(&self) -> String {
        self.current().await.document()
    }

    /// Returns server-sent events, each with the parts of the page that have changed; `None` if there are
    /// too many viewers.
    pub fn events(self: &Arc<Self>) -> Option<BoxStream<'static, String>> {
        let place = Arc::clone(&self.viewers).try_acquire_owned().ok()?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let until = Instant::now() + STREAM_MAX;
        let viewer = PageStream { page: Arc::clone(self), looks, until, shown: None, _place: place };
        let changes = stream::unfold(viewer, |mut viewer: PageStream| async move {
            Some((viewer.next_change().await?, viewer))
        });
        Some(stream::iter([RETRY.to_owned()]).chain(changes).boxed())
    }

    /// Returns the page as of now, at most a second old.
    async fn current(&self) -> Arc<RenderedPage> {
        let mut rendered = self.rendered.lock().await;
        if let Some((at, page)) = &*rendered
            && at.elapsed() < SHOWN_MAX
        {
            return Arc::clone(page);
        }
        let data = page_data(&self.node, self.view.get().await);
        let page = Arc::new(RenderedPage::new(&data));
        *rendered = Some((Instant::now(), Arc::clone(&page)));
        page
    }
}

impl PageStream {
    async fn next_change(&mut self) -> Option<String> {
        loop {
            self.looks.tick().await;
            if Instant::now() >= self.until {
                return None;
            }
            let page = self.page.current().await;
            let changes = page.changes(self.shown.as_deref());
            self.shown = Some(page);
            if changes.is_some() {
                return changes;
            }
        }
    }
}

fn page_data(node: &Node, view: Arc<ClusterView>) -> PageData {
    let (metrics, endpoint) = (node.metrics(), node.pool().endpoint());
    let state = node.replica().map(|replica| {
        let state = replica.state().metrics();
        (state.data_bytes.get(), state.history_bytes.get())
    });
    let (data_bytes, history_bytes) = state.unwrap_or_default();
    let last_backup_ms = metrics.last_backup_ms.get();
    PageData {
        now_ms: clock::now_ms(),
        view,
        samples: metrics.activity.read(),
        own: NodeFacts {
            version: VERSION,
            uptime_ms: u64::try_from(node.uptime().as_millis()).unwrap_or(u64::MAX),
            watches: metrics.watches.open.get(),
            connections: endpoint.survey().of(Protocol::Client).open,
            connections_max: endpoint.connections_max() as u64,
            requests_in_flight: metrics.requests.in_flight.get(),
            data_bytes,
            data_bytes_max: node.settings().data_bytes_max,
            history_bytes,
            last_backup_ms: (last_backup_ms > 0).then_some(last_backup_ms),
        },
        events: shown(node.events().read(0, 0, false)),
    }
}

/// Returns the last events of leaders and members.
fn shown(mut events: Vec<NodeEvent>) -> Vec<NodeEvent> {
    events.retain(|event| SHOWN_EVENTS.iter().any(|kind| kind.as_str() == event.kind));
    let more = events.len().saturating_sub(EVENTS_SHOWN_MAX);
    events.split_off(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_events_of_leaders_and_members_are_shown() {
        let event = |number: u64| NodeEvent {
            number,
            at_ms: number,
            kind: if number.is_multiple_of(2) { NodeEventKind::Follows } else { NodeEventKind::Act }
                .as_str()
                .to_owned(),
            subject: "ming".to_owned(),
            term: Some(1),
            text: "follows ming".to_owned(),
            count: 1,
            first_ms: number,
        };
        let numbers: Vec<u64> =
            shown((0..100).map(event).collect()).iter().map(|event| event.number).collect();
        assert_eq!(numbers, (60..100).step_by(2).collect::<Vec<_>>());
    }
}
