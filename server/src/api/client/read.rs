//! Reads: budget for the response first, then the read.
//!
//! Guards that a client that requests much and reads none of it makes the node hold a bounded
//! number of bytes. Budget for the largest possible response is acquired right before the read,
//! and the part that the response does not need is released.

use std::sync::Arc;

use coffee_common::{
    key::{Key, KeyRange},
    limits::{CONNECTION_RESPONSE_BYTES_MAX, RANGE_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::{Consistency, Rejection, Response},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::ops::reads::Reads;

/// The unit of the budget.
const UNIT_BYTES: usize = 1 << 10;

/// Bounds the bytes of a connection's responses that are read but not sent.
pub(super) struct ResponseBudget(Arc<Semaphore>);

/// The bytes of one response, until this is dropped.
pub(super) struct ResponsePermit {
    _permit: OwnedSemaphorePermit,
}

impl Default for ResponseBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTION_RESPONSE_BYTES_MAX / UNIT_BYTES)))
    }
}

/// A read of one key or of a range.
#[derive(Clone, Copy)]
pub(super) enum Read<'a> {
    Key(&'a Key),
    Range { range: &'a KeyRange, limit: u32, keys_only: bool },
}

impl Read<'_> {
    fn bytes_max(self) -> usize {
        match self {
            Self::Key(_) => VALUE_BYTES_MAX,
            Self::Range { .. } => RANGE_BYTES_MAX + VALUE_BYTES_MAX,
        }
    }
}

/// Reads once the node's state is fresh enough and the budget allows it.
pub(super) async fn read(
    reads: &Reads,
    budget: &ResponseBudget,
    read: Read<'_>,
    consistency: Consistency,
    deadline: Instant,
) -> Result<(Response, ResponsePermit), Rejection> {
    let fresh = reads.fresh(consistency, deadline).await?;
    let largest = Arc::clone(&budget.0).acquire_many_owned(units(read.bytes_max()));
    let mut permit = match timeout_at(deadline, largest).await {
        Ok(Ok(permit)) => permit,
        _ => return Err(Rejection::Overloaded),
    };
    let response = match read {
        Read::Key(key) => fresh.get(key)?,
        Read::Range { range, limit, keys_only } => {
            let page = timeout_at(deadline, fresh.range(range, limit, keys_only)).await;
            page.map_err(|_| Rejection::Overloaded)??
        }
    };
    let needed = units(bytes(&response)) as usize;
    let kept = permit.split(needed.min(permit.num_permits()));
    drop(std::mem::replace(&mut permit, kept.ok_or(Rejection::Overloaded)?));
    Ok((response, ResponsePermit { _permit: permit }))
}

/// Returns the approximate size of a response.
fn bytes(response: &Response) -> usize {
    match response {
        Response::Value { entry, .. } => entry.as_ref().map_or(0, |entry| entry.value.as_bytes().len()),
        Response::Page { entries, .. } => {
            entries.iter().map(|(key, entry)| key.as_str().len() + entry.value.as_bytes().len()).sum()
        }
        _ => 0,
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}
