//! An async client of a coffeed cluster.
//!
//! A [`Client`] needs the address of one node at least, and a certificate of
//! the cluster's CA. It finds the leader, keeps to it, falls back to other
//! nodes, and tries again within one deadline for each call. A write is done
//! once however often it is tried, and a call that fails says whether it had
//! an effect: certainly not, or unknown ([`Error::outcome`]).
//!
//! ```no_run
//! use coffee_client::{Client, Condition, CredentialFiles, Credentials, Error};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::load(&CredentialFiles::new("ca.pem", "ops.pem", "ops.key"))?;
//! let client = Client::builder()
//!     .endpoints(["shop-1.example.net:7400".parse()?, "shop-2.example.net:7400".parse()?])
//!     .credentials(credentials)
//!     .build()?;
//!
//! let written = client.set("order/1", "latte").await?;
//! let entry = client.get("order/1").await?.ok_or("somebody took the order away")?;
//! assert_eq!(entry.value.as_bytes(), "latte");
//!
//! // Only if nobody changed the order since.
//! let unchanged = Condition::RevisionIs("order/1".parse()?, written.revision);
//! match client.set_with("order/1", "flat white", [unchanged]).await {
//!     Ok(written) => assert!(written.revision > entry.modified),
//!     Err(Error::ConditionFalse { .. }) => {}
//!     Err(error) => return Err(error.into()),
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Below the client are the parts that nodes use as well to ask each other:
//! a [`Channel`] is one connection with many requests in flight, a [`Pool`]
//! keeps one to each address. They ask once and say precisely what became of it.
//!
//! Knows the protocol and nothing of the server: no storage, no consensus.

#[cfg(feature = "bench")]
pub mod bench;
mod call;
#[cfg(feature = "cert")]
pub mod cert;
mod channel;
mod client;
mod cluster_cache;
mod error;
mod pool;
mod request_ids;
mod retry;
mod routing;
mod shared;
mod timing;

pub use channel::{Channel, ChannelError, Health};
pub use client::{
    Backup, Booted, CanStop, Client, ClientBuilder, NodeLogLevel, Page, PageOptions, Reading, Transferred,
    Written,
};
pub use coffee_common::{
    backup::Summary,
    command::{Batch, Condition, Effect, Entry, Operation},
    id::{Address, ClientId, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{Consistency, LogLevel, Request, Response},
    quic::EndpointOptions,
    tls::{CredentialFiles, Credentials},
};
pub use error::{Error, NotSentReason, OutcomeKind};
pub use pool::Pool;
