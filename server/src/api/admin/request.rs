//! The head of an HTTP request. Bodies are not read: no page takes one.
//!
//! `httparse` parses. This module reads the head, bounds its size and checks it.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The maximum size of a head.
const BYTES_MAX: usize = 8 << 10;

/// The maximum number of header fields.
const FIELDS_MAX: usize = 64;

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestHead {
    /// Whether the method is HEAD.
    pub(super) head_only: bool,
    /// The path, without the query.
    pub(super) path: String,
    /// The query parameters: names and values. A parameter without a value has an empty one.
    pub(super) query: Vec<(String, String)>,
}

/// Why a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestError {
    /// It is not HTTP/1.
    Malformed,
    /// Its head is too long.
    TooLarge,
    /// The method is neither GET nor HEAD.
    Method,
}

/// Reads a head. Returns `None` if the client disconnects first.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Result<RequestHead, RequestError>> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        let left = BYTES_MAX - bytes.len();
        if left == 0 {
            return Some(Err(RequestError::TooLarge));
        }
        match (&mut *stream).take(left as u64).read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        if let Some(head) = parse(&bytes).transpose() {
            return Some(head);
        }
    }
}

/// Parses a head. Returns `None` while it is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<RequestHead>, RequestError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(RequestError::TooLarge),
        Err(_) => return Err(RequestError::Malformed),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(RequestError::Malformed);
    };
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(RequestError::Method),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return Err(RequestError::Malformed);
    }
    Ok(Some(RequestHead { head_only, path: path.to_owned(), query: pairs(query) }))
}

/// Splits `a=b&c` into names and values. No parameter here needs percent-decoding.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.to_owned(), value.to_owned())
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str, query: &[(&str, &str)]) -> RequestHead {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        RequestHead { head_only: false, path: path.to_owned(), query }
    }

    #[tokio::test]
    async fn a_head_is_read_in_pieces() {
        let mut stream =
            tokio_test_pieces(&[b"GET /met", b"rics?a=b&verbose HTTP/1.1\r\nHost:", b" x\r\n\r\n"]);
        assert_eq!(read(&mut stream).await, Some(Ok(get("/metrics", &[("a", "b"), ("verbose", "")]))));
    }

    /// A stream that yields these pieces, one at a time.
    fn tokio_test_pieces(pieces: &'static [&'static [u8]]) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(8);
        tokio::spawn(async move {
            for piece in pieces {
                tokio::io::AsyncWriteExt::write_all(&mut writer, piece).await.expect("the reader is there");
            }
        });
        reader
    }

    #[tokio::test]
    async fn who_goes_away_gets_no_answer() {
        assert_eq!(read(&mut &b""[..]).await, None);
        assert_eq!(read(&mut &b"GET / HTTP/1.1\r\nHost: x\r\n"[..]).await, None);
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_refused() {
        let mut endless = AsyncReadExt::chain(&b"GET / HTTP/1.1\r\nX: "[..], tokio::io::repeat(b'x'));
        assert_eq!(read(&mut endless).await, Some(Err(RequestError::TooLarge)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(read(&mut many.as_bytes()).await, Some(Err(RequestError::TooLarge)));
    }

    #[test]
    fn other_bytes_are_refused() {
        for (bytes, verdict) in [
            (&b"POST / HTTP/1.1\r\n\r\n"[..], Err(RequestError::Method)),
            (b"GET http://x/ HTTP/1.1\r\n\r\n", Err(RequestError::Malformed)),
            (b"GET / HTTP/2.0\r\n\r\n", Err(RequestError::Malformed)),
            (b"\x16\x03\x01\x02\x00", Err(RequestError::Malformed)),
            (b"HEAD / HTTP/1.0\r\n\r\n", Ok(Some(RequestHead { head_only: true, ..get("/", &[]) }))),
            (b"GET / HTTP/1.1\r\n", Ok(None)),
        ] {
            assert_eq!(parse(bytes), verdict, "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(head)) = parse(&bytes) {
                prop_assert!(head.path.starts_with('/'));
            }
        }
    }
}
