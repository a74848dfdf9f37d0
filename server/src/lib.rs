//! A replicated key-value store for a small fleet, as a library.
//!
//! A [`Server`] is one node of a Raft cluster: it stores keys and values,
//! replicates them to the other nodes, and answers clients over QUIC with
//! certificates on both sides. The daemon `coffeed` is a small program around
//! it; any other program can embed the same server.
//!
//! - A write is acknowledged once it is durable on a majority of the nodes.
//! - A read at any node sees every write acknowledged before it, unless the
//!   caller asks for local data.
//! - A write takes effect once, however often it is retried.
//! - An error says whether nothing was done or the outcome is unknown.
//!
//! # Example
//!
//! Starts the first node of a cluster, writes through a client of its own, and
//! stops. A tokio runtime with time and I/O must be running.
//!
//! ```no_run
//! use coffee_client::CredentialFiles;
//! use coffeed::{Closed, Config, Server};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = CredentialFiles::new("certs/ca.crt", "certs/node-ming.crt", "certs/node-ming.key");
//! let listen = ([127, 0, 0, 1], 7401).into();
//! let config = Config::new("ming".parse()?, listen, "ming", tls);
//! let server = Server::builder(config).start().await?;
//! server.found().await?; // once in the life of a cluster
//!
//! let client = server.local_client()?;
//! client.set("order/1", "latte").await?;
//!
//! match server.shutdown().await {
//!     Closed::Failed(cause) | Closed::Damaged(cause) | Closed::Newer(cause) => {
//!         Err(cause.to_string().into())
//!     }
//!     _ => Ok(()),
//! }
//! # }
//! ```
//!
//! More nodes join with [`Config::join`], or wait until a client adds them
//! (`coffee_client::Client::boot`). `examples/three_nodes.rs` runs three in one
//! process.
//!
//! # The host program's part
//!
//! The library installs no log subscriber, signal handler, panic hook or
//! process-wide crypto provider, and never ends the process. Events go to
//! `tracing`. [`Server::closed`] returns when the node has ended; its data
//! directory can be opened again afterwards. A node under load is smaller with
//! `MALLOC_ARENA_MAX=1` in the environment of glibc.
//!
//! # Limits
//!
//! Keys have 1 byte to 1 KiB, values up to 1.5 MiB, and a batch up to 2 MiB. Every node holds
//! all data. A cluster has three to seven nodes in practice; one node works, but
//! tolerates no loss.
//!
//! # Features
//!
//! - `daemon` (default): the binary `coffeed` and what it needs. Switch it off
//!   to build the library alone.

// Its tests are run as part of this version alone (tests/next).
#![cfg(not(all(test, coffee_twin)))]
#![deny(missing_docs)]

// First: its macro is used by all modules.
#[macro_use]
mod planted;

#[doc(hidden)]
pub mod api;
pub mod config;
#[cfg(test)]
mod golden_test;
#[doc(hidden)]
pub mod kv;
#[doc(hidden)]
pub mod metrics;
#[doc(hidden)]
pub mod node;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod raft_types;
mod server;
#[doc(hidden)]
pub mod service;
#[doc(hidden)]
pub mod storage;

pub use config::Config;
pub use server::{Builder, Closed, ReloadError, Server, StartError};

/// Compiles the example in README.md.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
