//! The interface to what carries requests out.

use coffee_common::{
    budget::ByteCharge,
    command::Batch,
    id::{ClusterId, RequestId},
    protocol::{Request, Response},
    transaction::Transaction,
};
use futures_util::future::BoxFuture;
use hyper::http::request;

use crate::error::HttpError;

/// Carries out the requests of one connection: a node, or a client of a cluster.
///
/// Futures that are dropped withdraw a read. A write that was begun may still be applied.
pub trait Backend: Send + Sync + 'static {
    /// Rejects a request for where it comes from, before anything else is done with it.
    ///
    /// # Errors
    /// The client may not send it.
    fn admit(&self, head: &request::Parts) -> Result<(), HttpError>;

    /// Rejects a body before it is received.
    ///
    /// # Errors
    /// The client may not send a body of this kind.
    fn authorize_body(&self, kind: BodyKind) -> Result<(), HttpError>;

    /// Charges the bytes of a body to the client until the charge is dropped.
    ///
    /// # Errors
    /// The client has too much on its way.
    fn charge_body(&self, bytes: usize) -> Result<ByteCharge, HttpError>;

    /// Notes that a body did not arrive in time.
    fn note_slow_body(&self);

    /// Carries out a request that is not a write, within `timeout_ms` milliseconds. `cluster` is the one that
    /// it is meant for, if the client named one.
    ///
    /// # Errors
    /// It failed.
    fn call(
        &self,
        cluster: Option<ClusterId>,
        request: Request,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<BackendAnswer, HttpError>>;

    /// Carries out a write, under a new request id unless the client has sent one. Returns the id, too.
    ///
    /// # Errors
    /// It failed. The error has the request id, if the write may have been sent under it
    /// ([`HttpError::of_request`]).
    fn write(
        &self,
        cluster: Option<ClusterId>,
        id: Option<RequestId>,
        change: Change,
        timeout_ms: u32,
    ) -> BoxFuture<'_, Result<(RequestId, BackendAnswer), HttpError>>;
}

/// The content of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// The value of a key.
    Value,
    /// The document of a transaction.
    Transaction,
}

/// A write without its request id.
#[derive(Debug, Clone)]
pub enum Change {
    /// Changes under conditions.
    Batch(Batch),
    /// One of two lists of steps.
    Transaction(Transaction),
}

impl Change {
    /// Returns the request with this id.
    pub fn into_request(self, request: RequestId) -> Request {
        match self {
            Self::Batch(batch) => Request::Write { request, batch: batch.into() },
            Self::Transaction(transaction) => Request::Transact { request, transaction: transaction.into() },
        }
    }
}

/// A response of the client protocol.
pub struct BackendAnswer {
    /// The response.
    pub response: Response,
    /// Dropped once the last byte is sent.
    pub held: ResponseHold,
}

/// Resources that a request occupies until the last byte of its response is sent.
#[derive(Default)]
pub struct ResponseHold {
    _held: Option<Box<dyn Send>>,
}

impl ResponseHold {
    /// Holds something until then.
    pub fn new(held: impl Send + 'static) -> Self {
        Self { _held: Some(Box::new(held)) }
    }
}
