//! An async client of a `coffeed` cluster, a replicated key-value store.
//!
//! A [`Client`] needs the address of at least one node and a certificate
//! signed by the cluster's CA. It finds the leader and retries on other nodes,
//! within one deadline per call.
//!
//! # Features
//!
//! - Linearizable reads and writes; cheaper local reads on request ([`Consistency`]).
//! - Atomic batches with conditions: compare-and-set, create, delete-if-unchanged ([`Batch`]).
//! - Transactions: if/then/else, with reads and counters inside ([`Txn`], [`Client::add`]).
//! - Watches: every change of a range, in order, none skipped ([`Client::watch`]); the history of keys
//!   ([`Client::history`], [`Client::get_at`]).
//! - A write takes effect at most once however often it is retried, even by
//!   another process that knows its request id.
//! - Honest failures: an [`Error`] says whether the call certainly had no effect
//!   or may have had one ([`Error::outcome`]), and what to do next ([`Error::hint`]).
//! - One QUIC connection per node, mutual TLS 1.3, many requests in flight;
//!   failover within tens of milliseconds of an election.
//! - Backups as a verified stream, and the calls that manage a cluster.
//!
//! Cargo features, off by default: `cert` creates and rotates a private CA and
//! its certificates, `seal` seals backups to a key, `bench` is a load generator.
//!
//! # Limits
//!
//! | | |
//! |---|---|
//! | key | 1 to 1024 bytes, UTF-8 or not |
//! | value | up to 1.5 MiB |
//! | batch | up to 128 operations, 128 conditions and 2 MiB |
//! | transaction | up to 128 conditions, 128 steps of each branch and 2 MiB |
//! | page of a range | up to 1000 keys and 1 MiB |
//! | requests in flight per connection | 4096; further ones wait |
//! | watches that wait | 4096 per connection, 16,384 per client, 100,000 per node |
//!
//! Deliberately absent: leases.
//!
//! # Set and get
//!
//! ```no_run
//! use coffee_client::{Client, CredentialFiles, Credentials};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::load(&CredentialFiles::new("ca.crt", "writer-app.crt", "writer-app.key"))?;
//! let client = Client::builder()
//!     .endpoints(["shop-1.example.net:7400".parse()?, "shop-2.example.net:7400".parse()?])
//!     .credentials(credentials)
//!     .build()?;
//!
//! client.set("order/1", "latte").await?;
//! let entry = client.get("order/1").await?.ok_or("the key does not exist")?;
//! assert_eq!(entry.value.as_bytes(), "latte");
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Compare and set
//!
//! ```no_run
//! # use coffee_client::{Client, Condition, Error, Key, Revision};
//! # async fn example(client: Client, read_at: Revision) -> Result<(), Box<dyn std::error::Error>> {
//! let unchanged = Condition::RevisionIs(Key::new("order/1")?, read_at);
//! match client.set_with("order/1", "flat white", [unchanged]).await {
//!     Ok(written) => println!("written at revision {}", written.revision),
//!     Err(Error::ConditionFalse { actual, .. }) => println!("changed since: {actual:?}"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Batch
//!
//! ```no_run
//! # use coffee_client::{Batch, Client, Condition, Key, Operation, Value};
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let (open, done) = (Key::new("open/1")?, Key::new("done/1")?);
//! let batch = Batch {
//!     conditions: vec![Condition::Present(open.clone())],
//!     operations: vec![Operation::Delete(open), Operation::Set(done, Value::new("latte")?)],
//! };
//! let written = client.batch(batch).await?;
//! assert_eq!(written.effects.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Transaction
//!
//! Take the next order, unless the shop is closed. A cluster knows transactions from feature level 2 on.
//!
//! ```no_run
//! # use coffee_client::{Client, Error, Relation, StepResult, Txn, TxnStep};
//! # async fn example(client: Client) -> Result<(), Error> {
//! let txn = Txn::new()
//!     .when_value("shop/ming", Relation::Equal, "open")
//!     .then(TxnStep::add("orders/last", 1))
//!     .then(TxnStep::set("orders/open", "latte"))
//!     .otherwise(TxnStep::get("shop/opens"));
//! let done = client.txn(txn).await?;
//! match &done.results[..] {
//!     [StepResult::Added(number), ..] if done.succeeded => println!("order {number}"),
//!     [StepResult::Entry(Some(opens))] => println!("closed until {:?}", opens.value),
//!     _ => println!("closed"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Watch
//!
//! Every change of the orders, from a read on: none is skipped, whatever fails. Store the cursor to continue
//! after a restart, at any node.
//!
//! ```no_run
//! # use coffee_client::{Client, Error, KeyRange, PageOptions, WatchEvent, WatchOptions};
//! # async fn example(client: Client) -> Result<(), Error> {
//! let orders = KeyRange::prefix("order/");
//! let page = client.range(orders.clone(), PageOptions::default()).await?;
//! let mut watch = client.watch(orders, WatchOptions { after: Some(page.at), ..WatchOptions::default() });
//! loop {
//!     if let WatchEvent::Changes(changed) = watch.next().await? {
//!         for change in changed.changes {
//!             println!("{} {:?} by {}", change.key, change.entry, changed.author);
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! # Read a range page by page
//!
//! ```no_run
//! # use coffee_client::{Client, Error, KeyRange, PageOptions};
//! # async fn example(client: Client) -> Result<(), Error> {
//! let mut range = KeyRange::prefix("order/");
//! loop {
//!     let page = client.range(range.clone(), PageOptions::default()).await?;
//!     for (key, entry) in &page.entries {
//!         println!("{key}: {} bytes", entry.value.as_bytes().len());
//!     }
//!     let Some(upto) = page.upto else { break };
//!     range = range.after(&upto);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Retry with a stored request id
//!
//! Store the id before the write. After a crash, or when the outcome is
//! unknown, repeat the same batch under the same id.
//!
//! ```no_run
//! # use coffee_client::{Batch, Client, Error, Key, Operation, RequestId, Value};
//! # fn store(id: RequestId) {}
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let id = client.new_request_id().await?;
//! store(id);
//! let batch = Batch::of(Operation::Set(Key::new("order/1")?, Value::new("latte")?));
//! let written = loop {
//!     match client.write(id, batch.clone()).await {
//!         Err(Error::Unknown { .. }) => continue,
//!         result => break result?,
//!     }
//! };
//! # Ok(())
//! # }
//! ```
//!
//! # Embedding
//!
//! The crate `coffeed` runs a node within another program; use this client to
//! talk to it. Nodes use the lower layers of this crate among themselves: a
//! [`Channel`] is one connection with many requests in flight, a [`Pool`] keeps
//! one channel per address. These never retry, and report precisely what became
//! of a request ([`ChannelError`]).
//!
//! This crate knows the protocol, not the server: no storage, no consensus.

