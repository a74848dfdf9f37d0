//! The connection to one other member, dialled on demand and shared.
//!
//! openraft creates several network clients per member (replication, heartbeats, votes, snapshots).
//! They share one link, so there is one connection per pair and direction of dialling. One dial
//! runs at a time, and it outlives its first caller: the timeout of an RPC may be shorter than a
//! handshake.
//!
//! A peer that was killed and restarted does not answer on the old connection, and QUIC notices
//! only at its idle timeout. So a link probes its connection, and closes it when it is silent. The
//! next RPC dials again.

use std::{
    mem::{self, Discriminant},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use coffee_common::{
    id::{Address, NodeName},
    protocol::NodeEventKind,
    quic::{ConnectError, Connection, Disconnect, Endpoint, Expect, Liveness, Protocol},
};
use openraft::type_config::TypeConfigExt;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::{
    metrics::{LogThrottle, if_any},
    node::event_log::EventLog,
    raft_types::{Member, TypeConfig},
};

/// The timeout of a dial. QUIC resends its first packet after 0.3 and 0.9 s, then ever more rarely:
/// a new dial finds a restarted peer sooner.
const DIAL_TIMEOUT: Duration = Duration::from_millis(1500);

/// The pause after a dial to an unreachable peer.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);

/// The pause after a dial that another node answered, or that the peer rejected. It takes an
/// operator to fix this.
const REJECTED_PAUSE: Duration = Duration::from_secs(1);

/// The interval between two checks of a connection for silence.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A connection is closed after this much silence, or four round trips if that is longer.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// How long a peer that has announced its stop may be away before that is worth a warning.
const AWAY_MAX: Duration = Duration::from_secs(10);

/// Log lines about a peer at once, and the interval of one more: a peer that closes each connection
/// at once must not fill the log. A line that the peer is back may come on top of each.
const LINES: u32 = 10;
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// Why a connection to a former address of a peer is closed.
const MOVED: &str = "this peer has another address now";

/// The result of a dial.
type DialResult = Result<Connection, ConnectError>;

/// A dial in progress: `None` until it ends.
type PeerDial = watch::Receiver<Option<DialResult>>;

/// The connection to one member. It is closed when its last user drops the link.
#[derive(Debug)]
pub(super) struct PeerLink {
    endpoint: Endpoint,
    name: NodeName,
    events: EventLog,
    inner: Mutex<LinkInner>,
}

#[derive(Debug)]
struct LinkInner {
    /// The member's address in the membership.
    address: Address,
    /// Where the member itself says that it is, if the membership does not say so yet.
    heard: Option<Address>,
    /// The number of dials, which take turns if there are two addresses.
    dials: usize,
    state: LinkState,
    /// The kind of the last error that was logged, while it persists.
    logged_error: Option<Discriminant<ConnectError>>,
    /// Until when the peer may be away, since it has announced its stop.
    away_until: Option<Instant>,
    lines: LogThrottle,
    /// Whether the last line that was logged says that the peer is away.
    says_away: bool,
}

#[derive(Debug)]
enum LinkState {
    Idle,
    Dialling(PeerDial),
    Connected(Connection),
    Failed { error: ConnectError, retry_at: Instant },
}

impl PeerLink {
    pub(super) fn new(endpoint: Endpoint, Member { name, address }: Member, events: EventLog) -> Self {
        let inner = LinkInner {
            address,
            heard: None,
            dials: 0,
            state: LinkState::Idle,
            logged_error: None,
            away_until: None,
            lines: LogThrottle::new(LINES, LINE_INTERVAL),
            says_away: false,
        };
        Self { endpoint, name, events, inner: Mutex::new(inner) }
    }

    /// Returns the name of the member at the other end.
    pub(super) fn name(&self) -> &NodeName {
        &self.name
    }

    /// Sets the member's address in the membership.
    pub(super) fn lead_to(&self, address: &Address) {
        let mut inner = lock(&self.inner);
        if inner.address == *address {
            return;
        }
        inner.address = address.clone();
        // The membership is the later word, or the same one.
        let known = inner.heard.take().is_some_and(|heard| heard == *address);
        if !known {
            inner.disconnect();
        }
    }

    /// Notes where the member itself says that it is; `None` if it says no longer that it is
    /// anywhere else than in the membership.
    pub(super) fn hear(&self, address: Option<&Address>) {
        let mut inner = lock(&self.inner);
        let heard = address.filter(|heard| **heard != inner.address).cloned();
        if inner.heard != heard {
            inner.heard = heard;
            inner.dials = 0;
            // A live connection stays: the member says only where it can be reached as well.
            if let LinkState::Failed { .. } = inner.state {
                inner.state = LinkState::Idle;
            }
        }
    }

    /// Returns the connection, and dials if there is none.
    pub(super) async fn connection(self: &Arc<Self>) -> DialResult {
        let mut dial = self.dial();
        // A dial is dropped only with its runtime.
        let dialled = dial.wait_for(Option::is_some).await.ok().and_then(|dialled| dialled.clone());
        dialled.unwrap_or(Err(ConnectError::EndpointClosed))
    }

    /// Dials if there is no connection. Does not wait for it.
    pub(super) fn warm(self: &Arc<Self>) {
        drop(self.dial());
    }

    /// Returns the dial in progress, or the result of the last one, or starts a new one.
    fn dial(self: &Arc<Self>) -> PeerDial {
        let mut inner = lock(&self.inner);
        match &inner.state {
            LinkState::Dialling(dial) => return dial.clone(),
            LinkState::Connected(connection) if !connection.is_closed() => {
                return watch::channel(Some(Ok(connection.clone()))).1;
            }
            LinkState::Failed { error, retry_at } if Instant::now() < *retry_at => {
                return watch::channel(Some(Err(error.clone()))).1;
            }
            LinkState::Idle | LinkState::Connected(_) | LinkState::Failed { .. } => {}
        }
        let (done, dial) = watch::channel(None);
        inner.state = LinkState::Dialling(dial.clone());
        let address = inner.next_address();
        let link = Arc::clone(self);
        // Detached: it ends within a bounded time.
        drop(TypeConfig::spawn(async move {
            let dialled = link.connect(&address).await;
            link.finish_dial(&address, &dialled);
            if let Ok(connection) = &dialled {
                drop(TypeConfig::spawn(watch(connection.clone(), Arc::downgrade(&link))));
            }
            drop(link);
            // Fails only if no caller waits any more.
            let _ = done.send(Some(dialled));
        }));
        dial
    }

    async fn connect(&self, address: &Address) -> DialResult {
        let expect = Expect::Node(self.name.clone());
        match timeout(DIAL_TIMEOUT, self.endpoint.connect(address, &expect, Protocol::Peer)).await {
            Ok(dialled) => dialled,
            Err(_) => {
                let cause = "no response in time".to_owned();
                Err(ConnectError::Unreachable { address: address.to_string(), cause })
            }
        }
    }

    /// Records the result of a dial, and logs it if it differs from the last one.
    fn finish_dial(&self, address: &Address, dialled: &DialResult) {
        let kind = dialled.as_ref().err().map(mem::discriminant);
        // One that stops tells the nodes that it is connected to; this one only now.
        if matches!(dialled, Err(ConnectError::Busy { .. })) && self.is_news(kind) {
            self.goes_away("peer accepts no connection now");
        }
        let (before, was_away) = {
            let mut inner = lock(&self.inner);
            inner.state = match dialled {
                // The member moved in the meantime.
                Ok(connection) if !inner.leads_to(address) => {
                    connection.close(MOVED);
                    LinkState::Idle
                }
                Err(_) if !inner.leads_to(address) => LinkState::Idle,
                Ok(connection) => LinkState::Connected(connection.clone()),
                Err(error) => {
                    LinkState::Failed { error: error.clone(), retry_at: Instant::now() + pause_after(error) }
                }
            };
            if dialled.is_err() && inner.away_until.is_some_and(|until| Instant::now() < until) {
                return;
            }
            (mem::replace(&mut inner.logged_error, kind), inner.away_until.take().is_some())
        };
        let peer = format!("{} at {address}", self.name);
        let suppressed = match dialled {
            Err(ConnectError::EndpointClosed) => return,
            Ok(_) if before.is_some() || was_away => self.admit_line(false),
            Err(_) if before != kind => self.admit_line(true),
            _ => None,
        };
        match (dialled, suppressed) {
            (Ok(_), Some(suppressed)) => {
                tracing::info!(%peer, suppressed = if_any(suppressed), "peer reachable again");
                self.record(NodeEventKind::PeerBack, &format!("{peer} is reachable again"));
            }
            (Ok(_), None) => tracing::debug!(%peer, "peer connected"),
            (Err(error), Some(suppressed)) => {
                tracing::warn!(
                    %peer,
                    %error,
                    suppressed = if_any(suppressed),
                    hint = error.hint(),
                    "failed to connect to a peer"
                );
                self.record(NodeEventKind::PeerLost, &format!("cannot connect to {}: {error}", self.name));
            }
            (Err(error), None) => tracing::debug!(%peer, %error, "failed to connect to a peer"),
        }
    }

    /// Adds an event about the member.
    pub(super) fn record(&self, kind: NodeEventKind, text: &str) {
        self.events.record(kind, self.name.as_str(), text);
    }

    /// Returns the number of lines that were left out before this one; `None` if it is one too many.
    /// That the peer is back is never left out after a line that says that it is away.
    fn admit_line(&self, says_away: bool) -> Option<u64> {
        let mut inner = lock(&self.inner);
        let suppressed = match inner.says_away && !says_away {
            true => Some(inner.lines.admit_always(Instant::now())),
            false => inner.lines.admit(Instant::now()),
        };
        if suppressed.is_some() {
            inner.says_away = says_away;
        }
        suppressed
    }

    /// Whether a failed dial is the first of its kind, and the peer has not announced that it goes away.
    fn is_news(&self, kind: Option<Discriminant<ConnectError>>) -> bool {
        let inner = lock(&self.inner);
        inner.away_until.is_none() && inner.logged_error != kind
    }

    /// Records that the peer has announced its stop.
    fn stops(&self) {
        self.goes_away("peer stops");
    }

    /// Records that the peer is expected to be away, and back soon.
    fn goes_away(&self, why: &'static str) {
        lock(&self.inner).away_until = Some(Instant::now() + AWAY_MAX);
        match self.admit_line(true) {
            Some(suppressed) => {
                tracing::info!(peer = %self.name, suppressed = if_any(suppressed), "{why}");
                self.record(NodeEventKind::PeerStops, &format!("{}: {why}", self.name));
            }
            None => tracing::debug!(peer = %self.name, "{why}"),
        }
    }
}

impl LinkInner {
    /// Returns the address to dial: what the member itself says first.
    fn next_address(&mut self) -> Address {
        let dial = self.dials;
        self.dials = dial.wrapping_add(1);
        self.heard.as_ref().filter(|_| dial.is_multiple_of(2)).unwrap_or(&self.address).clone()
    }

    fn leads_to(&self, address: &Address) -> bool {
        self.address == *address || self.heard.as_ref() == Some(address)
    }

    /// Ends the connection to the former address, so that the next RPC dials the present one. A
    /// dial in progress judges at its end.
    fn disconnect(&mut self) {
        match &self.state {
            LinkState::Dialling(_) => return,
            LinkState::Connected(connection) => connection.close(MOVED),
            LinkState::Idle | LinkState::Failed { .. } => {}
        }
        self.state = LinkState::Idle;
    }
}

impl Drop for PeerLink {
    fn drop(&mut self) {
        if let LinkState::Connected(connection) = &lock(&self.inner).state {
            connection.close("no longer needed");
        }
    }
}

fn pause_after(error: &ConnectError) -> Duration {
    match error {
        ConnectError::Identity { .. } | ConnectError::Protocol { .. } => REJECTED_PAUSE,
        ConnectError::Unreachable { .. } | ConnectError::Busy { .. } | ConnectError::EndpointClosed => {
            REDIAL_PAUSE
        }
    }
}

/// Watches a connection until it ends, and closes it if packets are sent but none arrive.
async fn watch(connection: Connection, link: Weak<PeerLink>) {
    let mut checks = interval(CHECK_INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut liveness = Liveness::new(connection.packets(), Instant::now());
    loop {
        tokio::select! {
            end = connection.closed() => {
                if let (Disconnect::Stopping(_), Some(link)) = (end, link.upgrade()) {
                    link.stops();
                }
                return;
            }
            _ = checks.tick() => {}
        }
        let silent_for = liveness.observe(connection.packets(), Instant::now());
        if silent_for > SILENCE_MAX.max(4 * connection.rtt()) {
            tracing::debug!(peer = %connection.peer().name, ?silent_for, "peer silent, connection closed");
            connection.close("peer silent");
            return;
        }
    }
}

#[cfg(test)]
mod tests;

/// Recovers from poisoning: nothing panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
