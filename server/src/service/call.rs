//! One request from its admission to its result, for a protocol that sends requests one by one.
//!
//! Guards that a write which was begun is carried out, counted and accounted for even if its client no
//! longer waits for it.

use std::sync::Arc;

use coffee_common::{
    id::{ClusterId, RequestId},
    protocol::{Rejection, Request, Response},
};

use super::{
    client_write::ClientWrite,
    dispatch,
    held::{HeldResources, OutgoingResponse},
    session::{AdmittedRequest, Session},
    transactions,
    watch::{self, WatchRequest},
    write::{self, AdmittedWrite},
};
use crate::{
    metrics::{RequestKind, measured},
    service::access::RequestOrigin,
};

/// The result of a request, and what it holds until it is sent.
pub(crate) struct Answer {
    pub(crate) result: Result<Response, Rejection>,
    pub(crate) held: HeldResources,
}

impl Answer {
    fn of(session: &Session, admitted: AdmittedRequest, response: OutgoingResponse) -> Self {
        let OutgoingResponse { result, charge } = response;
        let held = admitted.answered(&session.service, &result).with_charge(charge);
        Self { result, held }
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Self {
        Self { result: Err(rejection), held: HeldResources::default() }
    }
}

/// Carries out a request of the client itself. `cluster` is the one that it is meant for, if the client
/// named one. A read ends when this future is dropped. A write whose outcome is unknown is sent again
/// until the deadline: its client could not tell what happened without help.
pub(crate) async fn call(
    session: &Arc<Session>,
    cluster: Option<ClusterId>,
    request: Request,
    timeout_ms: u32,
) -> Answer {
    let mut admitted = match session.admit(session.share(), 0, RequestKind::of(&request), timeout_ms) {
        Ok(admitted) => admitted,
        Err(rejection) => {
            session.service.node.metrics().requests.rejected_unread.increment();
            return rejection.into();
        }
    };
    let origin = match session.authorize((None, None), cluster, &request) {
        Ok(origin) => origin,
        Err(rejection) => return Answer::of(session, admitted, Err(rejection).into()),
    };
    let (request, write) = match request {
        Request::Write { request, batch } => (request, ClientWrite::Batch(batch)),
        Request::Transact { request, transaction } => (request, ClientWrite::Transaction(transaction)),
        Request::Watch { spec, after, wait_ms, consistency } => {
            let request = WatchRequest { spec, after, wait_ms, consistency };
            let response = watch::serve(session, &mut admitted, &request).await;
            return Answer::of(session, admitted, response);
        }
        request => {
            let _counted = session.service.node.metrics().requests.in_flight.hold(1);
            let response = dispatch::dispatch(session, &origin, &request, admitted.deadline).await;
            return Answer::of(session, admitted, response);
        }
    };
    write_once(session, admitted, origin, (request, write)).await
}

/// Carries out a write in a task of its own.
async fn write_once(
    session: &Arc<Session>,
    admitted: AdmittedRequest,
    origin: RequestOrigin,
    (request, write): (RequestId, ClientWrite),
) -> Answer {
    let permit = match session.service.writes.admit(session.share_of(&origin.identity), &write) {
        Ok(permit) => permit,
        Err(rejection) => return Answer::of(session, admitted, Err(rejection).into()),
    };
    let write = AdmittedWrite { admitted, origin, request, write, permit };
    let session = Arc::clone(session);
    let task = tokio::spawn(measured(async move {
        let result = write::carry_out(&session.service, &write, true).await;
        let AdmittedWrite { admitted, write, permit, .. } = write;
        drop(permit);
        let response = match (result, &write) {
            (Ok(response), ClientWrite::Transaction(transaction)) => {
                transactions::complete(&session, transaction, response, admitted.deadline).await
            }
            (result, _) => result.into(),
        };
        Answer::of(&session, admitted, response)
    }));
    task.await.unwrap_or_else(|error| Rejection::Unknown(format!("the write was lost: {error}")).into())
}
