//! Requests of a hostile scraper, for fuzzing.

use super::request;

/// Parses the bytes as the head of a request.
pub fn head(bytes: &[u8]) {
    if let Ok(Some(head)) = request::parse(bytes) {
        assert!(head.path.len() <= bytes.len(), "a path is a part of the head");
    }
}

#[test]
fn a_head_is_parsed() {
    head(b"GET /livez?verbose HTTP/1.1\r\nhost: ming\r\n\r\n");
    head(b"\r\n\r\n");
}
