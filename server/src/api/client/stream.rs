//! One stream of a client: receives requests, admits them, and has them carried out concurrently.

use std::sync::Arc;

use coffee_common::{
    limits::{READER_REQUEST_BYTES_MAX, REQUEST_BYTES_MAX},
    protocol::{Request, RequestEnvelope, Role},
    quic::{FrameReceiver, FrameSender, StreamError},
};

use super::{
    backup,
    incoming::{self, IncomingRequest},
    responder::{self, Responder, ResponsesUnread},
    state::ConnectionState,
    writes,
};
use crate::{
    metrics::{ClientLimit, measured},
    service::{
        Session,
        access::RequestOrigin,
        client_write::ClientWrite,
        clients::{COMPLETE_WITHIN, ClientShare},
        dispatch,
        session::AdmittedRequest,
        watch::{self, WatchRequest},
        write::AdmittedWrite,
    },
};

/// The cost of requests after which other tasks of the thread have their turn. A stream may send for
/// long without a pause.
const TURN_COST: usize = 256 << 10;

/// Receives requests until the stream ends. Admitted requests are still answered after that.
pub(super) async fn serve(state: Arc<ConnectionState>, sender: FrameSender, mut receiver: FrameReceiver) {
    let role = state.connection.peer().role;
    let kept_max = match role {
        Role::Reader | Role::Backup => READER_REQUEST_BYTES_MAX,
        Role::Writer | Role::Admin | Role::Node => REQUEST_BYTES_MAX,
    };
    receiver.bound(kept_max, state.session.share().request_bytes.clone(), COMPLETE_WITHIN);
    let Some(first) = next(&state, &mut receiver).await else { return };
    let first = match first {
        IncomingRequest { envelope, request: Ok(request @ Request::Backup { .. }), .. } => {
            return backup::serve(&state, sender, receiver.version(), envelope, request).await;
        }
        first => first,
    };
    let (responder, queue) =
        Responder::new(Arc::clone(&state.api.service), state.connection.clone(), receiver.version());
    let responder = Arc::new(responder);
    tokio::spawn(measured({
        let state = Arc::clone(&state);
        async move {
            if let Err(ResponsesUnread) = responder::send_queued(sender, queue).await {
                state.close_slow();
            }
        }
    }));
    let mut cost = first.cost();
    let mut arrived = vec![first];
    loop {
        let mut end = Ok(());
        // An error of `ready` is reported again by the next `receive`.
        while end.is_ok()
            && cost < TURN_COST
            && let Ok(Some(message)) = receiver.ready()
        {
            end = incoming::decode(&state, &message, receiver.last_cut()).map(|request| {
                cost += request.cost();
                arrived.push(request);
            });
        }
        let share = state.session.share();
        carry_out(&state.session, share, &responder, &mut arrived).await;
        if let Err(error) = end {
            return state.close_broken(&error);
        }
        if role == Role::Node {
            receiver.charge_to(share.request_bytes.clone());
        }
        if cost >= TURN_COST {
            tokio::task::yield_now().await;
            cost = 0;
        }
        let Some(next) = next(&state, &mut receiver).await else { return };
        cost += next.cost();
        arrived.push(next);
    }
}

/// Receives the next request. Returns `None` at the end of the stream.
async fn next(state: &ConnectionState, receiver: &mut FrameReceiver) -> Option<IncomingRequest> {
    match receiver.receive().await {
        Ok(Some(message)) => match incoming::decode(state, &message, receiver.last_cut()) {
            Ok(request) => return Some(request),
            Err(error) => state.close_broken(&error),
        },
        Err(StreamError::Frame(error)) => state.close_broken(&error),
        // The other streams of the connection continue, and so do the responses on this one.
        Err(StreamError::Late) => state.session.note_slow(ClientLimit::RequestTime),
        // The client is done, or the stream or connection is lost.
        Ok(None) | Err(_) => {}
    }
    None
}

/// Admits requests that arrived together, and has them carried out: the writes together, each other
/// request by its own task. Rejected requests are answered at once.
async fn carry_out(
    session: &Arc<Session>,
    share: &ClientShare,
    responder: &Arc<Responder>,
    arrived: &mut Vec<IncomingRequest>,
) {
    let mut writes = Vec::new();
    // Answered last: a full queue must not hold up the writes that were admitted.
    let (mut rejected, mut unread) = (Vec::new(), Vec::new());
    for IncomingRequest { envelope, kind, request, .. } in arrived.drain(..) {
        let RequestEnvelope { id, timeout_ms, on_behalf_of, sent_from, cluster } = envelope;
        let admitted = match session.admit(share, id, kind, timeout_ms) {
            Ok(admitted) => admitted,
            Err(rejection) => {
                session.service.node.metrics().requests.rejected_unread.increment();
                unread.push((id, rejection));
                continue;
            }
        };
        let authorized = request.and_then(|request| {
            let origin = session.authorize((on_behalf_of.as_ref(), sent_from), cluster, &request)?;
            Ok((origin, request))
        });
        let (origin, request) = match authorized {
            Ok(authorized) => authorized,
            Err(rejection) => {
                rejected.push((admitted, rejection));
                continue;
            }
        };
        let (request, write) = match request {
            Request::Write { request, batch } => (request, ClientWrite::Batch(batch)),
            Request::Transact { request, transaction } => (request, ClientWrite::Transaction(transaction)),
            request => {
                start(session, responder, admitted, origin, request);
                continue;
            }
        };
        match session.service.writes.admit(session.share_of(&origin.identity), &write) {
            Ok(permit) => writes.push(AdmittedWrite { admitted, origin, request, write, permit }),
            Err(rejection) => rejected.push((admitted, rejection)),
        }
    }
    writes::start(session, responder, writes);
    for (id, rejection) in unread {
        responder.reject(id, rejection).await;
    }
    for (admitted, rejection) in rejected {
        responder.respond(admitted, Err(rejection).into()).await;
    }
}

/// Starts carrying out a request that is not a write.
fn start(
    session: &Arc<Session>,
    responder: &Arc<Responder>,
    mut admitted: AdmittedRequest,
    origin: RequestOrigin,
    request: Request,
) {
    let (session, responder) = (Arc::clone(session), Arc::clone(responder));
    if let Request::Watch { spec, after, wait_ms, consistency } = request {
        let request = WatchRequest { spec, after, wait_ms, consistency };
        tokio::spawn(measured(async move {
            let response = watch::serve(&session, &mut admitted, &request).await;
            responder.respond(admitted, response).await;
        }));
        return;
    }
    tokio::spawn(measured(async move {
        let _counted = session.service.node.metrics().requests.in_flight.hold(1);
        let response = dispatch::dispatch(&session, &origin, &request, admitted.deadline).await;
        responder.respond(admitted, response).await;
    }));
}
