//! From a request to the operation that carries it out.

use std::sync::Arc;

use coffee_common::{
    command::{Batch, Command},
    id::RequestId,
    protocol::{Ask, Identity, Rejection, Request, Response},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Api, BUDGET_UNIT_BYTES, PROPOSAL_UNITS,
    access::{self, Caller},
};
use crate::{
    forward::{self, Errand},
    propose::propose,
    replica::Replica,
    status,
};

/// Carries out a request for whoever is at the other end of the connection.
pub(super) async fn dispatch(
    api: &Api,
    peer: &Identity,
    ask: Ask,
    deadline: Instant,
) -> Result<Response, Rejection> {
    let Ask { on_behalf_of, request, .. } = ask;
    let caller = access::admit(peer, on_behalf_of.as_ref(), &request)?;
    let (node, reads, membership) = (&api.0.node, &api.0.reads, &api.0.membership);
    match &request {
        Request::Ping => Ok(Response::Done { changed: false }),
        Request::Status => Ok(Response::Status(Box::new(status::own(node)))),
        Request::List => Ok(Response::Cluster(Box::new(status::cluster(node).await))),
        Request::Write { request: id, batch } => write(api, &caller, &request, (*id, batch), deadline).await,
        Request::Get { key, consistency } => reads.get(key, *consistency, deadline).await,
        Request::Range { range, limit, keys_only, consistency } => {
            reads.range((range, *limit, *keys_only), *consistency, deadline).await
        }
        Request::ReadIndex => reads.read_index(deadline).await.map(Response::ReadIndex),
        Request::Summon { cluster, members } => membership.summon(*cluster, members),
        Request::Retire { id } => membership.retire(*id),
        Request::Down { node, dry_run: false } => membership.down(node.as_ref(), deadline).await,
        Request::Boot { .. }
        | Request::Transfer { .. }
        | Request::Down { dry_run: true, .. }
        | Request::Remove { .. }
        | Request::CanStop { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::Expel { .. } => membership.on_leader(&errand(&request, &caller, deadline)).await,
    }
}

/// What the leader has to do for a caller.
fn errand<'a>(request: &'a Request, caller: &'a Caller, deadline: Instant) -> Errand<'a> {
    let repeatable = matches!(request, Request::CanStop { .. } | Request::Down { dry_run: true, .. });
    Errand { request, caller: &caller.identity, forwarded: caller.forwarded, deadline, repeatable }
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
    let _admitted = admit(&api.0.budget, batch)?;
    let errand = errand(request, caller, deadline);
    let here = |replica: Arc<Replica>| async move {
        let command = Command::Batch(batch.clone());
        propose(&replica, Some(id), command, deadline).await.map(Response::Written)
    };
    forward::on_leader(&api.0.node, &errand, here).await
}

/// Takes the batch's share of what may be in flight, until it is dropped.
fn admit(budget: &Arc<Semaphore>, batch: &Batch) -> Result<OwnedSemaphorePermit, Rejection> {
    let units = PROPOSAL_UNITS + batch.bytes() / BUDGET_UNIT_BYTES;
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    Arc::clone(budget).try_acquire_many_owned(units).map_err(|_| Rejection::Overloaded)
}
