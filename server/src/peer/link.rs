//! The connection to one other member, dialled on demand and shared.
//!
//! openraft makes several network instances for a member (replication,
//! heartbeats, votes, snapshots); all share one link, so there is one
//! connection a pair. One dial at a time, which outlives whoever first asked
//! for it: an RPC's time may be shorter than a handshake.
//!
//! A peer that was killed and came back does not answer on the old connection,
//! and QUIC would notice only at its idle timeout. So a link that has timed
//! out and heard nothing for a while drops its connection and dials anew.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use coffee_common::{
    id::NodeId,
    quic::{Connection, Endpoint, Expect, Protocol},
};
use tokio::{sync::watch, time::Instant};

use crate::types::Member;

/// A connection that timed out and was silent for this long is given up.
const SILENCE_MAX: Duration = Duration::from_millis(250);

/// After a dial that failed, the next one waits this long.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);

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

/// The connection to one member.
#[derive(Debug)]
pub(super) struct Link {
    endpoint: Endpoint,
    member: Member,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Idle,
    Dialling(watch::Receiver<Option<Result<Connection, String>>>),
    Connected { connection: Connection, heard: Instant },
    Failed { at: Instant, why: String },
}

impl Link {
    fn new(endpoint: Endpoint, member: Member) -> Self {
        Self { endpoint, member, state: Mutex::new(State::Idle) }
    }

    /// The connection, dialled if need be.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub(super) async fn connection(self: &Arc<Self>) -> Result<Connection, String> {
        let mut dial = match self.current()? {
            Ok(connection) => return Ok(connection),
            Err(dial) => dial,
        };
        let dialled = dial.wait_for(Option::is_some).await.map(|result| result.clone());
        match dialled {
            Ok(Some(result)) => result,
            _ => Err("the dial was given up".to_owned()),
        }
    }

    /// A connection that is there, or the dial that is to bring it.
    #[expect(clippy::type_complexity, reason = "told apart at the one place of use")]
    fn current(
        self: &Arc<Self>,
    ) -> Result<Result<Connection, watch::Receiver<Option<Result<Connection, String>>>>, String> {
        let mut state = lock(&self.state);
        match &*state {
            State::Connected { connection, .. } if !connection.is_closed() => {
                return Ok(Ok(connection.clone()));
            }
            State::Dialling(dial) => return Ok(Err(dial.clone())),
            State::Failed { at, why } if at.elapsed() < REDIAL_PAUSE => return Err(why.clone()),
            State::Idle | State::Connected { .. } | State::Failed { .. } => {}
        }
        let (done, dial) = watch::channel(None);
        *state = State::Dialling(dial.clone());
        tokio::spawn(Arc::clone(self).dial(done));
        Ok(Err(dial))
    }

    async fn dial(self: Arc<Self>, done: watch::Sender<Option<Result<Connection, String>>>) {
        let expect = Expect::Node(self.member.name.clone());
        let result = self.endpoint.connect(&self.member.address, &expect, Protocol::Peer).await;
        let result = result.map_err(|error| error.to_string());
        *lock(&self.state) = match &result {
            Ok(connection) => {
                tracing::debug!(peer = %self.member, "connected");
                State::Connected { connection: connection.clone(), heard: Instant::now() }
            }
            Err(why) => {
                tracing::debug!(peer = %self.member, %why, "cannot connect");
                State::Failed { at: Instant::now(), why: why.clone() }
            }
        };
        let _ = done.send(Some(result));
    }

    /// Notes that the peer has answered.
    pub(super) fn heard(&self) {
        if let State::Connected { heard, .. } = &mut *lock(&self.state) {
            *heard = Instant::now();
        }
    }

    /// Notes that the peer did not answer in time.
    pub(super) fn timed_out(&self) {
        let mut state = lock(&self.state);
        if let State::Connected { connection, heard } = &*state
            && heard.elapsed() > SILENCE_MAX
        {
            tracing::debug!(peer = %self.member, "no answer: connecting anew");
            connection.close("no answer");
            *state = State::Idle;
        }
    }
}

/// Nothing panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
