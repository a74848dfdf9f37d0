//! Which request a method and a path are.

use coffee_common::key::Key;
use hyper::{Method, StatusCode, header};

use super::{
    error::HttpError,
    query::{decode_path, key},
};

/// A request, without its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HttpRoute {
    GetKey(Key),
    PutKey(Key),
    DeleteKey(Key),
    ListKeys,
    Transact,
    Increment(Key),
    KeyHistory(Key),
    Watch,
    Cluster,
    Status,
    OpenApi,
}

impl HttpRoute {
    /// Returns the route of a request.
    ///
    /// # Errors
    /// There is none with this path, or it has another method.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, HttpError> {
        let rest = path.strip_prefix("/v1/").ok_or_else(|| not_found(path))?;
        let of_key = |text: &str| key(decode_path(text)?);
        let is_get = method == Method::GET || method == Method::HEAD;
        let only = |allowed: bool, methods: &'static str| match allowed {
            true => Ok(()),
            false => Err(HttpError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                format!("{method} is not a method of this path"),
            )
            .header(header::ALLOW, methods)
            .hint(format!("use {methods}"))),
        };
        // A key may have slashes of its own, encoded or not.
        if let Some(text) = rest.strip_prefix("kv/") {
            only(is_get || method == Method::PUT || method == Method::DELETE, "GET, HEAD, PUT, DELETE")?;
            let key = of_key(text)?;
            return Ok(match *method {
                Method::PUT => Self::PutKey(key),
                Method::DELETE => Self::DeleteKey(key),
                _ => Self::GetKey(key),
            });
        }
        if let Some(text) = rest.strip_prefix("incr/") {
            only(method == Method::POST, "POST")?;
            return Ok(Self::Increment(of_key(text)?));
        }
        if let Some(text) = rest.strip_prefix("history/") {
            only(is_get, "GET, HEAD")?;
            return Ok(Self::KeyHistory(of_key(text)?));
        }
        if rest == "txn" {
            only(method == Method::POST, "POST")?;
            return Ok(Self::Transact);
        }
        let route = match rest {
            "kv" => Self::ListKeys,
            "watch" => Self::Watch,
            "cluster" => Self::Cluster,
            "status" => Self::Status,
            "openapi.json" => Self::OpenApi,
            _ => return Err(not_found(path)),
        };
        only(is_get, "GET, HEAD")?;
        Ok(route)
    }
}

fn not_found(path: &str) -> HttpError {
    let shown: String = path.chars().take(60).collect();
    HttpError::new(StatusCode::NOT_FOUND, format!("{shown:?} is not a path of this API"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, path: &str) -> Result<HttpRoute, u16> {
        HttpRoute::of(&method, path).map_err(|error| error.status.as_u16())
    }

    fn order() -> Key {
        Key::new("order/1").expect("legal")
    }

    #[test]
    fn a_path_and_a_method_are_a_request() {
        for (method, path, expected) in [
            (Method::GET, "/v1/kv", Ok(HttpRoute::ListKeys)),
            (Method::HEAD, "/v1/kv/order/1", Ok(HttpRoute::GetKey(order()))),
            (Method::GET, "/v1/kv/order%2f1", Ok(HttpRoute::GetKey(order()))),
            (Method::PUT, "/v1/kv/order/1", Ok(HttpRoute::PutKey(order()))),
            (Method::DELETE, "/v1/kv/order/1", Ok(HttpRoute::DeleteKey(order()))),
            (Method::POST, "/v1/kv/order/1", Err(405)),
            (Method::GET, "/v1/kv/", Err(400)),
            (Method::GET, "/v1/kv/%zz", Err(400)),
            (Method::POST, "/v1/txn", Ok(HttpRoute::Transact)),
            (Method::GET, "/v1/txn", Err(405)),
            (Method::POST, "/v1/incr/order%2F1", Ok(HttpRoute::Increment(order()))),
            (Method::GET, "/v1/history/order/1", Ok(HttpRoute::KeyHistory(order()))),
            (Method::GET, "/v1/watch", Ok(HttpRoute::Watch)),
            (Method::PUT, "/v1/watch", Err(405)),
            (Method::GET, "/v1/cluster", Ok(HttpRoute::Cluster)),
            (Method::GET, "/v1/status", Ok(HttpRoute::Status)),
            (Method::GET, "/v1/openapi.json", Ok(HttpRoute::OpenApi)),
            (Method::GET, "/v1/none", Err(404)),
            (Method::GET, "/v2/kv", Err(404)),
            (Method::GET, "*", Err(404)),
        ] {
            assert_eq!(route(method.clone(), path), expected, "{method} {path}");
        }
    }
}
