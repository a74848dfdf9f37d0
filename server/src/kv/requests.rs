//! The memory of requests: what came of the last writes that carried an id.
//!
//! Guards that a request takes effect at most once. Each remembered request has
//! a record under the log index that applied it (`chunk`). The newest `limit` of
//! them are kept; the highest index that was dropped is `forgotten`. A request
//! names a revision `after` which the cluster had reached before the request was
//! first sent, so whatever applied it has a higher index:
//!
//! - it is remembered: its outcome is known;
//! - `after` is `forgotten` or later, and it is not remembered: it was never applied;
//! - `after` is before `forgotten`: nobody can tell, and it is refused.
//!
//! The rule reads the log alone, never a clock, so all replicas agree on it.
//!
//! Records are found by request through [`RequestMemory`], and what is forgotten
//! is known from it: applying reads no record but of a request that comes again.
//! Records that are forgotten stay in their row until all of it is.

use coffee_common::{
    command::{Command, Outcome},
    id::{RequestId, Revision},
};

use super::{
    error::KvError,
    memory::{RememberedRequest, RequestMemory},
    row::requests::{self as rows, RequestRecords},
    store::Store,
    table::{MetaKey, Table},
    tables::Tables,
};

impl RequestMemory {
    /// Reads the memory out of the tables. `limit` has to be the same on all
    /// nodes, for all time: it is part of a replicated rule.
    pub fn load(store: &Store, limit: u64) -> Result<Self, KvError> {
        let forgotten = match store.meta(MetaKey::Forgotten)? {
            Some(payload) => decode_index(&payload)?,
            None => Revision::default(),
        };
        let mut memory = Self::new(limit, forgotten);
        for row in store.rows(Table::Requests)? {
            let (key, row) = row?;
            for record in RequestRecords::open(key.get(), row.get())? {
                let record = record?;
                memory.load_next(RememberedRequest::new(&record.request, record.at, record.contribution))?;
            }
        }
        Ok(memory)
    }
}

const MISSING: KvError = KvError::Damaged { table: Table::Requests, what: "it is missing" };

/// What is remembered of a request.
pub(super) enum Recall {
    /// It is answered with this, and not applied.
    Settled(Outcome),
    /// It was never applied.
    New,
}

/// Looks a request up that is proposed at index `at`.
pub(super) fn recall(
    tables: &Tables<'_>,
    at: Revision,
    request: &RequestId,
    digest: u64,
) -> Result<Recall, KvError> {
    planted!("applied-twice", return Ok(Recall::New));
    if let Some(index) = tables.memory.find(request) {
        let key = rows::key(index);
        let row = tables.store.row(Table::Requests, &key)?.ok_or(MISSING)?;
        let mut records = RequestRecords::open(&key, row.get())?;
        let record = records.find(|record| record.as_ref().map_or(true, |record| record.at == index));
        let record = record.ok_or(MISSING)??;
        let same = record.digest == digest;
        return Ok(Recall::Settled(if same { record.outcome()? } else { Outcome::RequestIdReused }));
    }
    let upto = tables.memory.forgotten();
    // A revision that the cluster had not even reached was taken from another history.
    let tellable = upto <= request.after && request.after < at;
    Ok(if tellable { Recall::New } else { Recall::Settled(Outcome::Forgotten { upto }) })
}

/// Remembers what came of a request, and drops the oldest one beyond the limit.
pub(super) fn remember(
    tables: &mut Tables<'_>,
    at: Revision,
    request: &RequestId,
    digest: u64,
    outcome: &Outcome,
) -> Result<(), KvError> {
    let number = rows::encode(&mut tables.row, at, digest, request, outcome)?;
    let record = &tables.row;
    tables.store.update(Table::Requests, &rows::key(at), |row| rows::append(row, at, record))?;
    tables.digest.add_number(number);
    if let Some(gone) = tables.memory.push(RememberedRequest::new(request, at, number)) {
        tables.store.remove(Table::Requests, &gone.first_index.to_be_bytes());
        tables.digest.subtract(gone.contribution);
    }
    Ok(())
}

/// Tells commands apart. It finds a request id that was used for another
/// command by mistake, and has not to withstand more than that: its length,
/// and a checksum that never misses a difference of up to 32 bits in a row.
pub(super) fn digest(command: &Command) -> Result<u64, KvError> {
    let digest =
        postcard::serialize_with_flavor(command, CommandDigest::default()).map_err(KvError::Encode)?;
    Ok(u64::from(digest.length) << 32 | u64::from(digest.crc))
}

#[derive(Default)]
struct CommandDigest {
    length: u32,
    crc: u32,
}

impl postcard::ser_flavors::Flavor for CommandDigest {
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

fn decode_index(bytes: &[u8]) -> Result<Revision, KvError> {
    let bytes = bytes.try_into().map_err(|_| KvError::damaged(Table::Meta, "an index has a wrong length"))?;
    Ok(Revision(u64::from_le_bytes(bytes)))
}
