//! The common part of verbs that write: one batch or transaction with a request id.
//!
//! Guards that every report of an unknown outcome, after an error or Ctrl-C,
//! gives the request id under which the write can be retried.

use coffee_client::{Txn, TxnResult};
use coffee_common::{
    command::{Batch, Condition, Operation},
    id::{RequestId, Revision},
    key::Key,
};
use serde::Serialize;

use crate::{failure::Failure, invocation::Invocation};

/// The outcome of an applied write.
#[derive(Debug, Serialize)]
pub(super) struct WriteResult {
    pub(super) revision: u64,
    pub(super) previous: Option<u64>,
    pub(super) request_id: String,
}

/// Changes one key if the conditions hold.
pub(super) async fn run(
    operation: Operation,
    conditions: Vec<Condition>,
    request: Option<RequestId>,
    invocation: &mut Invocation<'_>,
) -> Result<WriteResult, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let batch = Batch { conditions, operations: vec![operation] };
    let (session, spoken) = (invocation.session, &invocation.spoken);
    let result = match request {
        Some(request) => {
            session.begin_write(request, spoken);
            client.write(request, batch).await
        }
        None => client.batch_named(batch, |request| session.begin_write(request, spoken)).await,
    };
    invocation.session.end_write();
    let written = result.map_err(|error| Failure::of_write(error, &invocation.spoken))?;
    Ok(WriteResult {
        revision: written.revision.0,
        previous: written.effects.first().and_then(|effect| effect.previous).map(|revision| revision.0),
        request_id: written.request.to_string(),
    })
}

/// Carries out a transaction.
pub(super) async fn transact(
    txn: Txn,
    request: Option<RequestId>,
    invocation: &mut Invocation<'_>,
) -> Result<TxnResult, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    let (session, spoken) = (invocation.session, &invocation.spoken);
    let result = match request {
        Some(request) => {
            session.begin_write(request, spoken);
            client.txn_again(request, txn).await
        }
        None => client.txn_named(txn, |request| session.begin_write(request, spoken)).await,
    };
    invocation.session.end_write();
    result.map_err(|error| Failure::of_write(error, &invocation.spoken))
}

/// Returns the condition of `--if-rev`. Revision 0 means that the key does not exist.
pub(super) fn if_revision(key: &Key, revision: Option<u64>) -> Option<Condition> {
    revision.map(|revision| match revision {
        0 => Condition::Absent(key.clone()),
        n => Condition::RevisionIs(key.clone(), Revision(n)),
    })
}
