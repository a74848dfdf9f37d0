//! The memory of requests: what came of the last writes that carried an id.
//!
//! Guards that a request takes effect at most once. Each remembered request is
//! a row under the log index that applied it. The newest `limit` of them are
//! kept; the highest index that was dropped is `forgotten`. A request names a
//! revision `after` which the cluster had reached before the request was first
//! sent, so whatever applied it has a higher index:
//!
//! - it is remembered: its outcome is known;
//! - `after` is `forgotten` or later, and it is not remembered: it was never applied;
//! - `after` is before `forgotten`: nobody can tell, and it is refused.
//!
//! The rule reads the log alone, never a clock, so all replicas agree on it.
//!
//! Rows are found by request through a map in memory, which is filled from the
//! table at start: a second table would cost each write another two changes of
//! a B-tree at random places.

use std::collections::HashMap;

use coffee_common::{
    command::{Command, Outcome},
    id::{ClientId, RequestId, Revision},
};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{
    layout::{Fields, KvError, open, seal},
    tables::{MetaKey, Table, Tables, read_meta},
};

/// Finds the rows of remembered requests.
#[derive(Debug)]
pub struct RequestMemory {
    /// How many are kept.
    limit: u64,
    /// The highest index that was dropped.
    forgotten: Revision,
    /// From client and sequence to the index that applied it. Only looked up,
    /// never walked: its order is not the same on all nodes.
    index: HashMap<(ClientId, u64), Revision>,
}

/// What is remembered of a request.
pub(super) enum Recall {
    /// It is answered with this, and not applied.
    Settled(Outcome),
    /// It was never applied.
    New,
}

/// A row of [`Table::Requests`].
#[derive(Debug, PartialEq, Eq)]
struct Remembered {
    digest: u64,
    request: RequestId,
    outcome: Outcome,
}

/// The same, with the outcome as it was encoded.
struct Head<'row> {
    digest: u64,
    request: RequestId,
    outcome: &'row [u8],
}

impl RequestMemory {
    /// Reads the memory out of the tables. `limit` has to be the same on all
    /// nodes, for all time: it is part of a replicated rule.
    pub fn load(database: &impl ReadableDatabase, limit: u64) -> Result<Self, KvError> {
        let txn = database.begin_read()?;
        let meta = txn.open_table(Table::Meta.definition())?;
        let forgotten = match read_meta(&meta, MetaKey::Forgotten)? {
            Some(payload) => decode_index(Table::Meta, &payload, u64::from_le_bytes)?,
            None => Revision::default(),
        };
        let rows = txn.open_table(Table::Requests.definition())?;
        let mut index = HashMap::with_capacity(rows.len()?.min(limit + 1) as usize);
        for row in rows.iter()? {
            let (key, row) = row?;
            let (at, head) = decode_head(key.value(), row.value())?;
            index.insert((head.request.client, head.request.sequence), at);
        }
        Ok(Self { limit, forgotten, index })
    }

    /// Requests up to this revision are no longer remembered.
    pub fn forgotten(&self) -> Revision {
        self.forgotten
    }
}

/// Looks a request up that is proposed at index `at`.
pub(super) fn recall(
    tables: &Tables<'_>,
    at: Revision,
    request: &RequestId,
    digest: u64,
) -> Result<Recall, KvError> {
    planted!("applied-twice", return Ok(Recall::New));
    if let Some(index) = tables.memory.index.get(&(request.client, request.sequence)) {
        let key = index.0.to_be_bytes();
        let row = tables.requests.get(key.as_slice())?;
        let row = row.ok_or(KvError::damaged(Table::Requests, "it is missing"))?;
        let (_, remembered) = decode(&key, row.value())?;
        let same = remembered.digest == digest;
        return Ok(Recall::Settled(if same { remembered.outcome } else { Outcome::RequestIdReused }));
    }
    let upto = tables.memory.forgotten;
    // A revision that the cluster had not even reached was taken from another history.
    let tellable = upto <= request.after && request.after < at;
    Ok(if tellable { Recall::New } else { Recall::Settled(Outcome::Forgotten { upto }) })
}

/// Remembers what came of a request, and drops the oldest ones beyond the limit.
pub(super) fn remember(
    tables: &mut Tables<'_>,
    at: Revision,
    request: &RequestId,
    digest: u64,
    outcome: &Outcome,
) -> Result<(), KvError> {
    let key = at.0.to_be_bytes();
    let row = encode(at, digest, request, outcome)?;
    tables.requests.insert(key.as_slice(), row.as_slice())?;
    tables.digest.add(Table::Requests, &row);
    tables.memory.index.insert((request.client, request.sequence), at);
    while tables.memory.index.len() as u64 > tables.memory.limit {
        forget_oldest(tables)?;
    }
    Ok(())
}

