//! The request memory: the outcomes of the last writes that carried an id.
//!
//! Guards that a request takes effect at most once. Each remembered request has
//! a record under the log index that applied it (row/requests.rs). The newest
//! `limit` records are kept; `forgotten` is the highest index that was dropped.
//! A request names a revision `after`, which the cluster had reached before the
//! request was first sent, so the entry that applied it has a higher index:
//!
//! - it is remembered: its outcome is known;
//! - `after` is `forgotten` or later, and it is not remembered: it was never applied;
//! - `after` is before `forgotten`: this cannot be decided, and it is rejected.
//!
//! The rule depends on the log alone, never on a clock, so all replicas agree.
//!
//! [`RequestMemory`] finds the record of a request and knows which records are
//! forgotten, so applying reads a record only when a request is retried. A
//! forgotten record stays in its row until the whole row is forgotten.

use coffee_common::{
    command::{Command, Outcome},
    envelope,
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
    /// Loads the memory from the tables. `limit` must be the same on all nodes
    /// and must never change: it is part of a replicated rule.
    ///
    /// # Errors
    /// A record is damaged, or the database failed.
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

/// The result of looking a request up.
pub(super) enum Recall {
    /// Answer with this outcome; do not apply the request.
    Settled(Outcome),
    /// The request was never applied.
    New,
}

/// Looks up a request that is proposed at index `at`.
pub(super) fn recall(
    tables: &Tables<'_>,
    at: Revision,
    request: &RequestId,
    digest: u64,
) -> Result<Recall, KvError> {
    planted!("applied-twice", return Ok(Recall::New));
    if let Some(index) = tables.memory().find(request) {
        let key = rows::key(index);
        let row = tables.store().row(Table::Requests, &key)?.ok_or(MISSING)?;
        let mut records = RequestRecords::open(&key, row.get())?;
        let record = records.find(|record| record.as_ref().map_or(true, |record| record.at == index));
        let record = record.ok_or(MISSING)??;
        let same = record.digest == digest;
        return Ok(Recall::Settled(if same { record.outcome()? } else { Outcome::RequestIdReused }));
    }
    let upto = tables.memory().forgotten();
    // A revision that the cluster has not reached yet belongs to another history.
    let decidable = upto <= request.after && request.after < at;
    Ok(if decidable { Recall::New } else { Recall::Settled(Outcome::Forgotten { upto }) })
}

/// A digest that tells commands apart: the length and a CRC. It only has to
/// detect a request id that was reused for another command by mistake. The CRC
/// detects every difference that spans up to 32 bits.
pub(super) fn digest(tables: &mut Tables<'_>, command: &Command) -> Result<u64, KvError> {
    let encoded = tables.buffer();
    envelope::encode_to(encoded, command).map_err(KvError::Encode)?;
    Ok(u64::from(encoded.len() as u32) << 32 | u64::from(crc32c::crc32c(encoded)))
}

fn decode_index(bytes: &[u8]) -> Result<Revision, KvError> {
    let bytes = bytes.try_into().map_err(|_| KvError::damaged(Table::Meta, "an index has a wrong length"))?;
    Ok(Revision(u64::from_le_bytes(bytes)))
}
