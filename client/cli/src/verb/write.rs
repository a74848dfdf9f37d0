//! What `set` and `del` share: one batch, sent so that it can be repeated.
//!
//! Guards: whoever is told that an outcome is unknown, be it by an error or
//! after Ctrl-C, is told with which request id the write can be repeated.

use coffee_common::{
    command::{Batch, Condition, Operation},
    id::{RequestId, Revision},
    key::Key,
};
use serde::Serialize;

use crate::{failure::Failure, invocation::Invocation};

/// What is known of a write that was done.
#[derive(Debug, Serialize)]
pub(super) struct WriteResult {
    pub(super) revision: u64,
    pub(super) previous: Option<u64>,
    pub(super) request_id: String,
}

/// Changes one key, if the conditions hold.
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

/// The condition that `--if-rev` stands for: revision 0 is that of a key that is not there.
pub(super) fn if_revision(key: &Key, revision: Option<u64>) -> Option<Condition> {
    revision.map(|revision| match revision {
        0 => Condition::Absent(key.clone()),
        n => Condition::RevisionIs(key.clone(), Revision(n)),
    })
}
