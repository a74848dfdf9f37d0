//! Carries out the requests of the HTTP API with the client of the cluster.

use std::{sync::Arc, time::Duration};

use coffee_client::Client;
use coffee_common::{
    budget::{ByteBudget, ByteCharge, ByteShare},
    id::{ClientId, ClusterId, RequestId, Revision},
    protocol::{Rejection, Request},
};
use coffee_http::{Backend, BackendAnswer, BodyKind, Change, HttpError, ResponseHold, refuse_other_sites};
use futures_util::future::BoxFuture;
use hyper::{StatusCode, http::request};

use super::{error::http_error, hosts::refuse_other_hosts};

/// The most bytes of bodies at once.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A placeholder: the client library draws the id when the write is first sent.
const UNNAMED: RequestId = RequestId { client: ClientId(0), sequence: 0, after: Revision(0) };

/// The backends of a proxy. They share the client and all bounds.
pub(super) struct ProxyBackends {
    /// For requests over TCP.
    pub(super) tcp: Arc<dyn Backend>,
    /// For those over the Unix socket, which no browser opens.
    pub(super) unix: Arc<dyn Backend>,
}

struct ProxyBackend {
    client: Client,
    body_bytes: ByteShare,
    takes_any_host: bool,
}

impl ProxyBackends {
    pub(super) fn new(client: &Client) -> Self {
        let body_bytes = ByteBudget::new(BODY_BYTES_MAX).share(BODY_BYTES_MAX);
        let backend = |takes_any_host| {
            Arc::new(ProxyBackend { client: client.clone(), body_bytes: body_bytes.clone(), takes_any_host })
        };
        Self { tcp: backend(false), unix: backend(true) }
    }
}

impl ProxyBackend {
    fn client(&self, timeout_ms: u32) -> Client {
        self.client.with_timeout(Duration::from_millis(timeout_ms.into()))
    }

    /// Rejects a request that is meant for another cluster than this client's.
    async fn check_cluster(&self, meant: Option<ClusterId>, timeout_ms: u32) -> Result<(), HttpError> {
        let Some(meant) = meant else { return Ok(()) };
        if self.client.cluster_id().is_none() {
            // The welcome of any node names the cluster.
            self.client(timeout_ms).ask(Request::Ping).await.map_err(http_error)?;
        }
        match self.client.cluster_id() {
            Some(own) if own == meant => Ok(()),
            own => {
                let own = own.map(|own| own.to_string()).unwrap_or_default();
                let error = format!("this proxy uses another cluster: {own}");
                Err(HttpError::new(StatusCode::MISDIRECTED_REQUEST, error)
                    .hint("use a proxy for the cluster in Coffee-Cluster, or leave that header out"))
            }
        }
    }

    async fn ask(
        &self,
        cluster: Option<ClusterId>,
        request: Request,
        timeout_ms: u32,
    ) -> Result<BackendAnswer, HttpError> {
        self.check_cluster(cluster, timeout_ms).await?;
        let client = self.client(timeout_ms);
        let client = match request {
            // It waits for the cluster to recover.
            Request::Watch { .. } => client,
            _ => client.needing_quorum(),
        };
        let response = client.ask(request).await.map_err(http_error)?;
        Ok(BackendAnswer { response, held: ResponseHold::default() })
    }

    async fn write(
        &self,
        cluster: Option<ClusterId>,
        mut id: Option<RequestId>,
        change: Change,
        timeout_ms: u32,
    ) -> Result<(RequestId, BackendAnswer), HttpError> {
        self.check_cluster(cluster, timeout_ms).await?;
        let client = self.client(timeout_ms).needing_quorum();
        let result = match id {
            Some(id) => client.ask(change.into_request(id)).await,
            None => client.ask_as_new(change.into_request(UNNAMED), |drawn| id = Some(drawn)).await,
        };
        match (result, id) {
            (Ok(response), Some(id)) => Ok((id, BackendAnswer { response, held: ResponseHold::default() })),
            (Ok(_), None) => Err(HttpError::unknown("the write was sent without a request id (bug)")),
            (Err(error), Some(id)) => Err(http_error(error).of_request(id)),
            (Err(error), None) => Err(http_error(error)),
        }
    }
}

impl Backend for ProxyBackend {
    fn admit(&self, head: &request::Parts) -> Result<(), HttpError> {
        if !self.takes_any_host {
            refuse_other_hosts(head)?;
        }
        refuse_other_sites(head, "http")
    }

    /// The node decides by the certificate.
    fn authorize_body(&self, _: BodyKind) -> Result<(), HttpError> {
        Ok(())
    }

    fn charge_body(&self, bytes: usize) -> Result<ByteCharge, HttpError> {
        self.body_bytes.take(bytes).ok_or_else(|| Rejection::Overloaded.into())
    }

    fn note_slow_body(&self) {}

    fn call(
        &self,
        cluster: Option<ClusterId>,
        request: Request,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<BackendAnswer, HttpError>> {
        Box::pin(self.ask(cluster, request, timeout_ms))
    }

    fn write(
        &self,
        cluster: Option<ClusterId>,
        id: Option<RequestId>,
        change: Change,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<(RequestId, BackendAnswer), HttpError>> {
        Box::pin(Self::write(self, cluster, id, change, timeout_ms))
    }
}
