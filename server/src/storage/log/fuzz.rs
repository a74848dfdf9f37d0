//! The records of a log, for fuzzing.

use super::{
    LogStore,
    records::{self, RecordHead},
};
use crate::storage::{durable_index::DurableIndex, poison::Poison};

/// Decodes the bytes as records, one after another, as they are and with a checksum that matches.
pub fn records(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok((record, length)) = records::open(rest) {
        drop(record);
        rest = &rest[length..];
    }
    let Some((kind, body)) = bytes.split_first() else { return };
    let mut sealed = Vec::new();
    if records::seal(&mut sealed, *kind, |start| Ok([&start, body].concat())).is_err() {
        return;
    }
    let (whole, head) = (records::open(&sealed), records::open_head(&sealed));
    if let (Ok((_, length)), Ok((head, other))) = (whole, head) {
        assert_eq!(length, other, "both ways to read a record agree");
        assert!(!matches!(head, RecordHead::FirstPart), "a part is not a record of its own");
    }
}

/// Opens a file with this content as a log.
pub fn file(content: Vec<u8>) {
    let file = redb::backends::InMemoryBackend::new();
    let written = redb::StorageBackend::set_len(&file, content.len() as u64)
        .and_then(|()| redb::StorageBackend::write(&file, 0, &content));
    if written.is_ok() {
        drop(LogStore::open_inline(Box::new(file), DurableIndex::new(), Poison::new()));
    }
}

#[test]
fn golden_records_are_decoded() {
    let bytes = crate::golden_test::bytes("log_records");
    records(&bytes);
    for from in 0..bytes.len() {
        records(&bytes[from..]);
    }
    file(bytes);
}
