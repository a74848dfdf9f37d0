//! Answers a request: finds its route, receives its body, and has it carried out.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use crate::{
    backend::{Backend, BodyKind},
    body::{HttpBody, UnreadResponses},
    cluster,
    error::HttpError,
    exchange::{Exchange, HttpReply},
    openapi,
    query::QueryParameters,
    reads, request_body,
    route::HttpRoute,
    transaction,
    watching::{self, WatchReply},
    writes,
};

/// The longest document of a transaction: JSON takes up to 6 bytes for one.
const TRANSACTION_BYTES_MAX: usize = 2 * coffee_common::limits::BATCH_BYTES_MAX;

/// Answers a request. `unread` has the response until the client has taken it.
///
/// Boxed so that the code of all routes is compiled once, here.
pub fn respond(
    backend: Arc<dyn Backend>,
    request: Request<Incoming>,
    unread: &UnreadResponses,
) -> BoxFuture<'_, Response<HttpBody>> {
    Box::pin(respond_to(backend, request, unread))
}

async fn respond_to(
    backend: Arc<dyn Backend>,
    request: Request<Incoming>,
    unread: &UnreadResponses,
) -> Response<HttpBody> {
    let is_head = request.method() == Method::HEAD;
    let reply = carry_out(backend, request).await.unwrap_or_else(|error| WatchReply::Once(error.into()));
    let reading = unread.begin();
    let (status, mut headers, body) = match reply {
        WatchReply::Once(HttpReply { status, mut headers, body, held }) => {
            if is_head {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            let body = if is_head { Vec::new() } else { body };
            (status, headers, HttpBody::whole(reading, body, held))
        }
        WatchReply::Stream { content_type, parts } => {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            (StatusCode::OK, headers, HttpBody::parts(reading, parts))
        }
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A value is the bytes of whichever client wrote it: no browser may take it for a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn carry_out(backend: Arc<dyn Backend>, request: Request<Incoming>) -> Result<WatchReply, HttpError> {
    let (parts, body) = request.into_parts();
    backend.admit(&parts)?;
    let route = HttpRoute::of(&parts.method, parts.uri.path())?;
    let query = QueryParameters::parse(parts.uri.query())?;
    let is_head = parts.method == Method::HEAD;
    let exchange = Exchange::new(Arc::clone(&backend), parts.headers, query, is_head)?;
    let reply = match route {
        HttpRoute::GetKey(key) => reads::get(exchange, key).await,
        HttpRoute::PutKey(key) => {
            // Before its body is received.
            backend.authorize_body(BodyKind::Value)?;
            let max = coffee_common::limits::VALUE_BYTES_MAX;
            let body = request_body::receive(backend.as_ref(), body, max).await?;
            writes::put(exchange, key, body).await
        }
        HttpRoute::DeleteKey(key) => writes::delete(exchange, key).await,
        HttpRoute::ListKeys => reads::list(exchange).await,
        HttpRoute::Transact => {
            backend.authorize_body(BodyKind::Transaction)?;
            let body = request_body::receive(backend.as_ref(), body, TRANSACTION_BYTES_MAX).await?;
            transaction::transact(exchange, body).await
        }
        HttpRoute::Increment(key) => writes::increment(exchange, key).await,
        HttpRoute::KeyHistory(key) => reads::history(exchange, key).await,
        HttpRoute::Watch => return watching::watch(exchange).await,
        HttpRoute::Cluster => cluster::cluster(exchange).await,
        HttpRoute::Status => cluster::status(exchange).await,
        HttpRoute::OpenApi => openapi::openapi(exchange),
    };
    reply.map(WatchReply::Once)
}
