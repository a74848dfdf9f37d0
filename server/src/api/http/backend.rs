//! Carries out the requests of the HTTP API with the service of this node.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use coffee_common::{
    budget::ByteCharge,
    id::{ClientId, ClusterId, RequestId, Revision},
    protocol::Request,
};
use coffee_http::{Backend, BackendAnswer, BodyKind, Change, HttpError, ResponseHold, refuse_other_sites};
use futures_util::future::BoxFuture;
use hyper::http::request;

use crate::{
    metrics::{ClientLimit, RequestKind},
    service::{
        Session,
        call::{self, Answer},
    },
};

/// Draws request ids for clients that send none.
#[derive(Debug)]
pub(super) struct DrawnRequestIds {
    client: ClientId,
    next: AtomicU64,
}

impl DrawnRequestIds {
    pub(super) fn new(client: ClientId) -> Self {
        Self { client, next: AtomicU64::new(1) }
    }

    fn draw(&self, after: Revision) -> RequestId {
        RequestId { client: self.client, sequence: self.next.fetch_add(1, Ordering::Relaxed), after }
    }
}

/// The session of a connection.
pub(super) struct SessionBackend {
    session: Arc<Session>,
    ids: Arc<DrawnRequestIds>,
}

impl SessionBackend {
    pub(super) fn new(session: &Arc<Session>, ids: &Arc<DrawnRequestIds>) -> Self {
        Self { session: Arc::clone(session), ids: Arc::clone(ids) }
    }

    /// Draws a request id, for a write that the cluster has not seen.
    fn draw(&self) -> RequestId {
        let replica = self.session.service.node.replica();
        self.ids.draw(replica.map(|replica| replica.state().applied()).unwrap_or_default())
    }

    async fn carry_out(
        &self,
        cluster: Option<ClusterId>,
        request: Request,
        timeout_ms: u32,
    ) -> Result<BackendAnswer, HttpError> {
        let Answer { result, held } = call::call(&self.session, cluster, request, timeout_ms).await;
        Ok(BackendAnswer { response: result?, held: ResponseHold::new(held) })
    }
}

impl Backend for SessionBackend {
    fn admit(&self, head: &request::Parts) -> Result<(), HttpError> {
        refuse_other_sites(head, "https")
    }

    fn authorize_body(&self, kind: BodyKind) -> Result<(), HttpError> {
        let kind = match kind {
            BodyKind::Value => RequestKind::Write,
            BodyKind::Transaction => RequestKind::Transact,
        };
        Ok(self.session.authorize_kind((None, None), kind)?)
    }

    fn charge_body(&self, bytes: usize) -> Result<ByteCharge, HttpError> {
        let charge = self.session.share().request_bytes.take(bytes);
        charge.ok_or_else(|| self.session.overloaded(ClientLimit::RequestBytes).into())
    }

    fn note_slow_body(&self) {
        self.session.note_slow(ClientLimit::RequestTime);
    }

    fn call(
        &self,
        cluster: Option<ClusterId>,
        request: Request,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<BackendAnswer, HttpError>> {
        Box::pin(self.carry_out(cluster, request, timeout_ms))
    }

    fn write(
        &self,
        cluster: Option<ClusterId>,
        id: Option<RequestId>,
        change: Change,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<(RequestId, BackendAnswer), HttpError>> {
        Box::pin(async move {
            let id = id.unwrap_or_else(|| self.draw());
            let answer = self.carry_out(cluster, change.into_request(id), timeout_ms).await;
            answer.map(|answer| (id, answer)).map_err(|error| error.of_request(id))
        })
    }
}
