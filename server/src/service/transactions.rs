//! The reads of a transaction: the node that the client asked adds them to the response.
//!
//! Guards that the response to a transaction that took effect says so, whatever becomes of its reads, and
//! that they are charged to the client's share like other reads.

use coffee_common::{
    budget::ByteCharge,
    command::Outcome,
    limits::{RANGE_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::Response,
    transaction::{ReadOmission, Step, StepRead, Transaction},
};
use tokio::time::{Instant, timeout_at};

use super::{held::OutgoingResponse, session::Session};
use crate::ops::reads::TransactionReads;

/// Returns what is to be read for the response to a transaction; `None` if that is nothing.
pub(crate) fn reads_of<'a>(
    transaction: &'a Transaction,
    response: &'a Response,
) -> Option<TransactionReads<'a>> {
    match response {
        Response::Transacted { outcome: Outcome::Transacted { revision, then, effects }, .. } => {
            let steps = transaction.branch(*then);
            let reads = TransactionReads { steps, effects, at: *revision };
            steps.iter().any(Step::reads).then_some(reads)
        }
        _ => None,
    }
}

/// Adds what the steps of a transaction have read to its response.
pub(crate) async fn complete(
    session: &Session,
    transaction: &Transaction,
    response: Response,
    deadline: Instant,
) -> OutgoingResponse {
    let Some(wanted) = reads_of(transaction, &response) else { return Ok(response).into() };
    let read = tokio::select! {
        biased;
        read = timeout_at(deadline, read(session, wanted, deadline)) => {
            read.unwrap_or(Err(ReadOmission::Late))
        }
        // The response reaches no one.
        () = session.link.closed() => Err(ReadOmission::Late),
    };
    let count = wanted.steps.iter().filter(|step| step.reads()).count();
    let (reads, charge) = match read {
        Ok((reads, charge)) => (reads, Some(charge)),
        Err(why) => (vec![StepRead::Omitted(why); count], None),
    };
    let result = match response {
        Response::Transacted { outcome, .. } => Response::Transacted { outcome, reads },
        other => other,
    };
    OutgoingResponse { result: Ok(result), charge }
}

async fn read(
    session: &Session,
    wanted: TransactionReads<'_>,
    deadline: Instant,
) -> Result<(Vec<StepRead>, ByteCharge), ReadOmission> {
    let late = |_| ReadOmission::Late;
    let fresh = session.service.reads.applied(wanted.at, deadline).await.map_err(late)?;
    let client = session.share();
    let _permit = client.ranges.acquire().await.map_err(|_| ReadOmission::Late)?;
    let most = RANGE_BYTES_MAX + VALUE_BYTES_MAX;
    let charge = client.response_bytes.take_until(most, deadline).await;
    let mut charge = charge.ok_or(ReadOmission::NoRoom)?;
    let reads = fresh.transaction(wanted, deadline).await.map_err(late)?;
    charge.shrink_to(reads.iter().map(bytes).sum());
    Ok((reads, charge))
}

fn bytes(read: &StepRead) -> usize {
    match read {
        StepRead::Entry(entry) => entry.as_ref().map_or(0, |entry| entry.value.as_bytes().len()),
        StepRead::Page { entries, .. } => {
            entries.iter().map(|(key, entry)| key.as_bytes().len() + entry.value.as_bytes().len()).sum()
        }
        StepRead::Omitted(_) => 0,
    }
}
