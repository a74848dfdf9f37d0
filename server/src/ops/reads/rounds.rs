//! Rounds that fetch a read index: reads that arrive during one share the next.
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
use openraft::{
    ReadPolicy,
    errors::{LinearizableReadError, RaftError},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    node::{Node, propose::ProposeError, replica::Replica},
    ops::forward::{LeaderRequest, on_leader},
};

/// Time limit of a round, after which another one starts for the reads still waiting.
const ROUND_MAX: Duration = Duration::from_secs(2);

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
    let mut waiting = Vec::new();
    while let Some(first) = arriving.recv().await {
        waiting.push(first);
        while !waiting.is_empty() {
            while let Ok(next) = arriving.try_recv() {
                waiting.push(next);
            }
            let Some(node) = node.upgrade() else { return };
            let result = round(&node).await;
            if let (Err(Rejection::Unavailable(why)), Some(_)) = (&result, node.replica()) {
                tracing::debug!(%why, "no read index available");
                waiting.retain(|waiter| !waiter.is_closed());
            } else {
                settle(&mut waiting, &result);
            }
        }
    }
}

fn settle(waiting: &mut Vec<ReadWaiter>, result: &Result<Revision, Rejection>) {
    for waiter in waiting.drain(..) {
        // The read may have timed out.
        let _ = waiter.send(result.clone());
    }
}

async fn round(node: &Arc<Node>) -> Result<Revision, Rejection> {
    let request = LeaderRequest {
        body: &Request::ReadIndex,
        caller: node.identity(),
        forwarded: false,
        deadline: Instant::now() + ROUND_MAX,
        repeatable: true,
    };
    match on_leader(node, &request, draw).await? {
        Response::ReadIndex(index) => Ok(index),
        _ => Err(Rejection::Unavailable("the leader sent an unexpected response".to_owned())),
    }
}

/// Gets a read index locally, as the leader.
async fn draw(replica: Arc<Replica>) -> Result<Response, ProposeError> {
    match replica.raft().get_read_linearizer(ReadPolicy::ReadIndex).await {
        Ok(linearizer) => Ok(Response::ReadIndex(Revision(linearizer.read_log_id().index()))),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => {
            Err(ProposeError::NotApplied("this node is no longer the leader".to_owned()))
        }
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
            Err(ProposeError::NotApplied("too few voters are reachable".to_owned()))
        }
        Err(RaftError::Fatal(_)) => Err(ProposeError::NotApplied("this node is stopping".to_owned())),
    }
}
