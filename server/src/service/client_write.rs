//! The writes of clients: batches and transactions.

use std::sync::Arc;

use coffee_common::{
    command::{Batch, Command, Outcome},
    id::RequestId,
    protocol::{Rejection, Request, Response},
    transaction::Transaction,
};

/// A write of a client. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum ClientWrite {
    Batch(Arc<Batch>),
    Transaction(Arc<Transaction>),
}

impl ClientWrite {
    /// Checks it against the limits of the system.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        match self {
            Self::Batch(batch) => batch.check().map_err(|error| Rejection::Invalid(error.to_string())),
            Self::Transaction(transaction) => {
                transaction.check().map_err(|error| Rejection::Invalid(error.to_string()))
            }
        }
    }

    /// The command that carries it out.
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Batch(batch) => Command::Batch(Arc::clone(batch)),
            Self::Transaction(transaction) => Command::Transaction(Arc::clone(transaction)),
        }
    }

    /// The request that has the leader carry it out.
    pub(crate) fn request(&self, request: RequestId) -> Request {
        match self {
            Self::Batch(batch) => Request::Write { request, batch: Arc::clone(batch) },
            Self::Transaction(transaction) => {
                Request::Transact { request, transaction: Arc::clone(transaction) }
            }
        }
    }

    /// The response to it. The reads of a transaction are still to be added.
    pub(crate) fn response(&self, outcome: Outcome) -> Response {
        match self {
            Self::Batch(_) => Response::Written(outcome),
            Self::Transaction(_) => Response::Transacted { outcome, reads: Vec::new() },
        }
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.bytes(),
            Self::Transaction(transaction) => transaction.bytes(),
        }
    }

    /// About how many bytes are moved when it is applied.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.bytes(),
            Self::Transaction(transaction) => transaction.cost(),
        }
    }

    /// The bytes of data that it adds at most.
    pub(crate) fn added_bytes(&self) -> usize {
        let adds_data = match self {
            Self::Batch(batch) => batch.adds_data(),
            Self::Transaction(transaction) => transaction.adds_data(),
        };
        if adds_data { self.bytes() } else { 0 }
    }
}
