//! Recognizes requests that a page of another site lets a browser send.

use hyper::{
    StatusCode,
    header::{self, HeaderValue},
    http::request,
};

use crate::error::HttpError;

/// Refuses what a page of another site lets a browser send: it would carry the authority of the user.
/// Browsers name the site; older ones name only the origin, in requests that change something. `scheme` is
/// `https` or `http`.
///
/// # Errors
/// A page of another site has sent it.
pub fn refuse_other_sites(request: &request::Parts, scheme: &str) -> Result<(), HttpError> {
    let headers = &request.headers;
    let is_own = match (headers.get("sec-fetch-site"), headers.get(header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => {
            let host = request.uri.authority().map(|host| host.as_str().as_bytes());
            let host = host.or_else(|| headers.get(header::HOST).map(HeaderValue::as_bytes));
            let origin = origin.as_bytes().strip_prefix(scheme.as_bytes());
            let origin = origin.and_then(|origin| origin.strip_prefix(b"://"));
            host.is_some_and(|host| origin == Some(host))
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    Err(HttpError::new(StatusCode::FORBIDDEN, "a page of another site may not use this node")
        .hint("open the node's own address"))
}

/// Whether a request names this machine as its host, without any resolver: `localhost`, 127.0.0.1 or ::1.
///
/// A listener on the loopback that serves no other guards against DNS rebinding: a page whose name is made to
/// resolve to 127.0.0.1 belongs, for a browser, to the same site as the listener, but names its own host.
pub fn names_this_machine(head: &request::Parts) -> bool {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (named, another) = (hosts.next(), hosts.next());
    let named = named.and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(|authority| authority.as_str());
    another.is_none()
        && named.or(authority).is_some()
        && named.into_iter().chain(authority).all(is_this_machine)
}

/// Whether `HOST[:PORT]` is this machine.
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
}
