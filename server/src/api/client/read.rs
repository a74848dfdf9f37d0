//! Reads for clients: room for the answer first, then the read.
//!
//! Guards that somebody who asks for much and reads nothing of it makes the
//! node hold a bounded number of bytes. Room is taken for the largest answer
//! there may be, right before it is read, and given back but for what it has.

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

/// Room is counted in units of this many bytes.
const UNIT_BYTES: usize = 1 << 10;

/// What answers to one connection may take.
pub(super) struct Room(Arc<Semaphore>);

/// What one answer takes, until this is dropped.
pub(super) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTION_RESPONSE_BYTES_MAX / UNIT_BYTES)))
    }
}

/// What is read.
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

/// Reads as soon as the node is as fresh as asked for, and there is room.
pub(super) async fn read(
    reads: &Reads,
    room: &Room,
    read: Read<'_>,
    consistency: Consistency,
    deadline: Instant,
) -> Result<(Response, Share), Rejection> {
    let fresh = reads.fresh(consistency, deadline).await?;
    let largest = Arc::clone(&room.0).acquire_many_owned(units(read.bytes_max()));
    let mut permit = match timeout_at(deadline, largest).await {
        Ok(Ok(permit)) => permit,
        _ => return Err(Rejection::Overloaded),
    };
    let response = match read {
        Read::Key(key) => fresh.get(key)?,
        Read::Range { range, limit, keys_only } => fresh.range(range, limit, keys_only)?,
    };
    let needed = units(bytes(&response)) as usize;
    let kept = permit.split(needed.min(permit.num_permits()));
    drop(std::mem::replace(&mut permit, kept.ok_or(Rejection::Overloaded)?));
    Ok((response, Share { _permit: permit }))
}

/// About how many bytes an answer has.
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
