//! Calls the operation of an authorized request. Writes have their own path (`writes`).

use std::sync::atomic::{AtomicBool, Ordering};

use coffee_common::{
    id::{ClusterId, Revision},
    limits::{EVENT_TEXT_BYTES_MAX, EVENTS_MAX},
    protocol::{Consistency, LogLevel, Rejection, ReplicaDigest, Request, Response, Role},
    text::WORD_BYTES_MAX,
};
use tokio::time::Instant;

use super::{
    access::RequestOrigin,
    audit,
    context::Service,
    held::OutgoingResponse,
    read::{self, Read, Reader},
    session::Session,
};
use crate::{
    metrics::ClientLimit,
    node::Node,
    ops::{
        confirm_member::confirm,
        forward::{Caller, LeaderRequest},
        room::{self, DiskRoom},
        status,
    },
};

/// The most bytes of an event in a response: its text, its kind and subject, its numbers.
const EVENT_BYTES_MAX: usize = EVENT_TEXT_BYTES_MAX + 2 * WORD_BYTES_MAX + 64;

const EVENTS_BYTES_MAX: usize = EVENTS_MAX * EVENT_BYTES_MAX;

/// Carries out a request and returns its result.
pub(crate) async fn dispatch(
    session: &Session,
    origin: &RequestOrigin,
    request: &Request,
    deadline: Instant,
) -> OutgoingResponse {
    match request {
        Request::Get { key, consistency } => read(session, Read::Key(key), *consistency, deadline).await,
        Request::Range { range, limit, keys_only, consistency, empty_pages } => {
            let (limit, keys_only, empty_pages) = (*limit, *keys_only, *empty_pages);
            let range = Read::Range { range, limit, keys_only, empty_pages };
            read_queued(session, range, *consistency, deadline).await
        }
        Request::GetAt { key, revision, consistency } => {
            let key = Read::KeyAt { key, revision: *revision };
            read_queued(session, key, *consistency, deadline).await
        }
        Request::RangeAt { range, revision, limit, keys_only, consistency } => {
            let range = Read::RangeAt { range, revision: *revision, limit: *limit, keys_only: *keys_only };
            read_queued(session, range, *consistency, deadline).await
        }
        Request::History { key, before, limit, keys_only, consistency } => {
            let versions = Read::Versions { key, before: *before, limit: *limit, keys_only: *keys_only };
            read_queued(session, versions, *consistency, deadline).await
        }
        Request::Events { after, limit } => events(session, origin, *after, *limit, deadline).await,
        request => {
            let mut elsewhere = false;
            let result = operate(&session.service, origin, request, deadline, &mut elsewhere).await;
            let (node, link) = (&session.service.node, session.link.as_ref());
            audit::ended(node, link, origin, request, result.as_ref(), elsewhere);
            result.into()
        }
    }
}

/// Returns the events of this node. They are charged to the client before they are copied, as reads are:
/// many that are not received would otherwise grow the node.
async fn events(
    session: &Session,
    origin: &RequestOrigin,
    after: u64,
    limit: u32,
    deadline: Instant,
) -> OutgoingResponse {
    let charge = tokio::select! {
        charge = session.share().response_bytes.take_until(EVENTS_BYTES_MAX, deadline) => charge,
        () = session.link.closed() => return Err(session.disconnected()).into(),
    };
    let Some(mut charge) = charge else {
        return Err(session.overloaded(ClientLimit::ResponseBytes)).into();
    };
    let is_admin = origin.identity.role == Role::Admin;
    let events = session.service.node.latest_events(after, limit, is_admin);
    charge.shrink_to(events.events.len() * EVENT_BYTES_MAX);
    OutgoingResponse { result: Ok(Response::Events(events)), charge: Some(charge) }
}

/// Reads in turn, unless the client disconnects: others wait for what it has queued.
async fn read_queued(
    session: &Session,
    queued: Read<'_>,
    consistency: Consistency,
    deadline: Instant,
) -> OutgoingResponse {
    tokio::select! {
        biased;
        response = read(session, queued, consistency, deadline) => response,
        () = session.link.closed() => Err(session.disconnected()).into(),
    }
}

async fn read(
    session: &Session,
    read: Read<'_>,
    consistency: Consistency,
    deadline: Instant,
) -> OutgoingResponse {
    let limits = &session.service.node.metrics().client_limits;
    let reader = Reader { client: session.share(), link: session.link.as_ref(), limits };
    match read::read(&session.service.reads, reader, read, consistency, deadline).await {
        Ok((response, charge)) => OutgoingResponse { result: Ok(response), charge },
        Err(rejection) => Err(rejection).into(),
    }
}

