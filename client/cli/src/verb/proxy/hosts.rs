//! Whether a request names this machine as its host.
//!
//! Guards against DNS rebinding: a page whose name is made to resolve to 127.0.0.1 belongs, for a browser,
//! to the same site as the proxy, but names its own host.

use coffee_http::HttpError;
use hyper::{StatusCode, header, http::request};

/// Rejects a request that does not name this machine.
///
/// # Errors
/// It names another host, several, or none.
pub(super) fn refuse_other_hosts(head: &request::Parts) -> Result<(), HttpError> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (named, another) = (hosts.next(), hosts.next());
    let named = named.and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let is_ours = another.is_none()
        && named.or(authority).is_some()
        && named.into_iter().chain(authority).all(is_this_machine);
    if is_ours {
        return Ok(());
    }
    Err(HttpError::new(StatusCode::FORBIDDEN, "the Host of the request is not this machine")
        .hint("use the URL that the proxy has printed: its host is localhost, 127.0.0.1 or [::1]"))
}

/// Whether `HOST[:PORT]` names this machine without any resolver.
fn is_this_machine(host: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn hosts_of_this_machine_are_few() {
        for ours in ["localhost", "LocalHost:7380", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:7380"] {
            assert!(is_this_machine(ours), "{ours}");
        }
        for other in [
            "",
            ":7380",
            "evil.example",
            "evil.example:7380",
            "localhost.evil.example",
            "localhost:evil",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "::1",
            "user@localhost",
            "0.0.0.0",
            "localhost:80:80",
        ] {
            assert!(!is_this_machine(other), "{other}");
        }
    }

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
