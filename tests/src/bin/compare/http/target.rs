//! Operations as HTTP requests.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use coffee_client::bench::{Failed, Target};
use tokio::sync::Mutex;

use super::connection::{HttpEndpoint, LoadConnection};
use crate::contestant::until_done;

/// Whose paths and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpApi {
    /// The door of coffeed.
    Coffeed,
    /// The gateway for JSON of etcd 3.4 and later.
    EtcdGateway,
}

/// A connection, for one client.
#[derive(Clone)]
pub(crate) struct HttpTarget {
    api: HttpApi,
    connection: Arc<Mutex<LoadConnection>>,
}

/// A request: method, path and body.
type HttpCall = (&'static str, String, Vec<u8>);

impl HttpApi {
    fn put(self, key: &str, value: &[u8]) -> HttpCall {
        match self {
            Self::Coffeed => ("PUT", format!("/v1/kv/{key}"), value.to_vec()),
            Self::EtcdGateway => {
                let (key, value) = (BASE64_STANDARD.encode(key), BASE64_STANDARD.encode(value));
                let body = format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}");
                ("POST", "/v3/kv/put".to_owned(), body.into_bytes())
            }
        }
    }

    fn get(self, key: &str) -> HttpCall {
        match self {
            Self::Coffeed => ("GET", format!("/v1/kv/{key}"), Vec::new()),
            Self::EtcdGateway => {
                let body = format!("{{\"key\":\"{}\"}}", BASE64_STANDARD.encode(key));
                ("POST", "/v3/kv/range".to_owned(), body.into_bytes())
            }
        }
    }

    /// Watches all keys that begin with `prefix`, which must not end in the greatest byte.
    pub(super) fn watch(self, prefix: &str) -> HttpCall {
        match self {
            Self::Coffeed => ("GET", format!("/v1/watch?prefix={prefix}"), Vec::new()),
            Self::EtcdGateway => {
                let mut end = prefix.as_bytes().to_vec();
                end.last_mut().into_iter().for_each(|last| *last += 1);
                let (key, end) = (BASE64_STANDARD.encode(prefix), BASE64_STANDARD.encode(end));
                let body = format!("{{\"create_request\":{{\"key\":\"{key}\",\"range_end\":\"{end}\"}}}}");
                ("POST", "/v3/watch".to_owned(), body.into_bytes())
            }
        }
    }

    /// Bytes that are once in each event, and nowhere else.
    pub(super) fn event_mark(self) -> &'static [u8] {
        match self {
            Self::Coffeed => b"\"event\":",
            Self::EtcdGateway => b"\"kv\":",
        }
    }
}

impl HttpTarget {
    pub(super) async fn open(endpoint: &HttpEndpoint, api: HttpApi) -> Self {
        let connection = until_done("a connection", async || LoadConnection::open(endpoint).await).await;
        Self { api, connection: Arc::new(Mutex::new(connection)) }
    }

    async fn call(&self, (method, path, body): HttpCall) -> Result<BytesMut, Failed> {
        self.connection.lock().await.call(method, &path, &body).await
    }
}

impl Target for HttpTarget {
    async fn put(&self, key: String, value: Bytes) -> Result<(), Failed> {
        self.call(self.api.put(&key, &value)).await.map(drop)
    }

    async fn get(&self, key: String) -> Result<(), Failed> {
        let body = self.call(self.api.get(&key)).await?;
        let is_there = match self.api {
            HttpApi::Coffeed => !body.is_empty(),
            HttpApi::EtcdGateway => body.windows(6).any(|bytes| bytes == b"\"kvs\":"),
        };
        match is_there {
            true => Ok(()),
            false => Err(Failed { kind: "missing", text: "a key that was written is missing".into() }),
        }
    }
}
