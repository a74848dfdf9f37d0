//! The HTTP door: keys and values as HTTP and JSON, for programs in any language.
//!
//! TLS 1.3 with client certificates over TCP, HTTP/1.1 and HTTP/2. Any node serves everything: a request
//! becomes a request of the client protocol and is carried out by the service, with the same roles,
//! budgets and audit. Knows nothing of consensus, storage or the other listeners. Off unless configured.
//!
//! Guards that each client costs the node a bounded amount, however slow or hostile it is: connections,
//! handshakes, heads, bodies, streams, and responses that are not read.

mod body;
mod cluster;
mod connections;
mod door;
mod error;
mod exchange;
mod handshakes;
mod json;
mod listener;
mod openapi;
mod query;
mod reads;
mod request_body;
mod route;
mod serve;
mod transaction;
mod watching;
mod writes;

pub use self::listener::HttpDoor;