/// Carries out a request. Sets `elsewhere` if another node did.
async fn operate(
    service: &Service,
    origin: &RequestOrigin,
    request: &Request,
    deadline: Instant,
    elsewhere: &mut bool,
) -> Result<Response, Rejection> {
    let Service { node, reads, membership, .. } = service;
    if let Request::Move { node: mover, address } = request
        && origin.identity.role == Role::Node
        && let Some(replica) = node.replica()
    {
        // It speaks for itself (see `access`). Another member may become the leader.
        node.heard_addresses().note(&replica.membership(), mover, address);
    }
    if let Request::Boot { node: wanted, .. } = request
        && !origin.forwarded
        && let Some(replica) = node.replica().filter(|replica| !replica.hears_leader(node.lease()))
    {
        node.boot_requests().note(wanted, replica.membership_index());
    }
    match request {
        Request::Ping => Ok(Response::Done { changed: false }),
        Request::Status => Ok(Response::Status(Box::new(status::own(node)))),
        Request::List => Ok(Response::Cluster(Box::new(status::cluster(node).await))),
        Request::ReadIndex => reads.read_index(deadline).await.map(Response::ReadIndex),
        Request::StateDigest { cluster, upto } => {
            Ok(Response::StateDigest(state_digest(node, *cluster, *upto)))
        }
        Request::Room { cluster } => {
            let DiskRoom { bytes, history_takes_it } = room(node, *cluster).unwrap_or_default();
            Ok(Response::Room { bytes, history_takes_it })
        }
        Request::LogLevel { level } => log_level(node, *level),
        Request::Found { node } => membership.found(Some(node), deadline).await,
        Request::Reaches { node, id, address } => membership.reaches(node, *id, address, deadline).await,
        Request::ConfirmMember { node: name, id, after } => confirm(node, name, *id, *after).await,
        Request::Invite { cluster, members } => membership.invite(*cluster, members),
        Request::ShutDownRemoved { id } => membership.shut_down_removed(*id),
        Request::Reload { force } => {
            node.reload(*force).await.map(|reload| Response::Reloaded(Box::new(reload)))
        }
        Request::Down { node, dry_run: false } => {
            membership.down(caller(origin), node.as_ref(), deadline).await
        }
        Request::Boot { .. }
        | Request::Move { .. }
        | Request::Transfer { .. }
        | Request::Down { dry_run: true, .. }
        | Request::Remove { .. }
        | Request::CanStop { .. }
        | Request::Join { .. }
        | Request::Promote { .. }
        | Request::RemoveVoter { .. }
        | Request::Revoke { .. }
        | Request::FinishUpgrade { .. }
        | Request::Settings
        | Request::ChangeSetting { .. }
        | Request::CompactHistory { .. } => {
            let request = leader_request(request, origin, deadline);
            let result = membership.on_leader(&request).await;
            *elsewhere = request.answered_elsewhere.load(Ordering::Relaxed);
            result
        }
        #[cfg(coffee_future)]
        Request::FutureTouch(_) => membership.on_leader(&leader_request(request, origin, deadline)).await,
        Request::Get { .. }
        | Request::Events { .. }
        | Request::Range { .. }
        | Request::GetAt { .. }
        | Request::RangeAt { .. }
        | Request::History { .. }
        | Request::Write { .. }
        | Request::Transact { .. }
        | Request::Watch { .. } => {
            Err(Rejection::Invalid("reads and writes are served elsewhere (bug)".to_owned()))
        }
        Request::Backup { .. } => {
            Err(Rejection::Invalid("a backup must be the only request on its stream".to_owned()))
        }
    }
}

/// Returns the node's log level, after changing it if a level is given.
fn log_level(node: &Node, level: Option<LogLevel>) -> Result<Response, Rejection> {
    let control = node.log_control().ok_or_else(|| Rejection::Refused {
        reason: format!("not supported here: the program that embeds {} has its own logger", node.name()),
        hint: "change the log level in that program".to_owned(),
    })?;
    let before = control(level);
    let now = control(None);
    Ok(Response::LogLevel { node: node.name().clone(), level: now, changed: now != before })
}

/// Returns the latest recorded digest of this node's state, as of an entry up to `upto`.
fn state_digest(node: &Node, cluster: ClusterId, upto: Revision) -> Option<ReplicaDigest> {
    let replica = node.replica().filter(|replica| replica.cluster() == cluster)?;
    replica.state().digest_at(upto)
}

/// Returns the room of this node's disk.
fn room(node: &Node, cluster: ClusterId) -> Option<DiskRoom> {
    let replica = node.replica().filter(|replica| replica.cluster() == cluster)?;
    Some(room::own(node, &replica))
}

fn leader_request<'a>(
    request: &'a Request,
    origin: &'a RequestOrigin,
    deadline: Instant,
) -> LeaderRequest<'a> {
    let repeatable = matches!(
        request,
        Request::CanStop { .. }
            | Request::Down { dry_run: true, .. }
            | Request::Revoke { .. }
            | Request::FinishUpgrade { .. }
            | Request::Settings
            | Request::ChangeSetting { .. }
            | Request::CompactHistory { .. }
    );
    LeaderRequest {
        body: request,
        caller: caller(origin),
        forwarded: origin.forwarded,
        deadline,
        repeatable,
        answered_elsewhere: AtomicBool::default(),
    }
}

fn caller(origin: &RequestOrigin) -> Caller<'_> {
    Caller { identity: &origin.identity, sent_from: origin.sent_from.as_ref() }
}
