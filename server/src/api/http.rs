//! The HTTP door: keys and values as HTTP and JSON, for programs in any language.
//!
//! TLS 1.3 with client certificates over TCP, HTTP/1.1 and HTTP/2. Any node serves everything: `coffee_http`
//! turns a request into one of the client protocol, which is carried out by the service, with the same
//! roles, budgets and audit. Knows nothing of consensus, storage or the other listeners. Off unless configured.
//!
//! Guards that each client costs the node a bounded amount, however slow or hostile it is: connections,
//! handshakes, heads, bodies, streams, and responses that are not read.

mod backend;
mod connections;
mod door;
mod handshakes;
mod listener;
mod serve;

pub use self::listener::HttpDoor;