fn forget_oldest(tables: &mut Tables<'_>) -> Result<(), KvError> {
    let Some((key, row)) = tables.requests.pop_first()? else {
        return Err(KvError::damaged(Table::Requests, "it is missing"));
    };
    tables.digest.remove(Table::Requests, row.value());
    let (at, head) = decode_head(key.value(), row.value())?;
    tables.memory.index.remove(&(head.request.client, head.request.sequence));
    tables.memory.forgotten = at;
    Ok(())
}

/// Tells commands apart. It finds a request id that was used for another
/// command by mistake, and has not to withstand more than that: its length,
/// and a checksum that never misses a difference of up to 32 bits in a row.
pub(super) fn digest(command: &Command) -> Result<u64, KvError> {
    let digest = postcard::serialize_with_flavor(command, Digest::default()).map_err(KvError::Encode)?;
    Ok(u64::from(digest.length) << 32 | u64::from(digest.crc))
}

#[derive(Default)]
struct Digest {
    length: u32,
    crc: u32,
}

impl postcard::ser_flavors::Flavor for Digest {
    type Output = Self;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.length = self.length.wrapping_add(bytes.len() as u32);
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Self> {
        Ok(self)
    }
}

/// `digest 8 | client 16 | sequence 8 | after 8 | outcome (postcard)`, sealed.
fn encode(at: Revision, digest: u64, request: &RequestId, outcome: &Outcome) -> Result<Vec<u8>, KvError> {
    let mut payload = Vec::with_capacity(96);
    payload.extend_from_slice(&digest.to_le_bytes());
    payload.extend_from_slice(&request.client.0.to_le_bytes());
    payload.extend_from_slice(&request.sequence.to_le_bytes());
    payload.extend_from_slice(&request.after.0.to_le_bytes());
    let payload = postcard::to_extend(outcome, payload).map_err(KvError::Encode)?;
    Ok(seal(Table::Requests, &at.0.to_be_bytes(), &payload))
}

fn decode(key: &[u8], row: &[u8]) -> Result<(Revision, Remembered), KvError> {
    let (at, Head { digest, request, outcome }) = decode_head(key, row)?;
    match postcard::take_from_bytes(outcome) {
        Ok((outcome, [])) => Ok((at, Remembered { digest, request, outcome })),
        _ => Err(KvError::damaged(Table::Requests, "the outcome is malformed")),
    }
}

/// Verifies a row, and reads all of it but the outcome.
fn decode_head<'row>(key: &[u8], row: &'row [u8]) -> Result<(Revision, Head<'row>), KvError> {
    let at = decode_index(Table::Requests, key, u64::from_be_bytes)?;
    let mut fields = Fields { table: Table::Requests, rest: open(Table::Requests, key, row)? };
    let digest = u64::from_le_bytes(fields.take()?);
    let request = RequestId {
        client: ClientId(u128::from_le_bytes(fields.take()?)),
        sequence: u64::from_le_bytes(fields.take()?),
        after: Revision(u64::from_le_bytes(fields.take()?)),
    };
    Ok((at, Head { digest, request, outcome: fields.rest }))
}

/// Verifies a row as it comes out of a snapshot.
pub(super) fn check_row(key: &[u8], row: &[u8]) -> Result<(), KvError> {
    decode(key, row).map(drop)
}

fn decode_index(table: Table, bytes: &[u8], number: fn([u8; 8]) -> u64) -> Result<Revision, KvError> {
    let bytes = bytes.try_into().map_err(|_| KvError::damaged(table, "an index has a wrong length"))?;
    Ok(Revision(number(bytes)))
}

#[cfg(test)]
mod tests {
    use coffee_common::command::{Batch, Effect, Operation};
    use coffee_common::key::{Key, Value};

    use super::*;

    #[test]
    fn golden_row_of_a_request() {
        let at = Revision(4711);
        let request = RequestId { client: ClientId(0xc0ffee), sequence: 7, after: Revision(4700) };
        let outcome =
            Outcome::Applied { revision: at, effects: vec![Effect { previous: Some(Revision(9)) }] };
        let set = Operation::Set(Key::new("k").expect("legal"), Value::new("v").expect("legal"));
        let digest = digest(&Command::Batch(Batch::of(set))).expect("encodes");
        let row = encode(at, digest, &request, &outcome).expect("encodes");
        crate::golden::check("state_requests", &row);
        let decoded = decode(&at.0.to_be_bytes(), &row).expect("its own bytes");
        assert_eq!(decoded, (at, Remembered { digest, request, outcome }));
    }
}
