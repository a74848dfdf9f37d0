//! Rounds that fetch a read index: reads that arrive before the next one starts share it.
//!
//! Guards that a read index is fetched after the read that uses it began: a round
//! serves only the reads that arrived before it started.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use coffee_common::{
    id::Revision,
    protocol::{Rejection, Request, Response},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    node::{
        Node,
        propose::ProposeError,
        read_index::{ReadIndexError, read_index},
        replica::Replica,
    },
    ops::forward::{LeaderRequest, on_leader},
};

/// Time limit of a round, after which another one starts for the reads still waiting.
const ROUND_MAX: Duration = Duration::from_secs(2);

/// The rounds that are under way at once, about. A read waits for the next one for a small part
/// of a round trip, and many reads share each.
const ROUNDS_AT_ONCE: u32 = 16;

/// The shortest time between the starts of two rounds that overlap.
const STAGGER_MIN: Duration = Duration::from_millis(1);

type ReadWaiter = oneshot::Sender<Result<Revision, Rejection>>;

/// The queue of reads that wait for an index. Cheap to clone; its task ends with
/// the last clone.
#[derive(Clone)]
pub(super) struct ReadIndexRounds {
    waiters: mpsc::UnboundedSender<ReadWaiter>,
}

impl ReadIndexRounds {
    pub(super) fn start(node: Weak<Node>) -> Self {
        let (waiters, arriving) = mpsc::unbounded_channel();
        tokio::spawn(run(node, arriving));
        Self { waiters }
    }

    /// Waits for an index that is fetched after this call.
    pub(super) async fn join(&self, deadline: Instant) -> Result<Revision, Rejection> {
        let (waiter, answer) = oneshot::channel();
        let stopped = || Rejection::Unavailable("this node is stopping".to_owned());
        self.waiters.send(waiter).map_err(|_| stopped())?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(Rejection::Unavailable(
                "no quorum confirmed the leader in time: too few voters are up, or an election is under way"
                    .to_owned(),
            )),
        }
    }
}

async fn run(node: Weak<Node>, mut arriving: mpsc::UnboundedReceiver<ReadWaiter>) {
    let mut waiting: Vec<ReadWaiter> = Vec::new();
    let mut rounds = FuturesUnordered::new();
    let mut start_at = Instant::now();
    let mut last = Duration::ZERO;
    loop {
        if !waiting.is_empty() && (rounds.is_empty() || Instant::now() >= start_at) {
            while let Ok(next) = arriving.try_recv() {
                waiting.push(next);
            }
            let Some(node) = node.upgrade() else { return };
            let (began, waiters) = (Instant::now(), std::mem::take(&mut waiting));
            start_at = began + (last / ROUNDS_AT_ONCE).max(STAGGER_MIN);
            rounds.push(async move {
                let result = round(&node).await;
                let is_final = is_final(&node, &result);
                (waiters, result, is_final, began.elapsed())
            });
            continue;
        }
        tokio::select! {
            arrived = arriving.recv() => match arrived {
                Some(waiter) => waiting.push(waiter),
                None => return,
            },
            Some((waiters, result, is_final, took)) = rounds.next() => {
                last = took;
                if is_final {
                    settle(waiters, &result);
                } else {
                    waiting.extend(waiters.into_iter().filter(|waiter| !waiter.is_closed()));
                }
            }
            () = sleep_until(start_at), if !waiting.is_empty() => {}
        }
    }
}

/// Whether the reads of a round get its result. They wait for the next round while there is
/// no leader, but not at a leader that is cut off: another one may be elected elsewhere.
fn is_final(node: &Node, result: &Result<Revision, Rejection>) -> bool {
    match (result, node.replica()) {
        (Err(Rejection::Unavailable(why)), Some(replica)) => {
            tracing::debug!(%why, "no read index available");
            replica.leads() && *replica.quorum_lost().borrow()
        }
        _ => true,
    }
}

fn settle(waiters: Vec<ReadWaiter>, result: &Result<Revision, Rejection>) {
    for waiter in waiters {
        // The read may have timed out.
        let _ = waiter.send(result.clone());
    }
}

async fn round(node: &Arc<Node>) -> Result<Revision, Rejection> {
    let request = LeaderRequest {
        body: &Request::ReadIndex,
        caller: node.identity().into(),
        forwarded: false,
        deadline: Instant::now() + ROUND_MAX,
        repeatable: true,
        answered_elsewhere: Default::default(),
    };
    let draw = async |replica: Arc<Replica>| draw(&replica, node.lease()).await;
    match on_leader(node, &request, draw).await? {
        Response::ReadIndex(index) => Ok(index),
        _ => Err(Rejection::Unavailable("the leader sent an unexpected response".to_owned())),
    }
}

/// Gets a read index locally, as the leader.
async fn draw(replica: &Replica, lease: Duration) -> Result<Response, ProposeError> {
    match read_index(replica, lease).await {
        Ok(index) => Ok(Response::ReadIndex(index)),
        // Not worth a retry here: another node may lead by now.
        Err(error @ ReadIndexError::NoQuorum) if *replica.quorum_lost().borrow() => {
            Err(Rejection::Unavailable(error.to_string()).into())
        }
        Err(error) => Err(ProposeError::NotApplied(error.to_string())),
    }
}
