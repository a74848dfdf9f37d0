//! `GET /v1/openapi.json` is true: a walk over all requests that it describes.

use coffee_common::protocol::Role;
use serde_json::Value;

use super::{
    caller::{HttpCaller, ReceivedResponse},
    founder,
};
use crate::support::EmbeddedCluster;

/// Follows a reference within the document.
fn resolved<'a>(document: &'a Value, node: &'a Value) -> &'a Value {
    match node.get("$ref").and_then(Value::as_str) {
        None => node,
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path}")),
    }
}

/// Says where a value differs from its schema.
fn differs(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let schema = resolved(document, schema);
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = any.iter().any(|one| differs(document, one, value, at).is_none());
        return (!fits).then(|| format!("{at} is none of what it may be: {value}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_of_kind = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(|known| known == kind),
        known => known == kind,
    };
    if !is_of_kind {
        return Some(format!("{at} is of the type {kind}: {value}"));
    }
    if schema.get("enum").and_then(Value::as_array).is_some_and(|known| !known.contains(value)) {
        return Some(format!("{at} is not in the list: {value}"));
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        let mut items = items.iter().enumerate();
        return items.find_map(|(n, item)| differs(document, schema, item, &format!("{at}[{n}]")));
    }
    let fields = value.as_object()?;
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    if let Some(missing) = required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
        return Some(format!("{at} has no {missing}"));
    }
    let known = schema.get("properties")?.as_object()?;
    fields.iter().find_map(|(name, field)| match known.get(name) {
        None => Some(format!("{at}.{name} is not described")),
        Some(schema) => differs(document, schema, field, &format!("{at}.{name}")),
    })
}

/// Checks a response against the description of its operation.
fn check(document: &Value, operation: &Value, response: &ReceivedResponse, what: &str) {
    let described = &operation["responses"];
    let described = described.get(response.status.to_string()).or_else(|| described.get("default"));
    let described = resolved(document, described.expect("a description"));
    let Some(content) = described.get("content").and_then(Value::as_object) else {
        assert!(response.body.is_empty(), "{what}: a body is not described");
        return;
    };
    let kind = response.header("content-type");
    let described = content.get(kind).unwrap_or_else(|| panic!("{what}: {kind} is not described"));
    if kind == "application/json" {
        let problem = differs(document, &described["schema"], &response.json(), "body");
        assert_eq!(problem, None, "{what}: {}", String::from_utf8_lossy(&response.body));
    }
}

/// Returns the target of an operation, with the value of one parameter, and the header of that parameter.
fn request_of(
    document: &Value,
    path: &str,
    parameters: &[&Value],
    varied: Option<&Value>,
) -> (String, Vec<(String, String)>) {
    let (mut target, mut headers) = (path.replace("{key}", "order/1"), Vec::new());
    let mut parameters: Vec<&Value> = parameters
        .iter()
        .copied()
        .filter(|one| one.get("example").is_some() || Some(*one) == varied)
        .collect();
    parameters.dedup();
    for parameter in parameters {
        let schema = resolved(document, &parameter["schema"]);
        let name = parameter["name"].as_str().expect("a name");
        let example = match (parameter.get("example"), schema.get("enum"), &schema["type"]) {
            (Some(example), ..) => example.clone(),
            (_, Some(known), _) => known[0].clone(),
            (.., kind) if kind == "integer" => 1.into(),
            (.., kind) if kind == "boolean" => true.into(),
            _ => schema.get("default").cloned().unwrap_or_else(|| "order/1".into()),
        };
        let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        match parameter["in"].as_str() {
            Some("query") => {
                let separator = if target.contains('?') { '&' } else { '?' };
                target.push_str(&format!("{separator}{name}={example}"));
            }
            Some("header") => headers.push((name.to_owned(), example)),
            _ => {}
        }
    }
    (target, headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_does_as_its_description_says() {
    let cluster = EmbeddedCluster::new();
    let ming = founder(&cluster, "ming").await;
    let (writer, reader) =
        (HttpCaller::new(&cluster, &ming, Role::Writer), HttpCaller::new(&cluster, &ming, Role::Backup));
    let document = writer.get("/v1/openapi.json").await.json();
    let mut count = 0;
    for (path, described) in document["paths"].as_object().expect("paths") {
        for method in ["put", "get", "post", "delete"] {
            let Some(operation) = described.get(method) else { continue };
            let of =
                |node: &Value| node.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default();
            let parameters = [of(described), of(operation)].concat();
            let parameters: Vec<&Value> = parameters.iter().map(|one| resolved(&document, one)).collect();
            let content = operation.pointer("/requestBody/content").and_then(Value::as_object);
            let body =
                content.and_then(|content| content.values().next()).map(|body| body["example"].clone());
            let body = body.map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
            let body = body.unwrap_or_default().into_bytes();
            for varied in std::iter::once(None).chain(parameters.iter().copied().map(Some)) {
                let (target, headers) = request_of(&document, path, &parameters, varied);
                let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
                let method = method.to_uppercase();
                let what = format!("{method} {target} {headers:?}");
                let response = writer.send(&method, &target, &headers, &body).await;
                assert!(response.status < 500, "{what}: {response:?}");
                let unknown = String::from_utf8_lossy(&response.body).contains("unknown parameter");
                assert!(!unknown, "{what}: {response:?}");
                check(&document, operation, &response, &what);
                let denied = reader.send(&method, &target, &headers, &body).await;
                check(&document, operation, &denied, &what);
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} requests");
}
