//! Responses, and the time to send them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

const PLAIN: &str = "text/plain; charset=utf-8";

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A response with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdminResponse {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: String,
}

impl AdminResponse {
    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }.header(header::CONTENT_TYPE, PLAIN)
    }

    pub(super) fn metrics(body: String) -> Self {
        Self::text(StatusCode::OK, body).header(header::CONTENT_TYPE, METRICS)
    }

    /// The response to a method that is neither GET nor HEAD.
    pub(super) fn method_not_allowed() -> Self {
        Self::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n")
            .header(header::ALLOW, "GET, HEAD")
    }

    fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Returns the response, without its body for a HEAD request. It is to be sent from now on.
    pub(super) fn begin(self, is_head: bool, sending: &SendTime) -> Response<AdminBody> {
        let Self { status, mut headers, body } = self;
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        sending.begin();
        let mut response = Response::new(AdminBody((!is_head).then(|| Bytes::from(body))));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// The body of a response.
pub(super) struct AdminBody(Option<Bytes>);

impl Body for AdminBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// The time by which a client has to have taken what it is sent.
pub(super) struct SendTime(watch::Sender<Option<Instant>>);

impl SendTime {
    /// The timeout for sending a response.
    pub(super) const MAX: Duration = Duration::from_secs(5);

    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// There is something to send from now on.
    fn begin(&self) {
        self.0.send_replace(Some(Instant::now() + Self::MAX));
    }

    /// Waits until a client has not taken in time what it was sent.
    pub(super) async fn exceeded(&self) {
        let mut until = self.0.subscribe();
        loop {
            let Some(at) = *until.borrow_and_update() else {
                // The sender is in `self`, so this cannot fail.
                let _ = until.changed().await;
                continue;
            };
            if timeout_at(at, until.changed()).await.is_err() {
                return;
            }
        }
    }
}
