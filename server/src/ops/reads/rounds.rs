//! ReadIndexRounds of read indexes: whoever comes while one is under way shares the next.
//!
//! Guards that a read index was drawn after the read that uses it began: a
//! round serves those alone who were there before it started.

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

/// A round takes so long at most, before it is begun anew for those who still wait.
const ROUND_MAX: Duration = Duration::from_secs(2);

type Waiter = oneshot::Sender<Result<Revision, Rejection>>;

/// Where reads wait for their index. Cheap to clone; ends with the last clone.
#[derive(Clone)]
pub(super) struct ReadIndexRounds {
    waiters: mpsc::UnboundedSender<Waiter>,
}

impl ReadIndexRounds {
    pub(super) fn start(node: Weak<Node>) -> Self {
        let (waiters, arriving) = mpsc::unbounded_channel();
        tokio::spawn(run(node, arriving));
        Self { waiters }
    }

    /// Waits for an index that is drawn from now on.
    pub(super) async fn join(&self, deadline: Instant) -> Result<Revision, Rejection> {
        let (waiter, answer) = oneshot::channel();
        let stopped = || Rejection::Unavailable("this node is stopping".to_owned());
        self.waiters.send(waiter).map_err(|_| stopped())?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(Rejection::Unavailable(
                "no quorum confirmed in time who leads: too few voters are up, or an election is under way"
                    .to_owned(),
            )),
        }
    }
}

async fn run(node: Weak<Node>, mut arriving: mpsc::UnboundedReceiver<Waiter>) {
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
                tracing::debug!(%why, "no read index was to be had");
                waiting.retain(|waiter| !waiter.is_closed());
            } else {
                settle(&mut waiting, &result);
            }
        }
    }
}

fn settle(waiting: &mut Vec<Waiter>, result: &Result<Revision, Rejection>) {
    for waiter in waiting.drain(..) {
        // Some do not wait any more.
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
        _ => Err(Rejection::Unavailable("the leader answered something else".to_owned())),
    }
}

/// Draws an index here, where this node leads.
async fn draw(replica: Arc<Replica>) -> Result<Response, ProposeError> {
    match replica.raft().get_read_linearizer(ReadPolicy::ReadIndex).await {
        Ok(linearizer) => Ok(Response::ReadIndex(Revision(linearizer.read_log_id().index()))),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_))) => {
            Err(ProposeError::NotApplied("this node leads no more".to_owned()))
        }
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
            Err(ProposeError::NotApplied("too few voters are in reach".to_owned()))
        }
        Err(RaftError::Fatal(_)) => Err(ProposeError::NotApplied("this node is stopping".to_owned())),
    }
}
