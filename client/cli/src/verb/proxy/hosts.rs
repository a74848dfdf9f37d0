//! Whether a request names this machine as its host.
//!
//! Guards against DNS rebinding: a page whose name is made to resolve to 127.0.0.1 belongs, for a browser,
//! to the same site as the proxy, but names its own host.

use coffee_http::{HttpError, names_this_machine};
use hyper::{StatusCode, http::request};

/// Rejects a request that does not name this machine.
///
/// # Errors
/// It names another host, several, or none.
pub(super) fn refuse_other_hosts(head: &request::Parts) -> Result<(), HttpError> {
    if names_this_machine(head) {
        return Ok(());
    }
    Err(HttpError::new(StatusCode::FORBIDDEN, "the Host of the request is not this machine")
        .hint("use the URL that the proxy has printed: its host is localhost, 127.0.0.1 or [::1]"))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn a_request_names_one_host_and_that_is_ours() {
        let verdict = |uri: &str, hosts: &[&str]| {
            let request = Request::get(uri);
            let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
            refuse_other_hosts(&request.body(()).unwrap().into_parts().0).is_ok()
        };
        assert!(verdict("/v1/kv", &["localhost:7380"]));
        assert!(verdict("http://localhost/v1/kv", &["localhost"]));
        assert!(!verdict("/v1/kv", &[]));
        assert!(!verdict("/v1/kv", &["evil.example"]));
        assert!(!verdict("/v1/kv", &["localhost", "evil.example"]));
        assert!(!verdict("http://evil.example/v1/kv", &["localhost"]));
        assert!(!verdict("http://localhost/v1/kv", &["evil.example"]));
    }
}
