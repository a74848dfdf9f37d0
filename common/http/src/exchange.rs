//! One request and its response, as all routes see them.

use std::sync::Arc;

use coffee_common::{
    id::{ClusterId, RequestId},
    protocol::{Consistency, Request, Response},
};
use hyper::{HeaderMap, StatusCode, header};

use super::{
    backend::{Backend, BackendAnswer, Change, ResponseHold},
    error::{HttpError, REQUEST_ID},
    query::QueryParameters,
};

/// How long a request may take, unless it says so.
const TIMEOUT_MS: u32 = 10_000;

/// The longest that a request may ask for.
const TIMEOUT_MS_MAX: u32 = 60_000;

/// The header with the revision as of which a response is, or which a write made.
pub(super) const REVISION: &str = "coffee-revision";

/// The header with the cluster that a request is meant for.
const CLUSTER: &str = "coffee-cluster";

/// A request that is carried out.
pub(super) struct Exchange {
    backend: Arc<dyn Backend>,
    pub(super) headers: HeaderMap,
    pub(super) query: QueryParameters,
    pub(super) is_head: bool,
    cluster: Option<ClusterId>,
    timeout_ms: u32,
}

/// A response whose body is known.
pub(super) struct HttpReply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) held: ResponseHold,
}

impl HttpReply {
    /// A response with this body.
    pub(super) fn new(content_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
        Self { status: StatusCode::OK, headers, body, held: ResponseHold::default() }
    }

    /// A JSON document.
    pub(super) fn json(body: Vec<u8>) -> Self {
        Self::new("application/json", body)
    }

    pub(super) fn header(mut self, name: impl header::IntoHeaderName, value: &str) -> Self {
        if let Ok(value) = header::HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Adds what the response holds until it is sent.
    pub(super) fn holding(self, held: ResponseHold) -> Self {
        Self { held, ..self }
    }
}

impl From<HttpError> for HttpReply {
    fn from(error: HttpError) -> Self {
        let mut reply = Self::json(error.document());
        reply.status = error.status;
        reply.headers.extend(*error.headers);
        reply
    }
}

impl Exchange {
    /// Reads what all requests have in common.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        headers: HeaderMap,
        mut query: QueryParameters,
        is_head: bool,
    ) -> Result<Self, HttpError> {
        let timeout_ms = query.duration_ms("timeout")?.unwrap_or(TIMEOUT_MS).clamp(1, TIMEOUT_MS_MAX);
        let cluster = match text_header(&headers, CLUSTER)? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                HttpError::bad("Coffee-Cluster is not the id of a cluster").hint("GET /v1/cluster says it")
            })?),
        };
        Ok(Self { backend, headers, query, is_head, cluster, timeout_ms })
    }

    /// Takes how fresh a read must be.
    ///
    /// # Errors
    /// It is neither of the two.
    pub(super) fn consistency(&mut self) -> Result<Consistency, HttpError> {
        match self.query.take("consistency").as_deref() {
            None | Some(b"linearizable") => Ok(Consistency::Linearizable),
            Some(b"local") => Ok(Consistency::Local),
            Some(_) => Err(HttpError::bad("consistency is neither linearizable nor local")),
        }
    }

    /// Returns the id that the client has chosen for its write.
    ///
    /// # Errors
    /// It is malformed.
    pub(super) fn request_id(&self) -> Result<Option<RequestId>, HttpError> {
        let Some(text) = text_header(&self.headers, REQUEST_ID)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            HttpError::bad("Coffee-Request-Id is not CLIENT-NUMBER-REVISION").hint(
                "32 hexadecimal digits that are yours alone, the number of the write, and a \
                 Coffee-Revision that you have received; or leave it out",
            )
        })
    }

    /// Fails if the query has parameters that were not taken.
    ///
    /// # Errors
    /// It has.
    pub(super) fn finish_query(&mut self) -> Result<(), HttpError> {
        std::mem::take(&mut self.query).finish()
    }

    /// Has a request carried out that is not a write.
    pub(super) async fn call(&self, request: Request) -> Result<(Response, ResponseHold), HttpError> {
        self.call_within(request, self.timeout_ms).await
    }

    /// As [`Self::call`], with another timeout.
    pub(super) async fn call_within(
        &self,
        request: Request,
        timeout_ms: u32,
    ) -> Result<(Response, ResponseHold), HttpError> {
        let BackendAnswer { response, held } = self.backend.call(self.cluster, request, timeout_ms).await?;
        Ok((response, held))
    }

    /// Has a write carried out.
    pub(super) async fn write(
        &self,
        id: Option<RequestId>,
        change: Change,
    ) -> Result<(RequestId, BackendAnswer), HttpError> {
        self.backend.write(self.cluster, id, change, self.timeout_ms).await
    }
}

/// Returns a header as text.
///
/// # Errors
/// It is given twice, or not ASCII.
pub(super) fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, HttpError> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(HttpError::bad(format!("the header {name} is given twice")));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| HttpError::bad(format!("the header {name} is not ASCII")))
}

/// The failure of a response that does not match its request: a bug.
pub(super) fn mismatch() -> HttpError {
    HttpError::unknown("the node's response does not match the request (bug)")
}
