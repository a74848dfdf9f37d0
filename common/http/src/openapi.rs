//! The description of the door: `GET /v1/openapi.json`.

use super::{
    error::HttpError,
    exchange::{Exchange, HttpReply},
};

/// Written by hand. A test walks it against a node.
const DOCUMENT: &str = include_str!("openapi.json");

/// Returns the document.
pub(super) fn openapi(mut exchange: Exchange) -> Result<HttpReply, HttpError> {
    exchange.finish_query()?;
    Ok(HttpReply::json(DOCUMENT.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use hyper::{Method, StatusCode};

    use super::{super::route::HttpRoute, *};

    const METHODS: [Method; 5] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH];

    #[test]
    fn the_document_has_the_methods_of_each_route_and_no_others() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).expect("JSON");
        let paths = document["paths"].as_object().expect("an object");
        for (path, described) in paths {
            for method in METHODS {
                let route = HttpRoute::of(&method, &path.replace("{key}", "order/1"));
                let is_described = described.get(method.as_str().to_lowercase()).is_some();
                match route {
                    Ok(_) => assert!(is_described, "{method} {path} is served, but not described"),
                    Err(error) => {
                        assert_eq!(error.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
                        assert!(!is_described, "{method} {path} is described, but not served");
                    }
                }
            }
        }
        assert_eq!(paths.len(), 9, "a new route is described, too");
    }
}
