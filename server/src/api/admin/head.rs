//! The head of an HTTP request: all of a request that is looked at.
//!
//! `httparse` parses; here it is read, bounded in size, and judged. Bodies are
//! not read: nothing here takes one.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head.
const BYTES_MAX: usize = 8 << 10;

/// The most header fields in one.
const FIELDS_MAX: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether only the head of the answer is wanted.
    pub(super) head_only: bool,
    /// The path, without the query.
    pub(super) path: String,
    /// What stands behind the question mark: names, and values if they have one.
    pub(super) query: Vec<(String, String)>,
}

/// Why a request is not answered as it would like to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is no HTTP/1.
    Malformed,
    /// Its head is too long.
    TooLarge,
    /// Neither GET nor HEAD.
    Method,
}

/// Reads a head. `None`: the other side has gone before it was there.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Result<Head, Refusal>> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        let room = BYTES_MAX - bytes.len();
        if room == 0 {
            return Some(Err(Refusal::TooLarge));
        }
        match (&mut *stream).take(room as u64).read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        if let Some(head) = parse(&bytes).transpose() {
            return Some(head);
        }
    }
}

/// Understands a head; `None` as long as it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Refusal> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge),
        Err(_) => return Err(Refusal::Malformed),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(Refusal::Malformed);
    };
    let head_only = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(Refusal::Method),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') {
        return Err(Refusal::Malformed);
    }
    Ok(Some(Head { head_only, path: path.to_owned(), query: pairs(query) }))
}

/// `a=b&c` as names and values. What is wanted here needs no escapes, so none is undone.
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

    fn get(path: &str, query: &[(&str, &str)]) -> Head {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Head { head_only: false, path: path.to_owned(), query }
    }

    #[tokio::test]
    async fn a_head_is_read_in_pieces() {
        let mut stream =
            tokio_test_pieces(&[b"GET /met", b"rics?a=b&verbose HTTP/1.1\r\nHost:", b" x\r\n\r\n"]);
        assert_eq!(read(&mut stream).await, Some(Ok(get("/metrics", &[("a", "b"), ("verbose", "")]))));
    }

    /// A stream that gives these pieces, one at a time.
    fn tokio_test_pieces(pieces: &'static [&'static [u8]]) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(8);
        tokio::spawn(async move {
            for piece in pieces {
                tokio::io::AsyncWriteExt::write_all(&mut writer, piece).await.expect("somebody reads");
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
        assert_eq!(read(&mut endless).await, Some(Err(Refusal::TooLarge)));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(read(&mut many.as_bytes()).await, Some(Err(Refusal::TooLarge)));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for (bytes, verdict) in [
            (&b"POST / HTTP/1.1\r\n\r\n"[..], Err(Refusal::Method)),
            (b"GET http://x/ HTTP/1.1\r\n\r\n", Err(Refusal::Malformed)),
            (b"GET / HTTP/2.0\r\n\r\n", Err(Refusal::Malformed)),
            (b"\x16\x03\x01\x02\x00", Err(Refusal::Malformed)),
            (b"HEAD / HTTP/1.0\r\n\r\n", Ok(Some(Head { head_only: true, ..get("/", &[]) }))),
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
