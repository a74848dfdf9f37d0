//! A complete HTTP response. It is small, and the connection closes after it.

use super::request::RequestError;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Prometheus' text format.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A response with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpResponse {
    pub(super) status: u16,
    content_type: &'static str,
    /// Whether to send `Allow`, which a 405 needs.
    allow: bool,
    pub(super) body: String,
}

impl HttpResponse {
    pub(super) fn text(status: u16, body: String) -> Self {
        Self { status, content_type: PLAIN, allow: false, body }
    }

    pub(super) fn metrics(body: String) -> Self {
        Self { content_type: METRICS, ..Self::text(200, body) }
    }

    pub(super) fn error(error: RequestError) -> Self {
        let text = |status, body: &str| Self::text(status, body.to_owned());
        match error {
            RequestError::Malformed => text(400, "not an HTTP/1.1 request\n"),
            RequestError::TooLarge => text(431, "the request head is too long\n"),
            RequestError::Method => Self { allow: true, ..text(405, "only GET and HEAD are allowed\n") },
        }
    }

    /// Encodes the response, without its body for a HEAD request.
    pub(super) fn encode(&self, head_only: bool) -> Vec<u8> {
        let Self { status, content_type, allow, body } = self;
        let phrase = match status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        let allow = if *allow { "Allow: GET, HEAD\r\n" } else { "" };
        let mut bytes = format!(
            "HTTP/1.1 {status} {phrase}\r\n\
             Content-Type: {content_type}\r\n\
             Content-Length: {}\r\n\
             Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n\
             {allow}Connection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        if !head_only {
            bytes.extend_from_slice(body.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_long_the_body_would_be() {
        let answer = HttpResponse::text(503, "no\n".to_owned());
        let whole = String::from_utf8(answer.encode(false)).expect("text");
        assert!(whole.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{whole}");
        assert!(whole.contains("\r\nContent-Length: 3\r\n") && whole.ends_with("\r\n\r\nno\n"), "{whole}");
        let head = String::from_utf8(answer.encode(true)).expect("text");
        assert_eq!(whole.strip_suffix("no\n"), Some(head.as_str()));
    }

    #[test]
    fn a_refused_method_says_which_are_not() {
        let refused =
            String::from_utf8(HttpResponse::error(RequestError::Method).encode(false)).expect("text");
        assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    }
}
