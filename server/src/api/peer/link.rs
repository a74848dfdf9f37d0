//! The connection to one other member, dialled on demand and shared.
//!
//! openraft makes several network instances for a member (replication,
//! heartbeats, votes, snapshots); all share one link, so there is one
//! connection a pair and direction of dialling. One dial at a time, which
//! outlives whoever first asked for it: an RPC's time may be shorter than a
//! handshake.
//!
//! A peer that was killed and came back does not answer on the old connection,
//! and QUIC would notice only at its idle timeout. So a link feels the pulse
//! of its connection, and closes one that is silent; the next RPC dials anew.

use std::{
    collections::HashMap,
    mem::{self, Discriminant},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::{
    id::NodeId,
    quic::{ConnectError, Connection, Endpoint, Expect, Liveness, Protocol},
};
use openraft::type_config::TypeConfigExt;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::raft_types::{Member, TypeConfig};

/// How long a dial may take. QUIC sends its first packet again after 0.3 and
/// 0.9 s, then ever more rarely: a new dial finds a peer that is back sooner.
const DIAL_WITHIN: Duration = Duration::from_millis(1500);

/// After a dial that reached nobody, the next one waits this long.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);

/// After a dial to somebody who is not whom we mean, or does not speak with
/// us, the next one waits this long: that mends itself only by an operator.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// How often a connection is looked at for silence.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A connection that has been silent for this long, or for four round trips,
/// is given up.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// How a dial ended.
type Dialled = Result<Connection, ConnectError>;

/// A dial under way: `None` until it ends.
type Dial = watch::Receiver<Option<Dialled>>;

/// The links to all members, by node id.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<HashMap<NodeId, Arc<Link>>>);

impl Links {
    /// The link to a member; a new one if its address has changed.
    pub(super) fn to(&self, endpoint: &Endpoint, id: NodeId, member: &Member) -> Arc<Link> {
        let mut links = lock(&self.0);
        match links.get(&id) {
            Some(link) if link.member == *member => Arc::clone(link),
            _ => {
                let link = Arc::new(Link::new(endpoint.clone(), member.clone()));
                links.insert(id, Arc::clone(&link));
                link
            }
        }
    }
}

/// The connection to one member. Dropped with its last user, it closes it.
#[derive(Debug)]
pub(super) struct Link {
    endpoint: Endpoint,
    member: Member,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// What kind of trouble was last told of, if it lasts.
    trouble: Option<Discriminant<ConnectError>>,
}

#[derive(Debug)]
enum State {
    Idle,
    Dialling(Dial),
    Connected(Connection),
    Failed { error: ConnectError, retry_at: Instant },
}

impl Link {
    fn new(endpoint: Endpoint, member: Member) -> Self {
        Self { endpoint, member, inner: Mutex::new(Inner { state: State::Idle, trouble: None }) }
    }

    /// Whom it leads to.
    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    /// The connection, dialled if need be.
    pub(super) async fn connection(self: &Arc<Self>) -> Dialled {
        let mut dial = self.dial();
        // A dial that is dropped goes down with its runtime.
        let dialled = dial.wait_for(Option::is_some).await.ok().and_then(|dialled| dialled.clone());
        dialled.unwrap_or(Err(ConnectError::EndpointClosed))
    }

    /// Dials if there is no connection, and does not wait for it.
    pub(super) fn warm(self: &Arc<Self>) {
        drop(self.dial());
    }

    /// The dial under way, or what became of the last one, or a new one.
    fn dial(self: &Arc<Self>) -> Dial {
        let mut inner = lock(&self.inner);
        match &inner.state {
            State::Dialling(dial) => return dial.clone(),
            State::Connected(connection) if !connection.is_closed() => {
                return watch::channel(Some(Ok(connection.clone()))).1;
            }
            State::Failed { error, retry_at } if Instant::now() < *retry_at => {
                return watch::channel(Some(Err(error.clone()))).1;
            }
            State::Idle | State::Connected(_) | State::Failed { .. } => {}
        }
        let (done, dial) = watch::channel(None);
        inner.state = State::Dialling(dial.clone());
        let link = Arc::clone(self);
        // Nobody joins it: it ends by itself, within a bounded time.
        drop(TypeConfig::spawn(async move {
            let dialled = link.reach().await;
            link.settle(&dialled);
            drop(link);
            if let Ok(connection) = &dialled {
                drop(TypeConfig::spawn(close_when_silent(connection.clone())));
            }
            // Fails only if nobody waits any more.
            let _ = done.send(Some(dialled));
        }));
        dial
    }

    async fn reach(&self) -> Dialled {
        let expect = Expect::Node(self.member.name.clone());
        let address = &self.member.address;
        match timeout(DIAL_WITHIN, self.endpoint.connect(address, &expect, Protocol::Peer)).await {
            Ok(dialled) => dialled,
            Err(_) => {
                let cause = "no answer in time".to_owned();
                Err(ConnectError::Unreachable { address: address.to_string(), cause })
            }
        }
    }

    /// Takes note of how a dial ended, and tells of it if that is news.
    fn settle(&self, dialled: &Dialled) {
        let trouble = dialled.as_ref().err().map(mem::discriminant);
        let before = {
            let mut inner = lock(&self.inner);
            inner.state = match dialled {
                Ok(connection) => State::Connected(connection.clone()),
                Err(error) => {
                    State::Failed { error: error.clone(), retry_at: Instant::now() + pause_after(error) }
                }
            };
            mem::replace(&mut inner.trouble, trouble)
        };
        let member = &self.member;
        match dialled {
            Ok(_) if before.is_some() => tracing::info!(peer = %member, "a peer is in reach again"),
            Ok(_) => tracing::debug!(peer = %member, "connected to a peer"),
            Err(ConnectError::EndpointClosed) => {}
            Err(error) if before != trouble => {
                tracing::warn!(peer = %member, %error, hint = error.hint(), "cannot connect to a peer");
            }
            Err(error) => tracing::debug!(peer = %member, %error, "cannot connect to a peer"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let State::Connected(connection) = &lock(&self.inner).state {
            connection.close("no longer needed");
        }
    }
}

fn pause_after(error: &ConnectError) -> Duration {
    match error {
        ConnectError::Identity { .. } | ConnectError::Protocol { .. } => REFUSED_PAUSE,
        ConnectError::Unreachable { .. } | ConnectError::Busy { .. } | ConnectError::EndpointClosed => {
            REDIAL_PAUSE
        }
    }
}

/// Watches over a connection until it ends, and ends it when packets go and none come.
async fn close_when_silent(connection: Connection) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut liveness = Liveness::new(connection.packets(), Instant::now());
    loop {
        tokio::select! {
            _ = connection.closed() => return,
            _ = looks.tick() => {}
        }
        let silent_for = liveness.observe(connection.packets(), Instant::now());
        if silent_for > SILENCE_MAX.max(4 * connection.rtt()) {
            tracing::debug!(peer = %connection.peer().name, ?silent_for, "a peer is silent: closed");
            connection.close("no sign of life");
            return;
        }
    }
}

/// Nothing panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
