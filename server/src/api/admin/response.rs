//! Responses, and the time to send them.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{self, HeaderName, HeaderValue},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::api::page::{PageAsset, SECURITY_POLICY};

const PLAIN: &str = "text/plain; charset=utf-8";

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A response with its body.
pub(super) struct AdminResponse {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    content: AdminContent,
}

enum AdminContent {
    Whole(Bytes),
    Parts(BoxStream<'static, String>),
}

impl AdminResponse {
    fn new(content_type: &'static str, content: AdminContent) -> Self {
        Self { status: StatusCode::OK, headers: HeaderMap::new(), content }
            .header(header::CONTENT_TYPE, content_type)
    }

    pub(super) fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, ..Self::new(PLAIN, AdminContent::Whole(body.into().into())) }
    }

    pub(super) fn metrics(body: String) -> Self {
        Self::new(METRICS, AdminContent::Whole(body.into()))
    }

    /// The status page.
    pub(super) fn page(body: String) -> Self {
        Self::new("text/html; charset=utf-8", AdminContent::Whole(body.into()))
            .header(header::CONTENT_SECURITY_POLICY, SECURITY_POLICY)
            .header(header::REFERRER_POLICY, "no-referrer")
    }

    /// A file of the status page.
    pub(super) fn asset(PageAsset { content_type, body }: PageAsset) -> Self {
        Self::new(content_type, AdminContent::Whole(Bytes::from_static(body.as_bytes())))
    }

    /// Server-sent events.
    pub(super) fn events(events: BoxStream<'static, String>) -> Self {
        Self::new("text/event-stream", AdminContent::Parts(events))
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

    /// Returns the body as text; empty if it is not known as a whole.
    #[cfg(test)]
    pub(super) fn body(&self) -> &str {
        match &self.content {
            AdminContent::Whole(body) => std::str::from_utf8(body).expect("text"),
            AdminContent::Parts(_) => "",
        }
    }

    /// Returns the response, without its body for a HEAD request. It is to be sent from now on.
    pub(super) fn begin(self, is_head: bool, sending: &Arc<SendTime>) -> Response<AdminBody> {
        let Self { status, mut headers, mut content } = self;
        if let AdminContent::Whole(body) = &content {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if is_head {
            content = AdminContent::Whole(Bytes::new());
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        sending.begin();
        let mut response = Response::new(AdminBody { content, sending: Arc::clone(sending) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// The body of a response.
pub(super) struct AdminBody {
    content: AdminContent,
    sending: Arc<SendTime>,
}

impl Body for AdminBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let next = match &mut this.content {
            AdminContent::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            AdminContent::Parts(parts) => Pin::new(parts).poll_next(context),
        };
        match &next {
            // The client has taken what was sent before, as far as hyper keeps no more than a head of it.
            Poll::Pending => this.sending.pause(),
            Poll::Ready(_) => this.sending.begin(),
        }
        next.map(|part| part.map(|part| Ok(Frame::data(Bytes::from(part)))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.content, AdminContent::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            AdminContent::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            AdminContent::Parts(_) => SizeHint::default(),
        }
    }
}

/// The time by which a client has to have taken what it is sent.
#[derive(Default)]
pub(super) struct SendTime(watch::Sender<Option<Instant>>);

impl SendTime {
    /// The timeout for sending a response, or a part of one.
    pub(super) const MAX: Duration = Duration::from_secs(5);

    /// There is something to send from now on.
    fn begin(&self) {
        self.0.send_replace(Some(Instant::now() + Self::MAX));
    }

    /// There is nothing to send for now.
    fn pause(&self) {
        self.0.send_if_modified(|until| until.take().is_some());
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
