//! From a request to the operation that carries it out.

use std::sync::Arc;

use coffee_common::{
    command::{Batch, Command},
    id::{ClusterId, RequestId, Revision},
    protocol::{Consistency, LogLevel, Rejection, Request, RequestFrame, Response},
};
use tokio::time::Instant;

use super::{
    Api,
    access::{self, Caller},
    answer::Reply,
    connection::Shared,
    read::{self, Read},
};
use crate::{
    node::{Node, propose::propose, replica::Replica},
    ops::{
        forward::{self, LeaderRequest},
        status,
    },
};

/// Carries out a request for whoever is at the other end of the connection.
pub(super) async fn dispatch(shared: &Shared, ask: RequestFrame, deadline: Instant) -> Reply {
    let RequestFrame { on_behalf_of, request, .. } = ask;
    let caller = match access::admit(shared.connection.peer(), on_behalf_of.as_ref(), &request) {
        Ok(caller) => caller,
        Err(denied) => return Err(denied).into(),
    };
    match &request {
        Request::Get { key, consistency } => serve_read(shared, Read::Key(key), *consistency, deadline).await,
        Request::Range { range, limit, keys_only, consistency } => {
            let read = Read::Range { range, limit: *limit, keys_only: *keys_only };
            serve_read(shared, read, *consistency, deadline).await
        }
        request => operate(&shared.api, &caller, request, deadline).await.into(),
    }
}

async fn serve_read(shared: &Shared, what: Read<'_>, consistency: Consistency, deadline: Instant) -> Reply {
    match read::read(&shared.api.0.reads, &shared.answers, what, consistency, deadline).await {
        Ok((response, share)) => Reply { result: Ok(response), share: Some(share) },
        Err(rejection) => Err(rejection).into(),
    }
}

async fn operate(
    api: &Api,
    caller: &Caller,
    request: &Request,
    deadline: Instant,
) -> Result<Response, Rejection> {
    let (node, reads, membership) = (&api.0.node, &api.0.reads, &api.0.membership);
    match request {
        Request::Ping => Ok(Response::Done { changed: false }),
        Request::Status => Ok(Response::Status(Box::new(status::own(node)))),
        Request::List => Ok(Response::Cluster(Box::new(status::cluster(node).await))),
        Request::Write { request: id, batch } => write(api, caller, request, (*id, batch), deadline).await,
        Request::ReadIndex => reads.read_index(deadline).await.map(Response::ReadIndex),
        Request::StateDigest { cluster, upto } => Ok(Response::StateDigest(mark(node, *cluster, *upto))),
        Request::LogLevel { level } => log_level(node, caller, *level),
        Request::Invite { cluster, members } => membership.invite(*cluster, members),
        Request::ShutDownRemoved { id } => membership.shut_down_removed(*id),
        Request::Reload => node.reload().await.map(|reload| Response::Reloaded(Box::new(reload))),
        Request::Down { node, dry_run: false } => membership.down(node.as_ref(), deadline).await,
        Request::Boot { .. }
        | Request::Transfer { .. }
        | Request::Down { dry_run: true, .. }
        | Request::Remove { .. }
        | Request::CanStop { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. } => {
            membership.on_leader(&leader_request(request, caller, deadline)).await
        }
        Request::Get { .. } | Request::Range { .. } => {
            Err(Rejection::Invalid("reads are served elsewhere".to_owned()))
        }
        Request::Backup { .. } => {
            Err(Rejection::Invalid("a backup has to be the only ask on its stream".to_owned()))
        }
    }
}

/// What the node logs, and what it is to log from now on.
fn log_level(node: &Node, caller: &Caller, level: Option<LogLevel>) -> Result<Response, Rejection> {
    let control = node.log_control().ok_or_else(|| Rejection::Refused {
        reason: format!("not supported here: the program that runs {} has a logger of its own", node.name()),
        hint: "change it there".to_owned(),
    })?;
    let before = control(level);
    let now = control(None);
    if now != before {
        tracing::warn!(from = %before, to = %now, by = %caller.identity.name, "the log level was changed");
    }
    Ok(Response::LogLevel { node: node.name().clone(), level: now, changed: now != before })
}

/// The digest of this node's state behind an entry up to `upto`.
fn mark(node: &Node, cluster: ClusterId, upto: Revision) -> Option<(Revision, u64)> {
    let replica = node.replica().filter(|replica| replica.cluster() == cluster)?;
    replica.state().digest_at(upto).map(|(at, digest)| (at, digest.0))
}

/// What the leader has to do for a caller.
fn leader_request<'a>(request: &'a Request, caller: &'a Caller, deadline: Instant) -> LeaderRequest<'a> {
    let repeatable = matches!(request, Request::CanStop { .. } | Request::Down { dry_run: true, .. });
    LeaderRequest {
        body: request,
        caller: &caller.identity,
        forwarded: caller.forwarded,
        deadline,
        repeatable,
    }
}

/// Has a batch written: here, where this node leads, else at the leader.
async fn write(
    api: &Api,
    caller: &Caller,
    request: &Request,
    (id, batch): (RequestId, &Batch),
    deadline: Instant,
) -> Result<Response, Rejection> {
    batch.check().map_err(|error| Rejection::Invalid(error.to_string()))?;
    let _admitted = api.0.budget.take(batch).ok_or(Rejection::Overloaded)?;
    let metrics = api.0.node.metrics();
    let _counted = metrics.requests.write_bytes_in_flight.hold(batch.bytes());
    let leader_request = leader_request(request, caller, deadline);
    let here = |replica: Arc<Replica>| async move {
        let (command, begun) = (Command::Batch(Arc::new(batch.clone())), Instant::now());
        let outcome = propose(&replica, Some(id), command, deadline).await?;
        metrics.commits.observe_duration(begun.elapsed());
        Ok(Response::Written(outcome))
    };
    forward::on_leader(&api.0.node, &leader_request, here).await
}
