//! Rows of requests: the records of 256 log indexes in one row.
//!
//! An on-disk format, held by golden bytes. One row per record would cost every
//! write two more changes of a B-tree. So a record is appended to the last row,
//! and the row's checksum is extended.
//!
//! ```text
//! key     first index 8 (big endian)
//! row     format 1 | crc 4 | record ...
//! record  place 1 | length 4 | digest 8 | client 16 | sequence 8 | after 8 | outcome (envelope) ...
//! ```
//!
//! `place` is the record's index minus the first index, `length` the length of
//! the outcome. Records are in the order of their indexes.

use coffee_common::{
    command::Outcome,
    envelope::{self, DecodeError},
    id::{ClientId, RequestId, Revision},
};

use super::format::{FieldReader, open, scatter, seal_more};
use crate::kv::{error::KvError, table::Table};

/// Log indexes per row: a row has 15 to 25 KB.
const INDEXES_PER_ROW: u64 = 256;

/// Bytes of a record before its outcome.
const RECORD_HEADER_BYTES: usize = 45;

/// The first index of the row that holds an index.
pub(in crate::kv) fn first_index(at: Revision) -> u64 {
    at.0 - at.0 % INDEXES_PER_ROW
}

/// The key of the row that holds an index.
pub(in crate::kv) fn key(at: Revision) -> [u8; 8] {
    first_index(at).to_be_bytes()
}

/// The record of a remembered request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kv) struct RequestRecord<'row> {
    /// The index that applied it.
    pub(in crate::kv) at: Revision,
    /// The digest of its command.
    pub(in crate::kv) digest: u64,
    pub(in crate::kv) request: RequestId,
    outcome: &'row [u8],
    /// Its contribution to the digest of the state.
    pub(in crate::kv) contribution: u64,
}

impl RequestRecord<'_> {
    pub(in crate::kv) fn outcome(&self) -> Result<Outcome, KvError> {
        match envelope::decode_first(self.outcome) {
            Ok((outcome, [])) => Ok(outcome),
            Err(DecodeError::Unknown(part)) => Err(KvError::Newer { table: Table::Requests, part }),
            _ => Err(malformed("an outcome is malformed")),
        }
    }
}

/// Encodes a record into `bytes`, whose content it replaces. Returns its
/// contribution to the digest of the state.
pub(in crate::kv) fn encode(
    bytes: &mut Vec<u8>,
    at: Revision,
    digest: u64,
    request: &RequestId,
    outcome: &Outcome,
) -> Result<u64, KvError> {
    bytes.clear();
    bytes.push((at.0 % INDEXES_PER_ROW) as u8);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&digest.to_le_bytes());
    bytes.extend_from_slice(&request.client.0.to_le_bytes());
    bytes.extend_from_slice(&request.sequence.to_le_bytes());
    bytes.extend_from_slice(&request.after.0.to_le_bytes());
    envelope::encode_to(bytes, outcome).map_err(KvError::Encode)?;
    let length = (bytes.len() - RECORD_HEADER_BYTES) as u32;
    bytes[1..5].copy_from_slice(&length.to_le_bytes());
    Ok(record_contribution(&key(at), bytes))
}

/// Appends an encoded record to its row, which may be empty.
pub(in crate::kv) fn append(row: &mut Vec<u8>, at: Revision, record: &[u8]) {
    seal_more(Table::Requests, &key(at), row, record);
}

/// A record's contribution to the digest of the state. Its checksum covers its index.
fn record_contribution(key: &[u8], record: &[u8]) -> u64 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), record);
    scatter((record.len() as u64) << 32 | u64::from(crc))
}

/// The contribution of a row: the sum of its records. Malformed records
/// contribute nothing.
pub(super) fn contribution(key: &[u8], row: &[u8]) -> u64 {
    let records = RequestRecords::open(key, row).into_iter().flatten();
    records.flatten().fold(0, |sum, record| sum.wrapping_add(record.contribution))
}

/// Verifies a row that arrived in a snapshot.
pub(super) fn check(key: &[u8], row: &[u8]) -> Result<(), KvError> {
    for record in RequestRecords::open(key, row)? {
        record?.outcome()?;
    }
    Ok(())
}

/// The records of a row whose checksum was verified. Ends after the first error.
pub(in crate::kv) struct RequestRecords<'row> {
    key: [u8; 8],
    first: u64,
    rest: &'row [u8],
    /// The lowest place that the next record may have.
    place: u64,
}

impl<'row> RequestRecords<'row> {
    pub(in crate::kv) fn open(key: &[u8], row: &'row [u8]) -> Result<Self, KvError> {
        let rest = open(Table::Requests, key, row)?;
        let key: [u8; 8] = key.try_into().map_err(|_| malformed("an index has a wrong length"))?;
        let first = u64::from_be_bytes(key);
        match first.is_multiple_of(INDEXES_PER_ROW) && !rest.is_empty() {
            true => Ok(Self { key, first, rest, place: 0 }),
            false => Err(malformed("it is not a row of requests")),
        }
    }

