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

mod chunk;

use coffee_common::{
    command::{Command, Outcome},
    id::{RequestId, Revision},
};

use self::chunk::Records;
pub(super) use self::chunk::{check as check_row, first as chunk_of, numbers};
use super::{
    layers::Layers,
    layout::KvError,
    memory::{RequestMemory, Slot},
    tables::{MetaKey, Table, Tables},
};

impl RequestMemory {
    /// Reads the memory out of the tables. `limit` has to be the same on all
    /// nodes, for all time: it is part of a replicated rule.
    pub fn load(layers: &Layers, limit: u64) -> Result<Self, KvError> {
        let forgotten = match layers.meta(MetaKey::Forgotten)? {
            Some(payload) => decode_index(&payload)?,
            None => Revision::default(),
        };
        let mut memory = Self::new(limit, forgotten);
        for row in layers.rows(Table::Requests)? {
            let (key, row) = row?;
            for record in Records::open(key.get(), row.get())? {
                let record = record?;
                memory.load_next(Slot::new(&record.request, record.at, record.number))?;
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
        let key = chunk::key(index);
        let row = tables.layers.row(Table::Requests, &key)?.ok_or(MISSING)?;
        let mut records = Records::open(&key, row.get())?;
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
    let number = chunk::encode(&mut tables.row, at, digest, request, outcome)?;
    let record = &tables.row;
    tables.layers.update(Table::Requests, &chunk::key(at), |row| chunk::add(row, at, record))?;
    tables.digest.add_number(number);
    if let Some(gone) = tables.memory.push(Slot::new(request, at, number)) {
        tables.layers.remove(Table::Requests, &gone.chunk.to_be_bytes());
        tables.digest.subtract(gone.number);
    }
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

fn decode_index(bytes: &[u8]) -> Result<Revision, KvError> {
    let bytes = bytes.try_into().map_err(|_| KvError::damaged(Table::Meta, "an index has a wrong length"))?;
    Ok(Revision(u64::from_le_bytes(bytes)))
}