// Its tests are run as part of this version alone (tests/next).
#![cfg(not(all(test, coffee_twin)))]
#![deny(missing_docs)]

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
#[cfg(feature = "seal")]
pub mod seal;
mod shared;
mod timing;
mod txn;

pub use channel::{Channel, ChannelError, Envelope, Health};
pub use client::{
    Backup, Booted, CanStop, ChangesPage, Client, ClientBuilder, ClusterList, DeletedPart, FoundedCluster,
    GetResult, HistoryOptions, KeyChange, KeyHistory, NodeLogLevel, Page, PageOptions, PastPage,
    RevisionChanges, Transferred, Watch, WatchEvent, WatchOptions, Written,
};
#[doc(hidden)]
pub use coffee_common::protocol::{Request, Response};
pub use coffee_common::{
    backup::Summary,
    command::{Batch, Condition, Effect, Operation},
    entry::Entry,
    feature_level::FeatureLevel,
    id::{Address, ClientId, ClusterName, NodeId, NodeName, RequestId, Revision},
    key::{Key, KeyRange, Value},
    protocol::{ChangeKinds, Consistency, LogLevel, NodeEvent, NodeEvents, RaisedLevel, VersionView},
    quic::EndpointOptions,
    tls::{CredentialFiles, Credentials},
    transaction::{Relation, TransactionFailure, TransactionPart},
};
pub use error::{Error, NotSentReason, OutcomeKind};
pub use pool::Pool;
pub use txn::{StepResult, Txn, TxnResult, TxnStep};