    fn read_record(&mut self) -> Result<RequestRecord<'row>, KvError> {
        let whole = self.rest;
        let mut fields = FieldReader { table: Table::Requests, rest: whole };
        let [place] = fields.take()?;
        let length = u32::from_le_bytes(fields.take()?);
        let digest = u64::from_le_bytes(fields.take()?);
        let client = ClientId(u128::from_le_bytes(fields.take()?));
        let sequence = u64::from_le_bytes(fields.take()?);
        let after = Revision(u64::from_le_bytes(fields.take()?));
        let outcome = fields.rest.split_at_checked(length as usize);
        let (outcome, rest) = outcome.ok_or(malformed("it is too short"))?;
        if u64::from(place) < self.place {
            return Err(malformed("its records are out of order"));
        }
        self.place = u64::from(place) + 1;
        self.rest = rest;
        let at = Revision(self.first.saturating_add(place.into()));
        let contribution = record_contribution(&self.key, &whole[..whole.len() - rest.len()]);
        Ok(RequestRecord {
            at,
            digest,
            request: RequestId { client, sequence, after },
            outcome,
            contribution,
        })
    }
}

impl<'row> Iterator for RequestRecords<'row> {
    type Item = Result<RequestRecord<'row>, KvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read_record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

fn malformed(what: &'static str) -> KvError {
    KvError::damaged(Table::Requests, what)
}

#[cfg(test)]
mod tests {
    use coffee_common::command::Effect;

    use super::*;
    use crate::kv::row::format::SEAL_BYTES;

    fn request(sequence: u64) -> RequestId {
        RequestId { client: ClientId(0xc0ffee), sequence, after: Revision(4700) }
    }

    fn row(indexes: &[u64]) -> Vec<u8> {
        let (mut row, mut record) = (Vec::new(), Vec::new());
        for at in indexes.iter().copied().map(Revision) {
            let effects = vec![Effect { previous: Some(Revision(9)) }];
            let outcome = Outcome::Applied { revision: at, effects };
            encode(&mut record, at, 7, &request(at.0), &outcome).expect("encodes");
            append(&mut row, at, &record);
        }
        row
    }

    #[test]
    fn golden_row_of_requests() {
        let row = row(&[4711, 4713]);
        crate::golden_test::check("state_requests", &row);
        let key = key(Revision(4711));
        check(&key, &row).expect("its own bytes");
        let records: Result<Vec<_>, _> = RequestRecords::open(&key, &row).expect("its own bytes").collect();
        let records = records.expect("its own bytes");
        let found: Vec<_> =
            records.iter().map(|record| (record.at.0, record.digest, record.request)).collect();
        assert_eq!(found, [(4711, 7, request(4711)), (4713, 7, request(4713))]);
        assert!(matches!(records[1].outcome(), Ok(Outcome::Applied { revision: Revision(4713), .. })));
    }

    #[test]
    fn a_record_counts_the_same_alone_and_among_others() {
        let key = key(Revision(4711));
        let both = contribution(&key, &row(&[4711, 4713]));
        assert_eq!(both, contribution(&key, &row(&[4711])).wrapping_add(contribution(&key, &row(&[4713]))));
        let elsewhere = first_index(Revision(4711)) + INDEXES_PER_ROW + 4711 % INDEXES_PER_ROW;
        assert_ne!(
            contribution(&key, &row(&[4711])),
            contribution(&super::key(Revision(elsewhere)), &row(&[elsewhere]))
        );
    }

    #[test]
    fn an_outcome_of_a_newer_version_is_not_damage() {
        let mut good = row(&[4711]);
        let outcome = SEAL_BYTES + RECORD_HEADER_BYTES;
        good[outcome + 1] = 99;
        let mut later = Vec::new();
        seal_more(Table::Requests, &key(Revision(4711)), &mut later, &good[SEAL_BYTES..]);
        let error = check(&key(Revision(4711)), &later).expect_err("is not known");
        assert!(matches!(error, KvError::Newer { table: Table::Requests, .. }), "{error}");
    }

    #[test]
    fn malformed_rows_are_rejected() {
        let at = Revision(4711);
        let good = row(&[4711, 4713]);
        assert!(check(&key(Revision(4711 + INDEXES_PER_ROW)), &good).is_err(), "of another key");
        assert!(check(&key(at), &row(&[4713, 4711])).is_err(), "out of order");
        assert!(check(&key(at), &row(&[4711, 4711])).is_err(), "twice");
        for end in 0..good.len() {
            assert!(check(&key(at), &good[..end]).is_err(), "cut off at {end}");
            let mut sealed = Vec::new();
            seal_more(Table::Requests, &key(at), &mut sealed, good.get(5..end).unwrap_or_default());
            let whole = end == 5 + (good.len() - 5) / 2;
            assert_eq!(check(&key(at), &sealed).is_ok(), whole, "sealed and cut off at {end}");
        }
    }
}
