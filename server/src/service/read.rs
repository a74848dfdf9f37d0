//! Reads: their responses are charged to the client's share.
//!
//! Guards that a client that requests much and receives none of it makes the node hold a bounded
//! number of bytes, over all of its connections. A value is in memory for a moment before it is
//! charged, if the share had room for the largest one; a page of a range is charged as the largest before it is read, since many could be read
//! at once.

use coffee_common::{
    budget::ByteCharge,
    id::Revision,
    key::{Key, KeyRange},
    limits::{RANGE_BYTES_MAX, VALUE_BYTES_MAX},
    protocol::{Consistency, Rejection, Response, VersionView},
};
use tokio::time::{Instant, timeout_at};

use super::{clients::ClientShare, link::ClientLink};
use crate::{
    metrics::{ClientLimit, ClientLimitMetrics},
    ops::reads::{FreshState, Reads},
};

/// The largest response that is not charged, in bytes: the number of requests in flight bounds them.
pub(crate) const UNCHARGED_BYTES_MAX: usize = 1 << 10;

/// Bytes of a version of a key in a response, but for its value.
const VERSION_BYTES: usize = 128;

/// A read of one key, of a range, or of what was there.
#[derive(Clone, Copy)]
pub(crate) enum Read<'a> {
    Key(&'a Key),
    Range { range: &'a KeyRange, limit: u32, keys_only: bool, empty_pages: bool },
    KeyAt { key: &'a Key, revision: Revision },
    RangeAt { range: &'a KeyRange, revision: Revision, limit: u32, keys_only: bool },
    Versions { key: &'a Key, before: Option<Revision>, limit: u32, keys_only: bool },
}

/// The client whose read it is, its connection, and the counts of the limits that it meets.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) client: &'a ClientShare,
    pub(crate) link: &'a dyn ClientLink,
    pub(crate) limits: &'a ClientLimitMetrics,
}

/// Reads once the node's state is fresh enough and the client's share has room.
pub(crate) async fn read(
    reads: &Reads,
    reader: Reader<'_>,
    read: Read<'_>,
    consistency: Consistency,
    deadline: Instant,
) -> Result<(Response, Option<ByteCharge>), Rejection> {
    let fresh = reads.fresh(consistency, deadline).await?;
    match read {
        Read::Key(key) => reader.get(&fresh, key, deadline).await,
        read => {
            let overloaded = || reader.overloaded(ClientLimit::RangeReads);
            let Ok(Ok(_permit)) = timeout_at(deadline, reader.client.ranges.acquire()).await else {
                return Err(overloaded());
            };
            let mut charge = reader.charge(RANGE_BYTES_MAX + VALUE_BYTES_MAX, deadline).await?;
            let response = timeout_at(deadline, read_much(&fresh, read, deadline)).await;
            let response = response.map_err(|_| overloaded())??;
            charge.shrink_to(bytes(&response));
            Ok((response, Some(charge)))
        }
    }
}

/// Reads what takes much of the disk or the processor.
async fn read_much(fresh: &FreshState, read: Read<'_>, deadline: Instant) -> Result<Response, Rejection> {
    match read {
        Read::Key(key) => fresh.get(key),
        Read::Range { range, limit, keys_only, empty_pages } => {
            check_understood(fresh.range(range, limit, keys_only).await?, empty_pages)
        }
        Read::KeyAt { key, revision } => fresh.get_at(key, revision, deadline).await,
        Read::RangeAt { range, revision, limit, keys_only } => {
            fresh.range_at(range, revision, limit, keys_only, deadline).await
        }
        Read::Versions { key, before, limit, keys_only } => {
            fresh.history(key, before, limit, keys_only, deadline).await
        }
    }
}

/// Refuses an empty page of a range that continues to a client that would take it for the last one.
fn check_understood(page: Response, empty_pages: bool) -> Result<Response, Rejection> {
    match page {
        Response::Page { entries, upto: Some(_), .. } if entries.is_empty() && !empty_pages => {
            Err(Rejection::Refused {
                reason: "there are too many deleted keys before the next key for a client of this version"
                    .to_owned(),
                hint: "use a newer client".to_owned(),
            })
        }
        page => Ok(page),
    }
}

impl Reader<'_> {
    async fn get(
        self,
        fresh: &FreshState,
        key: &Key,
        deadline: Instant,
    ) -> Result<(Response, Option<ByteCharge>), Rejection> {
        // Many gets that wait for room must not read their values first: that costs processor time.
        if self.client.response_bytes.has_room(VALUE_BYTES_MAX) {
            let response = fresh.get(key)?;
            let needed = bytes(&response);
            if needed <= UNCHARGED_BYTES_MAX {
                return Ok((response, None));
            }
            if let Some(charge) = self.client.response_bytes.take(needed) {
                return Ok((response, Some(charge)));
            }
        }
        let mut charge = self.charge(VALUE_BYTES_MAX, deadline).await?;
        let response = fresh.get(key)?;
        charge.shrink_to(bytes(&response));
        Ok((response, Some(charge)))
    }

    async fn charge(self, bytes: usize, deadline: Instant) -> Result<ByteCharge, Rejection> {
        let charge = self.client.response_bytes.take_until(bytes, deadline).await;
        // All reads of a client that leaves with unread responses get room at once.
        if self.link.is_closed() {
            return Err(Rejection::Unavailable("the client has disconnected".to_owned()));
        }
        charge.ok_or_else(|| self.overloaded(ClientLimit::ResponseBytes))
    }

    fn overloaded(self, limit: ClientLimit) -> Rejection {
        self.limits.of(limit).increment();
        Rejection::Overloaded
    }
}

/// Returns the approximate size of a response.
fn bytes(response: &Response) -> usize {
    match response {
        Response::Value { entry, .. } => entry.as_ref().map_or(0, |entry| entry.value.as_bytes().len()),
        Response::Page { entries, .. } | Response::PastPage { entries, .. } => {
            entries.iter().map(|(key, entry)| key.as_bytes().len() + entry.value.as_bytes().len()).sum()
        }
        Response::Versions { versions, .. } => {
            let bytes = |version: &VersionView| {
                VERSION_BYTES + version.entry.as_ref().map_or(0, |entry| entry.value.as_bytes().len())
            };
            versions.iter().map(bytes).sum()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_page_is_for_clients_that_go_on_after_it() {
        let page = |upto: Option<&str>| Response::Page {
            entries: Vec::new(),
            more: upto.is_some(),
            at: Revision(9),
            upto: upto.map(|key| key.parse().expect("legal")),
        };
        assert_eq!(check_understood(page(Some("k")), true), Ok(page(Some("k"))));
        assert_eq!(check_understood(page(None), false), Ok(page(None)), "it is the last one");
        let refused = check_understood(page(Some("k")), false);
        assert!(matches!(refused, Err(Rejection::Refused { .. })), "{refused:?}");
    }
}
