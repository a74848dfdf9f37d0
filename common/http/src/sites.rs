//! Refuses requests that a page of another site lets a browser send.

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
